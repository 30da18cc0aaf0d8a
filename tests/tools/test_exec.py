"""Commands with real processes: what they print, how they end, and that nothing of them stays."""

import asyncio
import os
import re
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from garra.tools.base import ToolContext
from garra.tools.exec_tool import Exec
from garra.tools.output import CAP_CHARS
from garra.tools.settings import ExecSettings, ToolSettings
from garra.tools.toolbox import Toolbox
from garra.wire.messages import ToolCall, ToolResult

pytestmark = pytest.mark.anyio
Call = Callable[..., Awaitable[ToolResult]]


def running(pid: int) -> bool:
    """Whether the process does anything still. A zombie that a container's init has not reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"


def own_zombies() -> list[str]:
    """Children of this process that have ended and were not reaped."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, parent = stat[stat.rindex(")") + 2 :].split()[:2]
            if state == "Z" and int(parent) == os.getpid():
                found.append(stat)
    return found


async def pids_in(file: Path, count: int) -> list[int]:
    """The process ids that a command writes to a file, once they are all there."""
    async with asyncio.timeout(20):
        while not file.exists() or len(file.read_text().split()) < count:
            await asyncio.sleep(0.02)
    return [int(pid) for pid in file.read_text().split()]


# A shell, its child, a grandchild in a process group of its own, and one that ignores TERM.
FAMILY = """
bash -c 'echo $$ >> pids; sleep 300 & echo $! >> pids; trap "" TERM; while :; do sleep 1; done' &
timeout 300 bash -c 'echo $$ >> pids; sleep 300; :' &
echo started
wait
"""


async def test_output_and_exit_code_are_told(call: Call, workspace: Path) -> None:
    good = await call("exec", command="pwd; echo err >&2")
    bad = await call("exec", command="printf x; exit 3")

    assert (good.text, good.failed) == (f"{workspace}\nerr\n[exit code 0]", False)
    assert (bad.text, bad.failed) == ("x\n[exit code 3]", True)


async def test_a_signal_is_named(call: Call) -> None:
    assert (await call("exec", command="kill -SEGV $$")).text == "[killed by SIGSEGV]"


async def test_the_folder_is_chosen_by_cwd(call: Call, workspace: Path) -> None:
    (workspace / "sub").mkdir()

    assert (await call("exec", command="pwd", cwd="sub")).text.startswith(f"{workspace}/sub\n")
    assert "does not exist" in (await call("exec", command="pwd", cwd="gone")).text


async def test_standard_input_is_empty(call: Call) -> None:
    assert (await call("exec", command="cat; echo end")).text == "end\n[exit code 0]"


@pytest.mark.parametrize("command", ["", "  \n", "echo \0", "x" * 200_000])
async def test_a_command_that_cannot_be_started_is_told_in_one_line(call: Call, command: str) -> None:
    result = await call("exec", command=command)

    assert result.failed
    assert "\n" not in result.text


async def test_keys_do_not_reach_commands_or_the_model(context: ToolContext, workspace: Path) -> None:
    secrets = {"VLLM_API_KEY": "k-12345678", "MY_TOKEN": "t-12345678", "DB_PASSWORD_FILE": "p-12345678", "GARRA_X": "1"}
    settings = ToolSettings(exec=ExecSettings(mode="full", path_prepend=("~/bin",)))
    env = {**context.env, **secrets, "PLAIN": "kept", "HOME": "/home/me"}
    box = Toolbox([Exec()], msgspec.structs.replace(context, env=env, settings=settings))
    (workspace / "leak").write_text("the key is k-12345678")

    shown = (await box.run(ToolCall("1", "exec", '{"command": "env; cat leak"}'))).text

    assert not any(name in shown for name in ("MY_TOKEN", "DB_PASSWORD_FILE", "GARRA_X"))
    assert "PLAIN=kept" in shown
    assert "PATH=/home/me/bin:" in shown
    assert "the key is [VLLM_API_KEY]" in shown


async def test_endless_output_is_capped_in_text_and_in_memory(call: Call) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    result = await call("exec", command="echo first; head -c 300000000 /dev/zero | tr '\\0' x; echo; echo last")

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert result.text.startswith("first\nxxx")
    assert result.text.endswith("xxx\nlast\n[exit code 0]")
    missing = 300_000_000 + len("first\n\nlast\n") - CAP_CHARS
    assert f"[… {missing:,} characters left out …]" in result.text
    assert len(result.text) < CAP_CHARS + 100
    assert grown_kib < 50_000


async def test_yes_is_stopped_at_the_time_limit_and_what_it_printed_is_kept(call: Call) -> None:
    result = await call("exec", command="yes", timeout_s=1.5)

    assert result.failed
    assert result.text.startswith("y\ny\n")
    assert "[stopped after 1.5 s: the time limit" in result.text


async def test_the_time_limit_ends_the_whole_family(call: Call, workspace: Path) -> None:
    result = await call("exec", command=FAMILY, timeout_s=3)

    pids = await pids_in(workspace / "pids", 3)
    assert result.text.startswith("started\n[stopped after 3 s")
    assert not any(running(pid) for pid in pids)
    assert own_zombies() == []


@pytest.mark.parametrize("times", [1, 2])
async def test_cancelling_ends_the_whole_family(call: Call, workspace: Path, times: int) -> None:
    work = asyncio.ensure_future(call("exec", command=FAMILY))
    pids = await pids_in(workspace / "pids", 3)

    for _ in range(times):
        work.cancel()
        await asyncio.sleep(0.1)
    with pytest.raises(asyncio.CancelledError):
        await work

    assert not any(running(pid) for pid in pids)
    assert own_zombies() == []


async def test_a_command_has_time_to_end_properly(call: Call, workspace: Path) -> None:
    command = "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done"

    result = await call("exec", command=command, timeout_s=2)

    assert result.text.startswith("ready\n")
    assert "tidied\n[stopped after" in result.text


async def test_a_child_that_keeps_the_pipe_does_not_hang_the_call_and_becomes_a_job(box: Toolbox, call: Call) -> None:
    async with asyncio.timeout(20):
        result = await call("exec", command="sleep 300 & echo $!")

    pid = int(result.text.split()[0])
    assert "[exit code 0; it left processes running, now job 1]" in result.text
    assert running(pid)

    stopped = await call("jobs", action="stop", job="1")

    assert "[job 1: ended (stopped)" in stopped.text
    assert not running(pid)


async def test_a_silent_child_left_behind_is_a_job_too(box: Toolbox, call: Call) -> None:
    result = await call("exec", command="nohup sleep 300 >/dev/null 2>&1 & echo $!")

    assert "now job 1" in result.text
    await box.close()
    assert not running(int(result.text.split()[0]))
    assert own_zombies() == []


async def test_progress_shows_the_output_while_the_command_runs(box: Toolbox, workspace: Path) -> None:
    shown: list[str] = []
    call = ToolCall("1", "exec", '{"command": "echo one; until [ -e go ]; do sleep 0.02; done; echo two"}')
    work = asyncio.create_task(box.run(call, shown.append))

    async with asyncio.timeout(20):
        while not shown:
            await asyncio.sleep(0.02)
    assert shown == ["one\n"]
    (workspace / "go").touch()
    result = await work

    assert "".join(shown) == "one\ntwo\n"
    assert result.text == "one\ntwo\n[exit code 0]"


async def test_the_loop_goes_on_while_a_command_floods_it(call: Call) -> None:
    work = asyncio.ensure_future(call("exec", command="yes", timeout_s=1))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.01)
        turns += 1

    assert turns > 3


async def test_no_descriptor_is_left_open(call: Call) -> None:
    await call("exec", command="true")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    for _ in range(5):
        await call("exec", command="echo x")
    await call("exec", command="sleep 9", timeout_s=0.1)

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert own_zombies() == []


async def test_the_configured_limit_is_the_most_that_can_be_asked_for(context: ToolContext) -> None:
    settings = ToolSettings(exec=ExecSettings(mode="full", timeout_s=0.3))
    box = Toolbox([Exec()], msgspec.structs.replace(context, settings=settings))

    result = await box.run(ToolCall("1", "exec", '{"command": "sleep 60", "timeout_s": 50}'))

    assert "stopped after 0.3 s" in result.text


async def test_a_background_job_is_read_bit_by_bit_and_ends(call: Call, workspace: Path) -> None:
    began = time.monotonic()
    started = await call(
        "exec", command="echo one; until [ -e go ]; do sleep 0.02; done; echo two; exit 4", background=True
    )
    assert time.monotonic() - began < 10
    assert started.text.startswith("Started as job 1.")

    text = ""
    async with asyncio.timeout(20):
        while "one" not in text:
            text = (await call("jobs", action="read", job="1")).text
    assert re.fullmatch(r"one\n\[job 1: running for \d+ s\]", text)
    (workspace / "go").touch()

    assert (await call("jobs", action="read", job="1", wait_s=20)).text == "two\n[job 1: ended, exit code 4]"
    assert (await call("jobs", action="read")).text == "[job 1: ended, exit code 4, no new output]"
    assert (await call("jobs", action="list")).text.startswith("1: ended, exit code 4: echo one;")
    assert own_zombies() == []


async def test_a_background_job_is_stopped_with_its_family(call: Call, workspace: Path) -> None:
    await call("exec", command=FAMILY, background=True)
    pids = await pids_in(workspace / "pids", 3)

    result = await call("jobs", action="stop", job=1)

    assert "ended (stopped)" in result.text
    assert not any(running(pid) for pid in pids)
    assert own_zombies() == []


async def test_closing_the_toolbox_stops_its_jobs(box: Toolbox, call: Call, workspace: Path) -> None:
    await call("exec", command=FAMILY, background=True)
    await call("exec", command="sleep 300", background=True, timeout_s=100)
    pids = await pids_in(workspace / "pids", 3)

    await box.close()
    await box.close()

    assert not any(running(pid) for pid in pids)
    assert own_zombies() == []


async def test_a_background_job_with_a_time_limit_is_stopped_by_it(call: Call) -> None:
    await call("exec", command="echo x; sleep 300", background=True, timeout_s=0.3)

    result = await call("jobs", action="read", wait_s=20)

    assert "[job 1: ended (stopped after 0.3 s)" in result.text


async def test_an_unknown_job_is_told_with_those_there_are(call: Call) -> None:
    assert (await call("jobs", action="read")).text == "jobs: give the job's number; there are: none."
    assert (await call("jobs", action="list")).text == "There are no background jobs."


async def test_too_many_jobs_are_refused(call: Call) -> None:
    for _ in range(20):
        await call("exec", command="sleep 300", background=True)

    result = await call("exec", command="sleep 300", background=True)

    assert result.failed
    assert "20 jobs are running already" in result.text
