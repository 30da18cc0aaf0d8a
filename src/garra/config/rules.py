"""What a schema cannot say: keys that exclude each other, addresses, and providers that cannot be spoken to."""

from collections.abc import Iterator
from typing import Any

from garra.config.check import Checker
from garra.config.keypath import KeyPath, format_path
from garra.config.parameters import parameter_faults

SPOKEN_API = "openai-completions"


def apply_rules(data: dict[str, Any], checker: Checker) -> None:
    """Look at what the schema cannot; addresses lose their last slashes."""
    _policy(data.get("tools"), ("tools",), checker)
    agents = data.get("agents", {})
    for name, entry in _objects(agents.get("entries") if isinstance(agents, dict) else None):
        _policy(entry.get("tools"), ("agents", "entries", name, "tools"), checker)
    _parameters(data, checker)
    for name, provider in _objects(_providers(data)):
        _address(provider, "baseUrl", ("models", "providers", name), checker)
        urls = provider.get("baseUrls")
        for at in range(len(urls) if isinstance(urls, list) else 0):
            _address(urls, at, ("models", "providers", name, "baseUrls"), checker)
        rows = provider.get("models")
        for at, row in enumerate(rows if isinstance(rows, list) else []):
            if isinstance(row, dict):
                _address(row, "baseUrl", ("models", "providers", name, "models", at), checker)


def _parameters(data: dict[str, Any], checker: Checker) -> None:
    """Every `params` bag that can concern a model of ours; those of other providers' models are theirs."""
    bare = _takes_bare_schemas(data)
    for path, params in _bags(data):
        for fault in parameter_faults(params, path, bare_schema=bare):
            if not any(key[: len(fault.path)] == fault.path for key in checker.unresolved):
                checker.fault(fault.path, fault.message)


def _bags(data: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    agents = data.get("agents")
    agents = agents if isinstance(agents, dict) else {}
    owners: list[tuple[KeyPath, Any]] = [(("agents", "defaults"), agents.get("defaults"))]
    owners += [(("agents", "entries", name), entry) for name, entry in _objects(agents.get("entries"))]
    spoken = {name.lower() for name, _ in _objects(_providers(data))} | {"vllm"}
    for path, owner in list(owners):
        for ref, settings in _objects(owner.get("models") if isinstance(owner, dict) else None):
            if ref.partition("/")[0].lower() in spoken:
                owners.append(((*path, "models", ref), settings))
    for path, row in _providers_and_rows(data):
        owners.append((path, row))
    for path, owner in owners:
        if isinstance(owner, dict) and isinstance(owner.get("params"), dict):
            yield (*path, "params"), owner["params"]


def _providers_and_rows(data: dict[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    for name, provider in _objects(_providers(data)):
        path: KeyPath = ("models", "providers", name)
        yield path, provider
        rows = provider.get("models")
        yield from (((*path, "models", at), row) for at, row in enumerate(rows if isinstance(rows, list) else []))


def _takes_bare_schemas(data: dict[str, Any]) -> bool:
    """Whether there is a model that does; which one a bag is for is known when it is chosen, and checked again then."""
    flags = [row.get("compat") for _, row in _providers_and_rows(data) if isinstance(row, dict)]
    return any(isinstance(flag, dict) and flag.get("supportsJsonSchemaResponseFormat") is True for flag in flags)


def leave_out_unspoken(data: dict[str, Any]) -> list[str]:
    """Take out the providers and rows whose API is not spoken here; a warning for each."""
    providers = _providers(data)
    warnings = []
    for name, provider in _objects(providers):
        api = provider.get("api", SPOKEN_API)
        if isinstance(api, str) and api != SPOKEN_API:
            del providers[name]
            warnings.append(_unspoken(("models", "providers", name), api))
        elif isinstance(provider.get("models"), list):
            provider["models"] = [row for row in provider["models"] if not _unspoken_row(name, row, warnings)]
    return warnings


def _unspoken_row(provider: str, row: Any, warnings: list[str]) -> bool:
    api = row.get("api") if isinstance(row, dict) else None
    if not isinstance(api, str) or api == SPOKEN_API:
        return False
    warnings.append(_unspoken(("models", "providers", provider, "models", str(row.get("id"))), api))
    return True


def _unspoken(path: KeyPath, api: str) -> str:
    return f"{format_path(path)} is left out: its api is {api[:60]!r}, and only {SPOKEN_API} is spoken"


def _policy(policy: Any, path: KeyPath, checker: Checker) -> None:
    if isinstance(policy, dict) and policy.get("allow") and policy.get("alsoAllow"):
        checker.fault((*path, "alsoAllow"), "cannot be combined with allow; put its tools into allow, or leave one out")


def _address(owner: Any, key: str | int, above: KeyPath, checker: Checker) -> None:
    url, path = (owner.get(key) if isinstance(owner, dict) else owner[key]), (*above, key)
    if not isinstance(url, str) or path in checker.unresolved:
        return
    owner[key] = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        checker.fault(path, "must start with http:// or https://, as in http://127.0.0.1:8000/v1")


def _providers(data: dict[str, Any]) -> Any:
    models = data.get("models")
    return models.get("providers", {}) if isinstance(models, dict) else {}


def _objects(values: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(values, dict):
        return []
    return [(name, value) for name, value in values.items() if isinstance(value, dict)]
