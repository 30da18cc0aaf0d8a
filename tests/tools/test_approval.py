"""Who is asked what, and what is remembered."""

import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from garra.tools.approval import ApprovalRequest, Decision, nobody
from garra.tools.base import ToolContext
from garra.tools.edit_tool import Edit
from garra.tools.exec_tool import Exec
from garra.tools.settings import ExecSettings, ToolSettings
from garra.tools.toolbox import Toolbox
from garra.tools.write_tool import Write
from garra.wire.messages import ToolCall, ToolResult

pytestmark = pytest.mark.anyio


class Person:
    """Answers every question the same way, and remembers the questions."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked: list[ApprovalRequest] = []

    async def __call__(self, request: ApprovalRequest) -> Decision:
        self.asked.append(request)
        return self.decision


Open = Callable[..., Toolbox]


@pytest.fixture
def approvals(tmp_path: Path) -> Path:
    return tmp_path / "state" / "approvals.json"


@pytest.fixture
def opened(context: ToolContext, approvals: Path) -> Open:
    def build(mode: str, person: Person | None = None) -> Toolbox:
        settings = ToolSettings(exec=ExecSettings(mode=mode), approvals_file=approvals)
        changed = msgspec.structs.replace(context, settings=settings, approve=person or nobody)
        return Toolbox([Exec(), Write(), Edit()], changed)

    return build


async def run(box: Toolbox, name: str, **arguments: object) -> ToolResult:
    return await box.run(ToolCall("1", name, msgspec.json.encode(arguments).decode()))


@pytest.mark.parametrize("mode", ["ask", "auto"])
async def test_a_command_off_the_list_is_asked_for_with_its_exact_text(
    opened: Open, workspace: Path, mode: str
) -> None:
    person = Person(Decision.ALLOW_ONCE)

    result = await run(opened(mode, person), "exec", command="touch made;  echo done")

    assert result.text == "done\n[exit code 0]"
    assert [(asked.tool, asked.action, asked.folder) for asked in person.asked] == [
        ("exec", "touch made;  echo done", str(workspace))
    ]
    assert (workspace / "made").exists()


async def test_a_safe_command_runs_unasked(opened: Open) -> None:
    person = Person(Decision.DENY)

    assert (await run(opened("ask", person), "exec", command="echo a | cat")).text == "a\n[exit code 0]"
    assert person.asked == []


async def test_a_no_is_told_to_the_model_and_nothing_runs(opened: Open, workspace: Path) -> None:
    result = await run(opened("ask", Person(Decision.DENY)), "exec", command="touch made")

    assert result.failed
    assert "said no to: exec touch made" in result.text
    assert not (workspace / "made").exists()


@pytest.mark.parametrize("mode", ["ask", "allowlist"])
async def test_where_nobody_can_answer_the_refusal_says_how_to_allow(opened: Open, workspace: Path, mode: str) -> None:
    result = await run(opened(mode), "exec", command="touch made")

    assert result.failed
    assert "garra config set tools.exec.mode full" in result.text
    assert not (workspace / "made").exists()


async def test_deny_refuses_even_safe_commands(opened: Open) -> None:
    result = await run(opened("deny", Person(Decision.ALLOW_ONCE)), "exec", command="ls")

    assert result.failed
    assert "tools.exec.mode is deny" in result.text


async def test_always_is_remembered_for_exactly_this_command_in_this_folder(
    opened: Open, workspace: Path, approvals: Path
) -> None:
    person = Person(Decision.ALLOW_ALWAYS)
    (workspace / "sub").mkdir()

    await run(opened("ask", person), "exec", command="touch *.x")
    again = await run(opened("allowlist"), "exec", command="touch *.x")
    other = await run(opened("allowlist"), "exec", command="touch b.x")
    elsewhere = await run(opened("allowlist"), "exec", command="touch *.x", cwd="sub")

    assert len(person.asked) == 1
    assert not again.failed
    assert other.failed
    assert elsewhere.failed
    assert stat.S_IMODE(approvals.stat().st_mode) == 0o600


async def test_patterns_written_by_hand_allow_single_commands(opened: Open, approvals: Path) -> None:
    approvals.parent.mkdir()
    approvals.write_text('{"patterns": ["touch *.x"]}')

    assert not (await run(opened("allowlist"), "exec", command="touch a.x")).failed
    assert (await run(opened("allowlist"), "exec", command="touch a.x > b.x")).failed


async def test_a_broken_approvals_file_allows_nothing_and_is_kept(opened: Open, approvals: Path) -> None:
    approvals.parent.mkdir()
    approvals.write_text("{broken")

    result = await run(opened("ask", Person(Decision.ALLOW_ALWAYS)), "exec", command="touch made")

    assert result.failed
    assert str(approvals) in result.text
    assert approvals.read_text() == "{broken"


async def test_writing_in_the_workspace_is_free(opened: Open) -> None:
    assert not (await run(opened("deny"), "write", path="a.txt", content="x")).failed
    assert not (await run(opened("deny"), "edit", path="a.txt", old="x", new="y")).failed


async def test_writing_outside_asks_with_the_real_path(opened: Open, workspace: Path, tmp_path: Path) -> None:
    person = Person(Decision.ALLOW_ALWAYS)
    (workspace / "link").symlink_to(tmp_path)

    first = await run(opened("ask", person), "write", path="link/out.txt", content="x")
    second = await run(opened("ask", person), "edit", path="../out.txt", old="x", new="y")
    other = await run(opened("ask"), "write", path="../other.txt", content="x")

    assert [asked.action for asked in person.asked] == [str(tmp_path / "out.txt")]
    assert not first.failed
    assert not second.failed
    assert (tmp_path / "out.txt").read_text() == "y"
    assert other.failed
    assert not (tmp_path / "other.txt").exists()


@pytest.mark.parametrize(("mode", "refused"), [("deny", True), ("allowlist", True), ("full", False)])
async def test_the_mode_decides_where_nothing_is_asked(opened: Open, tmp_path: Path, mode: str, refused: bool) -> None:
    person = Person(Decision.ALLOW_ONCE)

    result = await run(opened(mode, person), "write", path=str(tmp_path / "x"), content="x")

    assert result.failed is refused
    assert person.asked == []
