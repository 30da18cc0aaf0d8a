"""`garra doctor` and `garra onboard` on the real server, in each way that it was started."""

import json
from pathlib import Path

import pytest

from tests.live.served import garra
from tests.live.vllm.real import MODEL, Real

pytestmark = [pytest.mark.live]


def test_nothing_is_broken_and_the_flags_that_lack_are_named(real: Real, home: Path) -> None:
    (home / ".garra").mkdir(mode=0o700)
    real.configured(home).chmod(0o600)

    done = garra(home, "doctor", "--json")

    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    for check in ("server", "window", "chat", "described tools", "structured output", "tokenizer", "prefix cache"):
        assert found[check]["state"] == "ok", found[check]
    assert f"{real.window:,}" in found["window"]["seen"]
    if found["native tools"]["state"] == "hint":  # no parser, or a template without tools
        [line] = found["native tools"]["mend"]
        assert f"--served-model-name {MODEL}" in line
        assert "--enable-auto-tool-choice --tool-call-parser hermes" in line


def test_a_script_sets_it_up_and_hears_its_hello(real: Real, home: Path) -> None:
    flags = ("--non-interactive", "--accept-risk", "--auth-choice", "vllm", "--custom-base-url", real.base_url)

    done = garra(home, "onboard", *flags, "--json", VLLM_API_KEY=real.sent_key)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == f"vllm/{MODEL}"
    assert told["key"] == "VLLM_API_KEY"
    assert told["hello"]
    assert real.sent_key not in (home / ".garra" / "garra.json").read_text()
