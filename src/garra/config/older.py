"""Older shapes of the configuration, read as if they had been written in today's: one function a shape.

Each is deterministic and changes the data that it is handed. Nothing is written back to the file. Where a value moved,
the place where it was written is kept for messages.
"""

from collections.abc import Iterator
from typing import Any

from garra.config.check import Fault
from garra.config.keypath import KeyPath

_NEVER_ASKS = {"deny": "deny", "allowlist": "allowlist", "full": "full"}
_ASKS = {"deny": "deny", "allowlist": "ask", "full": "full"}
_RENAMED_TOOLS = {"image": "view_image", "cron": "automations", "update_plan": "progress_card"}
_REMOVED = ("llm", "systemPromptOverride")


class Rewrite:
    """What the functions below found: moved paths (new, as written), faults, and keys that no longer do anything."""

    def __init__(self) -> None:
        self.moved: list[tuple[KeyPath, KeyPath]] = []
        self.faults: list[Fault] = []
        self.removed: list[KeyPath] = []

    def written(self, path: KeyPath) -> KeyPath:
        """The path as it is written in the file."""
        for new, old in reversed(self.moved):
            if path[: len(new)] == new:
                return (*old, *path[len(new) :])
        return path


def rewrite(data: dict[str, Any]) -> Rewrite:
    """Bring the data into today's shape."""
    result = Rewrite()
    for step in (
        agents_list,
        default_model,
        removed_keys,
        exec_policy,
        exec_timeout,
        provider_api,
        renamed_tools,
        idle_minutes,
        inline_env,
    ):
        step(data, result)
    return result


def agents_list(data: dict[str, Any], result: Rewrite) -> None:
    """`agents.list: [{id, …}]` is `agents.entries: {id: {…}}`."""
    agents = _section(data, "agents")
    listed = agents.get("list")
    if not isinstance(listed, list):
        return
    del agents["list"]
    entries = _section(agents, "entries", make=True)
    for at, item in enumerate(listed):
        where: KeyPath = ("agents", "list", at)
        if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
            result.faults.append(Fault(where, "must be an object with an id"))
        elif item["id"] in entries:
            result.faults.append(Fault((*where, "id"), f"there is already an agent {item['id']!r}"))
        else:
            entries[item["id"]] = {key: value for key, value in item.items() if key != "id"}
            result.moved.append((("agents", "entries", item["id"]), where))


def default_model(data: dict[str, Any], result: Rewrite) -> None:
    """`defaultModel` at the root is `agents.defaults.model`."""
    if "defaultModel" not in data:
        return
    model = data.pop("defaultModel")
    defaults = _section(_section(data, "agents", make=True), "defaults", make=True)
    if defaults.setdefault("model", model) is model:
        result.moved.append((("agents", "defaults", "model"), ("defaultModel",)))


def removed_keys(data: dict[str, Any], result: Rewrite) -> None:
    """`agents.defaults.llm` and `systemPromptOverride` do nothing any more, in OpenClaw either."""
    for path, settings in _agents(data):
        for key in _REMOVED:
            if key in settings:
                del settings[key]
                result.removed.append((*path, key))


def exec_policy(data: dict[str, Any], result: Rewrite) -> None:
    """`tools.exec.security` with `ask` is `tools.exec.mode`."""
    for path, settings in _execs(data):
        found = [key for key in ("security", "ask") if key in settings]
        if not found:
            continue
        if "mode" in settings:
            result.faults.append(Fault((*path, found[0]), "cannot be combined with mode; leave it out"))
        security, ask = settings.pop("security", "allowlist"), settings.pop("ask", "on-miss")
        mode = _mode(security, ask)
        if mode is None:
            result.faults.append(Fault((*path, "security"), _POLICY_WORDS))
        else:
            settings.setdefault("mode", mode)
            result.moved.append(((*path, "mode"), (*path, found[0])))


_POLICY_WORDS = "security must be one of deny, allowlist, full, and ask one of off, on-miss, always"


def _mode(security: Any, ask: Any) -> str | None:
    """The mode that is no laxer than the pair was."""
    if security == "full" and ask == "always":
        return "ask"
    table = {"off": _NEVER_ASKS, "on-miss": _ASKS, "always": _ASKS}.get(ask) if isinstance(ask, str) else None
    return table.get(security) if table and isinstance(security, str) else None


def exec_timeout(data: dict[str, Any], result: Rewrite) -> None:
    """`tools.exec.timeoutSec` is `timeoutSeconds`."""
    for path, settings in _execs(data):
        _rename(settings, "timeoutSec", "timeoutSeconds", path, result)


def provider_api(data: dict[str, Any], result: Rewrite) -> None:
    """`api: "openai"` of a provider is `openai-completions`."""
    for provider in _section(_section(data, "models"), "providers").values():
        if isinstance(provider, dict) and provider.get("api") == "openai":
            provider["api"] = "openai-completions"


def renamed_tools(data: dict[str, Any], result: Rewrite) -> None:
    """Tools that have another name now are allowed and denied by it."""
    policies = [_section(data, "tools"), *(_section(entry, "tools") for _, entry in _agents(data))]
    for policy in policies:
        for key in ("allow", "alsoAllow", "deny"):
            if isinstance(policy.get(key), list):
                policy[key] = [
                    _RENAMED_TOOLS.get(name, name) if isinstance(name, str) else name for name in policy[key]
                ]


def idle_minutes(data: dict[str, Any], result: Rewrite) -> None:
    """`session.idleMinutes` is `session.reset.idleMinutes`, with the mode that makes it count."""
    session = _section(data, "session")
    if "idleMinutes" not in session:
        return
    reset = _section(session, "reset", make=True)
    reset.setdefault("idleMinutes", session.pop("idleMinutes"))
    reset.setdefault("mode", "idle")
    result.moved.append((("session", "reset", "idleMinutes"), ("session", "idleMinutes")))


def inline_env(data: dict[str, Any], result: Rewrite) -> None:
    """`env: {NAME: "…"}` is `env.vars`."""
    env = _section(data, "env")
    for name in [key for key in env if key.isupper()]:
        _section(env, "vars", make=True).setdefault(name, env.pop(name))
        result.moved.append((("env", "vars", name), ("env", name)))


def _rename(settings: dict[str, Any], old: str, new: str, path: KeyPath, result: Rewrite) -> None:
    if old not in settings:
        return
    value = settings.pop(old)
    if new not in settings:
        settings[new] = value
        result.moved.append(((*path, new), (*path, old)))


def _section(data: dict[str, Any], key: str, *, make: bool = False) -> dict[str, Any]:
    """The object under a key; an empty one, put there only if asked, where there is none."""
    found = data.get(key)
    if isinstance(found, dict):
        return found
    if make and found is None:
        data[key] = {}
        return data[key]  # type: ignore[no-any-return]
    return {}


def _agents(data: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    agents = _section(data, "agents")
    yield ("agents", "defaults"), _section(agents, "defaults")
    for name, entry in _section(agents, "entries").items():
        if isinstance(entry, dict):
            yield ("agents", "entries", name), entry


def _execs(data: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    yield ("tools", "exec"), _section(_section(data, "tools"), "exec")
    for path, entry in _agents(data):
        yield (*path, "tools", "exec"), _section(_section(entry, "tools"), "exec")
