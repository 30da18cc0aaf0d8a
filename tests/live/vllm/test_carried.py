"""V16, V20: one person's conversation, while the server at the same address is restarted in one way after the other."""

import json

import pytest

from tests.live.served import garra
from tests.live.vllm.real import MODEL, Real

pytestmark = pytest.mark.live


def test_a_conversation_goes_on_when_the_server_comes_back_in_another_way(real: Real) -> None:
    """The key, the window and what the server can do are other ones; the file of what was learnt is the old one."""
    home = real.home / "carried"
    home.mkdir(exist_ok=True)
    real.configured(home, params="maxTokens: 12")

    done = garra(home, "agent", "--json", "--session", "carried", "-m", f"This is the way called {real.name}.")
    listed = garra(home, "models", "list", "--json")
    shown = garra(home, "sessions", "show", "carried")

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["reply"].strip()
    assert [(row["key"], row["contextWindow"]) for row in json.loads(listed.stdout)["models"]] == [
        (f"vllm/{MODEL}", real.window)
    ]
    with (real.home / "carried.txt").open("a+") as ways:
        ways.write(f"{real.name}\n")
        ways.seek(0)
        assert all(f"the way called {name.strip()}." in shown.stdout for name in ways)
