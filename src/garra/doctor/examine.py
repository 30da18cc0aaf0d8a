"""All checks in order. What is broken is followed by what depends on it, skipped, each with the reason.

Gives each finding as soon as it is made. Every check ends in bounded time, and none raises.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec

from garra.config.load import Configuration
from garra.config.paths import Paths
from garra.doctor.asking import Heard
from garra.doctor.fallbacks import check_fallbacks
from garra.doctor.finding import Finding, bounded, broken, command, skipped
from garra.doctor.fitting import check_fitting
from garra.doctor.local import engine, on_path, permissions, read_configuration
from garra.doctor.prefix import check_prefix_cache
from garra.doctor.reach import check_key, check_model, check_server, check_window, find_weights, no_access
from garra.doctor.replicas import check_replicas
from garra.doctor.replies import check_chat, check_structured, check_thinking, check_tokenizer
from garra.doctor.storage import check_store
from garra.doctor.subject import Subject
from garra.doctor.tool_calls import DESCRIBED, NATIVE, TEXT, Tried, try_described, try_native, try_text, weighed
from garra.errors import ConfigError, GarraError
from garra.models.catalogue import Capabilities
from garra.models.facts import root_url
from garra.models.models import Models
from garra.models.providers import IMPLICIT
from garra.models.refs import split_profile
from garra.wire.http import Http

Findings: TypeAlias = AsyncGenerator[Finding]

ASKING_LIMIT_S, LOOKING_LIMIT_S = 90.0, 30.0
"""For a check that has the model write something, and for one that only looks."""

_AFTER_MODEL = (
    "window",
    "chat",
    NATIVE,
    DESCRIBED,
    TEXT,
    "structured output",
    "tokenizer",
    "prefix cache",
    "thinking",
    "prompt",
)
_AFTER_CHAT = tuple(name for name in _AFTER_MODEL if name not in ("window", "chat", "prompt"))


async def examine(
    paths: Paths, env: Mapping[str, str], *, ref: str | None = None, asking_limit_s: float = ASKING_LIMIT_S
) -> Findings:
    """Every finding about this home and the model that answers, or the one that `ref` names."""
    found, configuration = read_configuration(paths, env)
    yield found
    yield permissions(paths)
    yield await bounded("store", check_store(paths), LOOKING_LIMIT_S, f"fuser {paths.sessions_db}")
    if configuration is None:
        for name in ("key", "server", "model", *_AFTER_MODEL):
            yield skipped(name, "the configuration cannot be used")
    else:
        async with Http(configuration.env) as http:
            examination = _Examination(configuration, http, ref, asking_limit_s)
            async for found in examination.findings():
                yield found
    yield engine()
    yield on_path(env)


class _Examination:
    """The checks of one configuration's server."""

    def __init__(self, configuration: Configuration, http: Http, ref: str | None, limit_s: float) -> None:
        self.configuration, self.http, self.ref, self.limit_s = configuration, http, ref, limit_s
        self.models = Models(configuration, http)
        self.profile: str | None = None

    async def findings(self) -> Findings:
        """From the key to the prompt."""
        try:
            provider = await self._provider()
        except GarraError as error:
            for found in self._unknown(error):
                yield found
            return
        async for found in self._reach(provider):
            yield found

    def _unknown(self, error: GarraError) -> list[Finding]:
        """What is found where not even the provider can be told: keys that cannot be read, or a ref that fits none."""
        if isinstance(error, ConfigError) and str(self.configuration.paths.auth_file) in str(error):
            found = [no_access(error, self.configuration, IMPLICIT), skipped("model", "the keys cannot be used")]
        else:
            head, *rest = str(error).splitlines()
            mend = command(self.configuration.paths, "models", "list")
            found = [broken("model", head, "\n".join(rest), mend)]
        return [*found, *(skipped(name, "the model is not known") for name in _AFTER_MODEL)]

    async def _provider(self) -> str:
        if self.ref is None:
            return self.models.default_provider()
        name, self.profile = split_profile(self.ref)
        return (await self.models.resolve(name)).provider

    async def _reach(self, provider: str) -> Findings:
        """The key, the server and the model; and what comes after, where these allow it."""
        key = check_key(self.models, self.configuration, provider, self.profile)
        yield key
        if key.state == "broken":
            for name in ("server", "model", *_AFTER_MODEL):
                yield skipped(name, "the key or the address cannot be used")
            return
        access = self.models.access(provider, self.profile)
        view = await self.models.view(provider, refresh=True)
        server = check_server(view, self.configuration)
        yield server
        if len(access.replicas) > 1:
            yield await check_replicas(self.http, access, self.configuration)
        found, chosen = skipped("model", "the server does not answer as it should"), None
        if server.state != "broken":
            found, chosen = await check_model(self.models, view, self.configuration, self.ref)
        yield found
        if self.ref is None and len(refs := self.models.configured()) > 1:
            work = check_fallbacks(self.models, self.configuration, refs)
            mend = command(self.configuration.paths, "models", "list")
            yield await bounded("fallbacks", work, LOOKING_LIMIT_S, mend)
        if chosen is None:
            for name in _AFTER_MODEL:
                yield skipped(name, "no model can be asked")
            return
        weights = await find_weights(self.http, chosen)
        async for found in self._asking(Subject(self.configuration, self.http, self.models, view, chosen, weights)):
            yield found

    async def _asking(self, subject: Subject) -> Findings:
        """What the model itself shows, from its window to what fits into it."""
        yield check_window(subject)
        kept: list[Heard] = []
        yield await self._bounded(subject, "chat", _chat(subject, kept))
        if kept:
            subject = msgspec.structs.replace(subject, able=await _find_out(subject, self.limit_s))
            async for found in self._replies(subject, kept[0]):
                yield found
        else:
            for name in _AFTER_CHAT:
                yield skipped(name, "the model does not answer")
        yield await self._bounded(subject, "prompt", check_fitting(subject))

    async def _replies(self, subject: Subject, heard: Heard) -> Findings:
        """The checks of a model that answers."""
        works: dict[str, bool] = {}
        for name, trial in ((NATIVE, try_native), (DESCRIBED, try_described), (TEXT, try_text)):
            above = any(works.values())
            found = await self._bounded(subject, name, _rung(name, trial, subject, works))
            yield weighed(found, above=above, last=name == TEXT)
        yield await self._bounded(subject, "structured output", check_structured(subject))
        yield await self._bounded(subject, "tokenizer", check_tokenizer(subject, heard))
        yield await self._bounded(subject, "prefix cache", check_prefix_cache(subject))
        yield check_thinking(subject, heard)

    async def _bounded(self, subject: Subject, check: str, work: Awaitable[Finding]) -> Finding:
        """One check in bounded time; what it asked for in vain is looked at in the server's own numbers."""
        curl = f"curl {root_url(subject.chosen.endpoint)}/metrics"
        return await bounded(check, work, self.limit_s, curl)


async def _find_out(subject: Subject, limit_s: float) -> Capabilities | None:
    """What the model can do, found out anew and remembered for its turns; None where it cannot be."""
    try:
        async with asyncio.timeout(limit_s):
            return await subject.models.probe(subject.chosen)
    except (GarraError, TimeoutError):
        return None


async def _chat(subject: Subject, kept: list[Heard]) -> Finding:
    found, heard = await check_chat(subject)
    kept += [heard] if heard else []
    return found


async def _rung(
    name: str, trial: Callable[[Subject], Awaitable[Tried]], subject: Subject, works: dict[str, bool]
) -> Finding:
    found, works[name] = await trial(subject)
    return found
