"""From a chosen ref to what a request needs: endpoint, window, limits, parameters. Asks no server.

The configuration's own word wins over the server's; where neither says, the value is None and not a guess. The key of
a provider goes to the host of that provider's base URL and to no other, not even where a model row names one.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from garra.config.keypath import KeyPath, format_path
from garra.config.load import Configuration
from garra.config.schema import ModelChoice, ModelSettings
from garra.config.schema_models import Compat, ModelRow
from garra.models.catalogue import Chosen, ModelEntry, Source
from garra.models.discovery import Answer
from garra.models.params import Layer, merge_params
from garra.models.providers import Access, clean_url, read_headers
from garra.models.refs import ModelRef
from garra.models.replicas import at
from garra.models.thinking import asked_level, make_thinking, with_thinking
from garra.wire.dialect import Dialect
from garra.wire.request import Endpoint


def configured_ref(configuration: Configuration, agent: str) -> str | None:
    """The model that the configuration names for an agent, as it is written there."""
    own = _primary(configuration.agent(agent).model)
    return own or _primary(configuration.config.agents.defaults.model)


def fallbacks(configuration: Configuration, agent: str) -> tuple[str, ...]:
    """The models that the configuration names after the first one."""
    for model in (configuration.agent(agent).model, configuration.config.agents.defaults.model):
        if isinstance(model, ModelChoice) and model.fallbacks is not None:
            return model.fallbacks
    return ()


def _primary(model: str | ModelChoice | None) -> str | None:
    return model.primary if isinstance(model, ModelChoice) else model or None


def aliases(configuration: Configuration, agent: str) -> dict[str, list[str]]:
    """Every alias and the refs that bear it; an agent's own alias goes before one of the defaults."""
    own, shared = configuration.agent(agent).models, configuration.config.agents.defaults.models
    return _aliases(shared) | _aliases(own)


def _aliases(models: Mapping[str, ModelSettings]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for ref, settings in models.items():
        if settings.alias:
            found.setdefault(settings.alias, []).append(ref)
    return found


def make_entry(ref: ModelRef, access: Access, answer: Answer) -> ModelEntry:
    """One line of the catalogue: what the configuration says, filled up with what the server said."""
    row, served = access.row(ref.id), ref.id in answer.ids
    window = answer.window(ref.id)
    known: Source = "both" if served else "config"
    return ModelEntry(
        ref=ref,
        name=(row.name if row else "") or ref.id,
        window=(row.context_window if row else None) or window,
        max_tokens=(row.max_tokens if row else None) or access.settings.max_tokens,
        reasoning=bool(row and row.reasoning),
        input=tuple(row.input) if row and row.input else ("text",),
        source=known if row else "cache" if answer.error else "server",
        served_window=window,
    )


def make_chosen(ref: ModelRef, access: Access, answer: Answer, configuration: Configuration, agent: str) -> Chosen:
    """Everything that a request to this model needs."""
    entry, row = make_entry(ref, access, answer), access.row(ref.id)
    layers = _layers(ref, access, configuration, agent)
    compat = row.compat if row else Compat()
    takes_schemas = compat.supports_json_schema_response_format
    params = merge_params(layers, bare_schema=takes_schemas, temperature=compat.supports_temperature)
    asked = asked_level(configuration, agent, layers)
    window = _capped(entry.window, row, configuration, agent)
    chosen = Chosen(
        ref=ref,
        endpoint=model_endpoint(ref, access, configuration),
        window=window,
        max_tokens=params.max_tokens or entry.max_tokens,
        params=params.body,
        reasoning=entry.reasoning,
        pinned=row is not None and row.context_window is not None,
        unused=params.unused,
        key_source=access.key.source if access.key else None,
        no_tools=row is not None and row.compat.supports_tools is False,
        thinking=make_thinking(ref.id, row, asked, params.body, params.sealed),
        replicas=replicas_of(ref, access),
        capped=window != entry.window,
    )
    if answer.base_url in chosen.replicas:
        chosen = at(chosen, answer.base_url)
    return with_thinking(chosen, None)


def _capped(window: int | None, row: ModelRow | None, configuration: Configuration, agent: str) -> int | None:
    """The window, no wider than the caps on its use."""
    cap = configuration.agent(agent).context_tokens or configuration.config.agents.defaults.context_tokens
    limits = [window, row.context_tokens if row else None, cap]
    return min((limit for limit in limits if limit is not None), default=None)


def model_endpoint(ref: ModelRef, access: Access, configuration: Configuration) -> Endpoint:
    """Where this model is served: the provider's endpoint with what its row says otherwise."""
    endpoint = msgspec.structs.replace(access.endpoint, model_ref=str(ref))
    row = access.row(ref.id)
    if row is None:
        return endpoint
    path: KeyPath = (*access.path, "models", access.settings.models.index(row))
    if row.base_url:
        endpoint = _moved(endpoint, row.base_url, path, configuration)
    headers = endpoint.headers | read_headers(row.headers, (*path, "headers"), configuration)
    field = row.compat.max_tokens_field or endpoint.max_tokens_field
    return msgspec.structs.replace(endpoint, headers=headers, max_tokens_field=field, dialect=_dialect(row.compat))


def _dialect(compat: Compat) -> Dialect:
    """The row's flags as the wire's rules. What the row does not say is as most servers want it."""
    return Dialect(
        developer_role=bool(compat.supports_developer_role),
        usage_in_stream=compat.supports_usage_in_streaming is not False,
        strict_field=bool(compat.supports_strict_mode),
        plain_text=bool(compat.requires_string_content),
        strict_keys=bool(compat.strict_message_keys),
        named_results=bool(compat.requires_tool_result_name),
        reply_after_results=bool(compat.requires_assistant_after_tool_result),
        thinking_as_text=bool(compat.requires_thinking_as_text),
        thinking_always=bool(compat.requires_reasoning_content_on_assistant_messages),
        dropped_keywords=compat.unsupported_tool_schema_keywords,
    )


def replicas_of(ref: ModelRef, access: Access) -> tuple[str, ...]:
    """The base URLs of the servers that serve this model alike; none where there is but one."""
    row = access.row(ref.id)
    return () if row is not None and row.base_url else access.replicas


def _moved(endpoint: Endpoint, url: str, path: KeyPath, configuration: Configuration) -> Endpoint:
    """The endpoint at a row's own base URL. On another host it goes without the provider's key and headers."""
    key_path = format_path((*path, "baseUrl"))
    configuration.check(key_path)
    base_url, _ = clean_url(url, key_path)
    if _host(base_url) == _host(endpoint.base_url):
        return msgspec.structs.replace(endpoint, base_url=base_url)
    return msgspec.structs.replace(endpoint, base_url=base_url, api_key=None, headers={})


def _host(url: str) -> tuple[str, str | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname


def _layers(ref: ModelRef, access: Access, configuration: Configuration, agent: str) -> list[Layer]:
    """Every `params` bag that concerns the model, the weakest first."""
    agents = configuration.config.agents
    row, own = access.row(ref.id), configuration.agent(agent)
    entry: KeyPath = ("agents", "entries", _entry_name(configuration, agent))
    found: list[tuple[KeyPath, Mapping[str, object]]] = [((*access.path, "params"), access.settings.params)]
    if row is not None:
        found.append(((*access.path, "models", access.settings.models.index(row), "params"), row.params))
    found.append((("agents", "defaults", "params"), agents.defaults.params))
    found += _model_params(("agents", "defaults", "models"), agents.defaults.models, ref)
    found += _model_params((*entry, "models"), own.models, ref)
    found.append(((*entry, "params"), own.params))
    layers = [Layer(format_path(path), params) for path, params in found if params]
    for layer in layers:
        configuration.check(layer.path)
    return layers


def _entry_name(configuration: Configuration, agent: str) -> str:
    return agent if agent in configuration.config.agents.entries else configuration.default_agent


def _model_params(
    path: KeyPath, models: Mapping[str, ModelSettings], ref: ModelRef
) -> list[tuple[KeyPath, Mapping[str, object]]]:
    """The bags of `models` that are meant for this model: the provider's wildcard first, then the model itself."""
    wildcard, exact = f"{ref.provider}/*", str(ref).casefold()
    names = [name for name in models if name.casefold() == wildcard]
    alike = [name for name in models if name.casefold() == exact]
    names += [name for name in alike if name.partition("/")[2] == ref.id] or alike[:1]
    return [((*path, name, "params"), models[name].params) for name in names]
