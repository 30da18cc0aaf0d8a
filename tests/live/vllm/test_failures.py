"""V12 to V14, V22 on the wire: what the real server refuses comes to a person with the way to mend it."""

import json
from contextlib import aclosing
from pathlib import Path

import pytest

from garra.errors import ContextOverflow
from garra.wire.chat import ChatCompletions
from garra.wire.messages import User
from garra.wire.request import ChatRequest
from tests.live.served import free_port, garra
from tests.live.vllm.real import MODEL, Real

pytestmark = [pytest.mark.anyio, pytest.mark.live]


def told(home: Path, *args: str, **env: str) -> str:
    """What a failing command says."""
    done = garra(home, *args, **env)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_without_a_server_is_named_with_the_way_to_check_it(real: Real, home: Path) -> None:
    """V12."""
    base_url = f"http://127.0.0.1:{free_port()}/v1"
    real.configured(home, base_url=base_url)

    assert f"curl {base_url}/models" in told(home, "agent", "-m", "hello")


def test_a_base_url_without_v1_is_answered_with_the_one_to_set(real: Real, home: Path) -> None:
    real.configured(home, base_url=real.root_url)

    said = told(home, "agent", "--model", f"vllm/{MODEL}", "-m", "hello")

    assert f"garra config set models.providers.vllm.baseUrl {real.base_url}" in said


def test_a_wrong_key_is_told_and_the_right_one_works_in_the_next_run(real: Real, home: Path) -> None:
    """V13. A server without a key takes any."""
    real.configured(home, key="${VLLM_API_KEY}", params="maxTokens: 4")
    wrong = garra(home, "agent", "-m", "hello", VLLM_API_KEY="a-wrong-key")
    right = garra(home, "agent", "-m", "hello", VLLM_API_KEY=real.sent_key)

    assert right.returncode == 0, right.stderr
    assert wrong.returncode == (1 if real.key else 0)
    if real.key:
        assert all(part in wrong.stderr for part in (real.base_url, "401", "VLLM_API_KEY", "garra auth set vllm"))
        assert "a-wrong-key" not in wrong.stderr


def test_a_model_that_is_not_served_is_answered_with_the_one_that_is(real: Real, home: Path) -> None:
    """V14."""
    real.configured(home)

    said = told(home, "agent", "--model", "vllm/nope", "-m", "hello")

    assert all(part in said for part in ("nope", real.base_url, MODEL, f"garra models set vllm/{MODEL}"))


async def test_a_prompt_that_is_too_long_is_recognised_with_the_servers_numbers(real: Real, home: Path) -> None:
    """V22."""
    async with real.models(home) as (http, models):
        chosen = await models.choose(None)
        request = ChatRequest(MODEL, (User("word " * real.window),), max_tokens=1)
        async with aclosing(ChatCompletions(http, chosen.endpoint).stream(request)) as events:
            with pytest.raises(ContextOverflow) as caught:
                await anext(events)

    assert caught.value.limit == real.window
    assert (caught.value.asked or 0) > real.window


def test_what_cannot_fit_is_refused_with_the_numbers_before_it_is_sent(real: Real, home: Path) -> None:
    """V15."""
    real.configured(home)
    first = garra(home, "agent", "--session", "short", "-m", "hello")
    before = real.counters()["vllm:prompt_tokens_total"]

    done = garra(home, "agent", "--json", "--session", "long", "-m", "word " * real.window)

    assert first.returncode == 0, first.stderr
    assert done.returncode == 1
    assert f"{real.window:,}" in json.loads(done.stdout)["error"]["message"]
    assert json.loads(done.stdout)["error"]["kind"] == "context_overflow"
    assert real.counters()["vllm:prompt_tokens_total"] == before
