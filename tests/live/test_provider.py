"""What the vLLM page promises (V3 to V7, V9, V12 to V14), against the embedded server and against nobody at all."""

import json
import time
from pathlib import Path

import pytest

from tests.live.served import USUAL_PORT, Served, config, explicit, free_port, garra, serve

pytestmark = pytest.mark.live
MODEL = "Garra/Smol-LM2"
SOON_S = 2.0
"""How long a failure on the loopback address may take; the time of a start of Python comes on top."""

START_S = 3.0


def listed(home: Path, **env: str) -> list[dict[str, object]]:
    done = garra(home, "models", "list", "--json", **env)
    assert done.returncode == 0, done.stderr
    models: list[dict[str, object]] = json.loads(done.stdout)["models"]
    return models


def test_a_key_in_the_environment_is_all_that_opting_in_takes(served: Served, home: Path) -> None:
    """V3, V4: no file, any key; the served ids are entries, with the window from the server."""
    if served.port != USUAL_PORT:
        pytest.skip(f"port {USUAL_PORT}, where vLLM is looked for, is another program's")

    assert [(model["key"], model["contextWindow"]) for model in listed(home, VLLM_API_KEY="vllm-local")] == [
        (f"vllm/{MODEL}", 8192)
    ]
    done = garra(home, "agent", "--json", "-m", "Say hi.", VLLM_API_KEY="vllm-local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["model"] == f"vllm/{MODEL}"
    assert not (home / ".garra" / "garra.json").exists()


def test_a_stored_profile_opts_in_as_well(served: Served, home: Path) -> None:
    """V3: an auth profile for vllm."""
    if served.port != USUAL_PORT:
        pytest.skip(f"port {USUAL_PORT}, where vLLM is looked for, is another program's")
    stored = garra(home, "auth", "set", "vllm", "--stdin", stdin="any-key\n")

    assert stored.returncode == 0, stored.stderr
    assert (home / ".garra" / "auth.json").stat().st_mode & 0o777 == 0o600
    assert [model["key"] for model in listed(home)] == [f"vllm/{MODEL}"]


def test_a_model_id_with_slashes_and_capitals_is_selected_by_the_primary(served: Served, home: Path) -> None:
    """V5, V7: another port."""
    config(
        home,
        f'{{ agents: {{ defaults: {{ model: {{ primary: "vllm/{MODEL}" }}, params: {{ maxTokens: 8 }} }} }}, '
        f"{explicit(served.base_url)} }}",
    )

    done = garra(home, "agent", "--json", "-m", "Say hi.")

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["model"] == f"vllm/{MODEL}"
    assert report["usage"]["completion_tokens"] <= 8


def test_listed_models_are_the_catalogue_and_the_wildcard_brings_the_others_back(served: Served, home: Path) -> None:
    """V6, V10: explicit rows switch discovery off; `vllm/*` switches it on again, beside them."""
    row = (
        '{ id: "mine", name: "Mine", input: ["text"], cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }, '
        "contextWindow: 4096, maxTokens: 512 }"
    )
    config(home, f"{{ {explicit(served.base_url, row)} }}")
    alone = listed(home)
    config(home, f'{{ agents: {{ defaults: {{ models: {{ "vllm/*": {{}} }} }} }}, {explicit(served.base_url, row)} }}')
    together = listed(home)

    assert [(model["key"], model["contextWindow"]) for model in alone] == [("vllm/mine", 4096)]
    assert {(model["key"], model["contextWindow"]) for model in together} == {
        ("vllm/mine", 4096),
        (f"vllm/{MODEL}", 8192),
    }


def test_a_listed_model_without_a_window_has_the_servers(served: Served, home: Path) -> None:
    """V6: the original takes 200,000 tokens for granted."""
    config(home, f'{{ {explicit(served.base_url, f"""{{ id: "{MODEL}", name: "Smol" }}""")} }}')

    assert [model["contextWindow"] for model in listed(home)] == [8192]


def test_a_pinned_window_and_cap_are_kept_to(served: Served, home: Path) -> None:
    """V7: pinned `contextWindow` and `maxTokens`."""
    row = f'{{ id: "{MODEL}", name: "Smol", contextWindow: 900, maxTokens: 5 }}'
    config(home, f'{{ agents: {{ defaults: {{ model: "vllm/{MODEL}" }} }}, {explicit(served.base_url, row)} }}')

    short = json.loads(garra(home, "agent", "--json", "-m", "Say hi.").stdout)
    long = garra(home, "agent", "--session", "long", "-m", "word " * 900)

    assert short["usage"]["completion_tokens"] <= 5
    assert long.returncode == 1
    assert "900 tokens" in long.stderr


def test_a_server_with_a_key_is_used_with_the_right_one_and_a_wrong_one_blocks_nothing(
    tmp_path: Path, home: Path
) -> None:
    """V7, V9, V13: the key from the environment; a 401 names the mend, and the next run works at once."""
    with serve(tmp_path, free_port(), VLLM_API_KEY="sekret") as server:
        config(home, f"{{ {explicit(server.base_url, key='${VLLM_API_KEY}')} }}")
        started = time.monotonic()
        wrong = garra(home, "agent", "-m", "Say hi.", VLLM_API_KEY="a-wrong-key")
        took_s = time.monotonic() - started
        missing = garra(home, "agent", "-m", "Say hi.")
        right = garra(home, "agent", "-m", "Say hi.", VLLM_API_KEY="sekret")

    assert wrong.returncode == 1
    assert server.base_url in wrong.stderr
    assert "VLLM_API_KEY" in wrong.stderr or "garra auth set vllm" in wrong.stderr
    assert "a-wrong-key" not in wrong.stderr + wrong.stdout
    assert took_s < SOON_S + START_S
    assert missing.returncode == 1
    assert "VLLM_API_KEY" in missing.stderr
    assert "models.providers.vllm.apiKey" in missing.stderr
    assert right.returncode == 0, right.stderr
    assert right.stdout.strip()


@pytest.mark.parametrize("command", [("agent", "-m", "hello"), ("models", "list"), ("models", "status")])
def test_a_server_that_is_not_there_is_named_with_the_way_to_check_it(command: tuple[str, ...], home: Path) -> None:
    """V12: within 2 s, the URL and the curl command."""
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    config(home, f"{{ {explicit(base_url)} }}")

    started = time.monotonic()
    done = garra(home, *command)
    took_s = time.monotonic() - started

    told = done.stdout + done.stderr
    assert f"curl {base_url}/models" in told
    assert took_s < SOON_S + START_S
    assert "Traceback" not in told


def test_an_unknown_model_is_answered_with_those_that_are_served(served: Served, home: Path) -> None:
    """V14."""
    config(home, f'{{ agents: {{ defaults: {{ model: "vllm/not-here" }} }}, {explicit(served.base_url)} }}')

    started = time.monotonic()
    done = garra(home, "agent", "-m", "hello")
    took_s = time.monotonic() - started

    assert done.returncode == 1
    for part in ("not-here", served.base_url, MODEL, f"garra models set vllm/{MODEL}"):
        assert part in done.stderr
    assert took_s < SOON_S + START_S


def test_choosing_a_served_model_is_kept_and_used(served: Served, home: Path) -> None:
    file = config(
        home, f"{{ /* mine */ {explicit(served.base_url)}, agents: {{ defaults: {{ params: {{ maxTokens: 5 }} }} }} }}"
    )

    done = garra(home, "models", "set", f"vllm/{MODEL}")

    assert done.returncode == 0, done.stderr
    assert "/* mine */" in file.read_text()
    assert json.loads(garra(home, "agent", "--json", "-m", "hi").stdout)["model"] == f"vllm/{MODEL}"
