"""The engine's process: its death is reported, and it never outlives the server."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from garra.errors import ServeError, ServerBusy
from garra.serve.engines import TokenRequest
from garra.serve.engines.openvino import EngineSettings, start
from garra.serve.weights import Weights
from tests.serve.model_cache import CACHE

from .drive import greedy, whole

pytestmark = [pytest.mark.anyio, pytest.mark.live]

_SMALL = EngineSettings(max_model_len=256, kv_cache_gb=0.05)
_PATIENCE_S = 60.0


async def test_a_killed_engine_ends_its_requests_with_an_error(weights: Weights) -> None:
    engine = await start(weights, _SMALL)
    reply = engine.generate(TokenRequest([5], greedy(200)))
    await anext(reply)

    os.kill(engine.pid, signal.SIGKILL)

    with pytest.raises(ServeError, match="signal 9"):
        async for _ in reply:
            pass
    assert engine.dead.is_set()
    assert "signal 9" in engine.ending
    assert engine.running == 0
    with pytest.raises(ServeError, match="not running"):
        await whole(engine, [5], greedy(1))
    await engine.close()


async def test_a_closed_engine_ends_its_requests_and_its_process(weights: Weights) -> None:
    engine = await start(weights, _SMALL)
    reply = engine.generate(TokenRequest([5], greedy(200)))
    await anext(reply)

    await engine.close()
    await engine.close()

    with pytest.raises(ServeError, match="stopped"):
        async for _ in reply:
            pass
    assert not _alive(engine.pid)


async def test_beyond_a_limit_nobody_else_may_wait(weights: Weights) -> None:
    engine = await start(weights, msgspec.structs.replace(_SMALL, max_num_seqs=1, limit_waiting=1))
    try:
        running, waiting = (engine.generate(TokenRequest([5], greedy(200))) for _ in range(2))
        await anext(running)
        there = asyncio.create_task(anext(waiting))
        await asyncio.sleep(0)

        with pytest.raises(ServerBusy, match="1 requests are waiting"):
            await whole(engine, [5], greedy(1))

        await running.aclose()
        assert len((await there).ids) == 1
        await waiting.aclose()
        assert (engine.running, engine.waiting) == (0, 0)
    finally:
        await engine.close()


async def test_ctrl_c_in_the_terminal_does_not_stop_the_engine(weights: Weights) -> None:
    engine = await start(weights, _SMALL)
    try:
        assert os.getsid(engine.pid) != os.getsid(0)

        os.kill(engine.pid, signal.SIGINT)

        assert len((await whole(engine, [5], greedy(5))).ids) == 5
    finally:
        await engine.close()


_PARENT = """
import asyncio, sys
from pathlib import Path
from garra.serve.engines.openvino import EngineSettings, start
from garra.serve.weights import resolve
from garra.serve.weights.progress import ConsoleProgress

async def main():
    weights = await resolve("default", cache=Path(sys.argv[1]), progress=ConsoleProgress())
    engine = await start(weights, EngineSettings(max_model_len=256, kv_cache_gb=0.05))
    print(engine.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_engine_does_not_outlive_a_killed_server(weights: Weights) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", _PARENT, str(CACHE), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    engine_pid = int(await asyncio.wait_for(parent.stdout.readline(), _PATIENCE_S))
    assert _alive(engine_pid)

    parent.kill()
    await parent.wait()

    deadline = time.monotonic() + _PATIENCE_S
    while _alive(engine_pid) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert not _alive(engine_pid)


async def test_a_model_that_the_engine_cannot_load_is_an_error_with_its_reason(
    weights: Weights, tmp_path: Path
) -> None:
    (tmp_path / "openvino_model.xml").write_text("<net>")
    broken = msgspec.structs.replace(weights, path=tmp_path, source=tmp_path)

    with pytest.raises(ServeError, match="could not load"):
        await start(broken, _SMALL)


def _alive(pid: int) -> bool:
    """Running, and not only waiting to be fetched by whoever inherited it."""
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
