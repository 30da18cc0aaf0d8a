"""The check of the prompt: whether a first message, with the default tools and workspace, leaves room for a reply."""

from garra.agent.budget import LEAST_REPLY_TOKENS, estimate_tokens
from garra.agent.calls.described import description
from garra.agent.prompt import Limits, build_prompt
from garra.doctor.finding import Finding, broken, hint, ok
from garra.doctor.subject import Subject
from garra.sessions.keys import main_key
from garra.tools.approval import nobody
from garra.tools.toolbox import default_toolbox
from garra.wire.messages import System, User

CROWDED_SHARE = 0.5
"""From here on the fixed part of the prompt takes so much that conversations are soon too long."""


async def check_fitting(subject: Subject) -> Finding:
    """How much of the window a first message takes, with the tools where this server has them."""
    native = subject.able is None or subject.able.tools != "refused"
    toolbox = default_toolbox(
        subject.configuration, workspace=subject.configuration.workspace(), session_key=main_key(), approve=nobody
    )
    specs = toolbox.specs()
    directory = toolbox.directory()
    await toolbox.close()
    defaults, window = subject.configuration.config.agents.defaults, subject.chosen.window
    limits = Limits(defaults.bootstrap_max_chars, defaults.bootstrap_total_max_chars).within(window)
    extra = "" if native else description(specs)
    prompt = build_prompt(subject.configuration.workspace(), limits, directory=directory, extra=extra)
    messages, tools = (System(prompt.text), User("Hello")), specs if native else ()
    counted = await subject.models.count_tokens(subject.chosen, messages, tools)
    tokens = counted if counted is not None else estimate_tokens(messages, tools)
    return _judged(subject, tokens, "counted" if counted is not None else "estimated")


def _judged(subject: Subject, tokens: int, how: str) -> Finding:
    window = subject.chosen.window
    size = f"a first message with all tools is {tokens:,} tokens ({how})"
    if window is None:
        return ok("prompt", size)
    seen = f"{size}; the window has {window:,}"
    wider = subject.serve("--max-model-len", str(max(8192, 4 * tokens)))
    fewer = subject.garra("config", "set", "tools.deny", '["exec", "jobs"]')
    if tokens + LEAST_REPLY_TOKENS > window:
        return broken("prompt", seen, "Nothing can be asked: there is no room for a reply.", wider, fewer)
    if tokens > CROWDED_SHARE * window:
        return hint("prompt", seen, "Conversations will soon be too long, and are shortened often.", wider, fewer)
    return ok("prompt", f"{seen}: {tokens / window:.0%}")
