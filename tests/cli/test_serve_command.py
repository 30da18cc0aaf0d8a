import pytest

from garra.cli.main import run
from garra.cli.serve_command import check_installed
from garra.errors import ServeError
from garra.serve.api.run import overriding


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_machines_are_not_served_without_a_key(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--host", host]) == 2

    told = capsys.readouterr().err
    assert host in told
    assert "--api-key" in told
    assert "--host 127.0.0.1" in told


@pytest.mark.parametrize(
    "flags", [["--port", "70000"], ["--max-model-len", "0"], ["--max-num-seqs", "x"], ["--nothing"]]
)
def test_flags_that_make_no_sense_are_wrong_usage(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", *flags]) == 2

    assert "Traceback" not in capsys.readouterr().err


def test_a_model_that_is_not_there_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "/nowhere/model.gguf", "--port", "0"]) == 1

    told = capsys.readouterr().err
    assert told.count("error:") == 1
    assert "/nowhere/model.gguf" in told
    assert "Traceback" not in told


def test_parts_that_are_not_installed_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(ServeError, match=r"no_such_part.*pip install 'garra\[serve\]'"):
        check_installed(("json", "no_such_part"))


def test_every_part_that_is_needed_is_installed_here() -> None:
    check_installed()


@pytest.mark.parametrize(
    ("given", "told"),
    [("{", "not JSON"), ("[1]", "JSON object"), ('{"top_q": 1}', "top_p"), ('{"temperature": "warm"}', "temperature")],
)
def test_sampling_that_cannot_be_set_is_refused_by_name(
    given: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--override-generation-config", given]) == 1

    error = capsys.readouterr().err
    assert "--override-generation-config" in error
    assert told in error


def test_sampling_is_set_under_vllms_names() -> None:
    assert overriding('{"temperature": 0.5, "max_new_tokens": 9}') == {"temperature": 0.5, "max_tokens": 9}
