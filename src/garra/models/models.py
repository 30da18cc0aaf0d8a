"""`Models`: which model answers, what its server serves, and what it can do.

The one door of this room for the others. It reads keys and the cache anew at each use, so that a key that was set just
now counts at once and a refusal blocks nothing afterwards; it keeps nothing else.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from garra.config.load import Configuration
from garra.errors import (
    AuthRejected,
    ConfigError,
    ContextOverflow,
    GarraError,
    ModelError,
    ModelNotFound,
    ModelUnreachable,
    RequestRefused,
    ServerFailed,
    ServerSilent,
    StreamBroken,
)
from garra.models import choice
from garra.models.cache import Catalogue
from garra.models.catalogue import STALE_AFTER_S, Capabilities, Chosen, ProviderView
from garra.models.counting import count
from garra.models.discovery import Answer, Servers
from garra.models.explain import explain_error, explain_overflow, not_served
from garra.models.findings import Findings
from garra.models.profiles import Profiles, load_profiles
from garra.models.providers import Access, find_access, provider_ids, shown_base_url
from garra.models.refs import ModelRef, match_id, parse_ref, resolve_ref, split_profile
from garra.models.unknown import nothing_served, unknown_ref
from garra.wire.http import Http
from garra.wire.messages import Message, ToolSpec


class Models:
    """The models of one configuration. The caller owns the client."""

    def __init__(self, configuration: Configuration, http: Http) -> None:
        self._configuration, self._http = configuration, http
        self._catalogue = Catalogue(configuration.paths.catalogue_file)
        self._servers = Servers(http, self._catalogue)
        self._findings = Findings(http, self._catalogue, self._servers)
        self._uncounted: dict[str, float] = {}

    def providers(self) -> tuple[str, ...]:
        """The ids of the providers, in the order of the configuration."""
        return provider_ids(self._configuration, self._profiles())

    async def view(self, provider: str, refresh: bool = False) -> ProviderView:
        """One provider's catalogue. The server is asked when `refresh` says so, or when what is known has aged."""
        try:
            access = self.access(provider)
        except GarraError as error:
            return ProviderView(provider, shown_base_url(provider, self._configuration), None, (), error=error)
        answer = Answer(None)
        if refresh or access.discovers or any(row.context_window is None for row in access.settings.models):
            answer = await self._servers.listing_of_any(access.endpoint, access.replicas, refresh=refresh)
        return self._seen(access, answer)

    async def views(self, refresh: bool = False) -> tuple[ProviderView, ...]:
        """Every provider's catalogue, all asked at once."""
        return tuple(await asyncio.gather(*(self.view(provider, refresh) for provider in self.providers())))

    def access(self, provider: str, profile: str | None = None) -> Access:
        """How to reach a provider. Raises what keeps it from being used, or ModelNotFound for one that is not there."""
        self.check_provider(provider)
        return find_access(provider, self._configuration, self._profiles(), pinned=profile)

    def check_provider(self, provider: str) -> None:
        """Raise ModelNotFound for a provider that is not there."""
        if provider not in self.providers():
            raise unknown_ref(provider, provider, self.providers(), ())

    def configured(self, agent: str = "main") -> tuple[str, ...]:
        """The refs that the configuration names for an agent, the primary first; empty where it names none."""
        primary = choice.configured_ref(self._configuration, agent)
        return (primary, *choice.fallbacks(self._configuration, agent)) if primary else ()

    def default_provider(self, agent: str = "main") -> str:
        """The provider of the agent's model; the first there is, where the model names none."""
        providers, text = self.providers(), choice.configured_ref(self._configuration, agent)
        names, known = choice.aliases(self._configuration, agent), dict.fromkeys(providers, ())
        ref = resolve_ref(split_profile(text)[0], aliases=names, known=known) if text else None
        if ref is None and not providers:
            raise nothing_served(())
        return ref.provider if ref else providers[0]

    def default_of(self, views: Sequence[ProviderView], agent: str = "main") -> ModelRef | None:
        """The model that answers where none is named, as far as the views tell."""
        text = choice.configured_ref(self._configuration, agent)
        if text is None:
            return next((view.entries[0].ref for view in views if view.entries), None)
        names = choice.aliases(self._configuration, agent)
        known = {view.id: [entry.ref.id for entry in view.entries] for view in views}
        name = split_profile(text)[0]
        try:
            return resolve_ref(name, aliases=names, known=known) or parse_ref(name)
        except ConfigError:
            return None

    async def choose(self, ref: str | None, agent: str = "main") -> Chosen:
        """The model that answers: the one named, else the agent's, else the first that a live provider serves."""
        text = ref or choice.configured_ref(self._configuration, agent) or str(await self._first_served())
        name, profile = split_profile(text)
        found = await self.resolve(name, agent)
        access = self.access(found.provider, profile)
        chosen = await self._complete(found, access, agent)
        return msgspec.structs.replace(chosen, profile=profile)

    async def resolve(self, text: str, agent: str = "main") -> ModelRef:
        """The model that a text means: alias, `provider/model`, or an id that one provider alone has."""
        names, providers = choice.aliases(self._configuration, agent), self.providers()
        listed = {name.lower(): found.models for name, found in self._configuration.config.models.providers.items()}
        known = {provider: [row.id for row in listed.get(provider, ())] for provider in providers}
        at_hand = "/" in text or match_id(text, names) is not None
        ref = resolve_ref(text, aliases=names, known=known) if at_hand else None
        if ref is not None and ref.provider in providers:
            return ref
        views = await self.views()
        known |= {view.id: [entry.ref.id for entry in view.entries] for view in views}
        found = resolve_ref(text, aliases=names, known=known)
        if found is None or found.provider not in providers:
            target = found or parse_ref(text)
            raise unknown_ref(text, target.provider if target else None, providers, views)
        return found

    async def _complete(self, ref: ModelRef, access: Access, agent: str) -> Chosen:
        """The chosen model with what its server says about it, asking only where the configuration leaves a gap."""
        ref = ModelRef(ref.provider, match_id(ref.id, access.row_ids) or ref.id)
        row = access.row(ref.id)
        if row is not None and row.context_window is not None:
            return choice.make_chosen(ref, access, Answer(None), self._configuration, agent)
        endpoint = choice.model_endpoint(ref, access, self._configuration)
        replicas = choice.replicas_of(ref, access)
        answer = await self._servers.listing_of_any(endpoint, replicas)
        if answer.error is None and ref.id not in (*answer.ids, *access.row_ids):
            answer = await self._servers.listing_of_any(endpoint, replicas, refresh=True)
        if answer.error is not None and _fatal(answer.error, access):
            raise self._explained(answer.error, access, ref)
        ref = ModelRef(ref.provider, match_id(ref.id, (*access.row_ids, *answer.ids)) or ref.id)
        if not access.explicit and answer.error is None and ref.id not in answer.ids:
            raise not_served(ref, endpoint, answer.ids)
        return choice.make_chosen(ref, access, answer, self._configuration, agent)

    async def _first_served(self) -> ModelRef:
        """The first model of the first provider that answers."""
        views = await self.views(refresh=True)
        for view in views:
            if view.entries and not isinstance(
                view.error, ModelUnreachable | ServerSilent | AuthRejected | ConfigError
            ):
                return view.entries[0].ref
        if len(views) == 1 and isinstance(views[0].error, ConfigError):
            raise views[0].error
        if len(views) == 1 and isinstance(views[0].error, ModelError):
            raise self._explained(views[0].error, self.access(views[0].id), None)
        raise nothing_served(views)

    async def capabilities(self, chosen: Chosen) -> Capabilities:
        """What the model can do, as it was found out on this server, or by trying now."""
        try:
            return await self._findings.of(chosen)
        except ModelError as error:
            raise await self.explain(error, chosen) from None

    async def probe(self, chosen: Chosen, *, whole: bool = False) -> Capabilities:
        """Find out anew what the model can do, and remember it; with `whole`, also what no turn needs to know."""
        try:
            return await self._findings.anew(chosen, whole=whole)
        except ModelError as error:
            raise await self.explain(error, chosen) from None

    async def learn(self, chosen: Chosen, **changes: Any) -> None:
        """Remember what a real request showed: fields of `Capabilities` and their values. Asks no server."""
        self._findings.learn(chosen, changes)

    async def count_tokens(
        self, chosen: Chosen, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> int | None:
        """The prompt's tokens as the server counts them; None where it does not. Then it is let be for a while."""
        place = chosen.endpoint.base_url
        if time.monotonic() < self._uncounted.get(place, 0.0):
            return None
        try:
            tokens = await count(self._http, chosen, messages, tools)
        except ModelError:
            return None
        if tokens is None:
            self._uncounted[place] = time.monotonic() + STALE_AFTER_S
        return tokens

    async def explain(self, error: GarraError, chosen: Chosen) -> GarraError:
        """The error with the model, what is served, and the command that mends it.

        A refusal asks the server what it serves: it may be another one than when it was asked last.
        """
        if isinstance(error, ModelUnreachable | ServerSilent | ServerFailed | StreamBroken):
            self._servers.doubt(chosen.endpoint)
        if isinstance(error, ModelNotFound | ContextOverflow | RequestRefused):
            listing = (await self._servers.listing(chosen.endpoint, refresh=True)).listing
        else:
            listing = self._servers.last(chosen.endpoint)
        if isinstance(error, ContextOverflow):
            return explain_overflow(error, chosen, listing)
        return explain_error(
            error,
            chosen.endpoint,
            ref=chosen.ref,
            listing=listing,
            key_source=chosen.key_source,
            replicas=chosen.replicas,
        )

    def _profiles(self) -> Profiles:
        return load_profiles(self._configuration.paths.auth_file)

    def _explained(self, error: GarraError, access: Access, ref: ModelRef | None) -> GarraError:
        listing = self._servers.last(access.endpoint)
        source = access.key.source if access.key else None
        return explain_error(
            error, access.endpoint, ref=ref, listing=listing, key_source=source, replicas=access.replicas
        )

    def _seen(self, access: Access, answer: Answer) -> ProviderView:
        ids = dict.fromkeys((*access.row_ids, *(answer.ids if access.discovers else ())))
        refs = [ModelRef(access.provider, model_id) for model_id in ids]
        listing, source = answer.listing, access.key.source if access.key else None
        error = answer.error
        if error is not None:  # without what was served before: that is what the view itself shows
            error = explain_error(
                error, access.endpoint, ref=None, listing=None, key_source=source, replicas=access.replicas
            )
        return ProviderView(
            id=access.provider,
            base_url=answer.base_url or access.endpoint.base_url,
            key_source=source,
            entries=self._findings.shown_in(
                tuple(choice.make_entry(ref, access, answer) for ref in refs), access, answer
            ),
            asked_at=listing.asked_at if listing else None,
            error=error,
            stale=listing is not None and answer.error is not None,
            server_version=listing.server_version if listing else None,
            served=listing.ids if listing else None,
        )


def _fatal(error: GarraError, access: Access) -> bool:
    """Whether there is no use in going on. A server that is listed need not have a /models route."""
    return not access.explicit or isinstance(error, ModelUnreachable | ServerSilent)
