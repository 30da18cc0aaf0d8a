"""The check of the models that answer when the first one cannot: whether each is there, and is another one."""

import asyncio
import json

from garra.config.load import Configuration
from garra.config.schema import ModelChoice
from garra.doctor.finding import Finding, command, hint, ok
from garra.errors import GarraError
from garra.models.models import Models
from garra.models.refs import ModelRef, split_profile


async def check_fallbacks(models: Models, configuration: Configuration, refs: tuple[str, ...]) -> Finding:
    """Ask the server of each of them whether it has it. `refs` are the configured ones, the model itself first."""
    primary, *fallbacks = refs
    first = await _resolved(models, primary)
    faults = await asyncio.gather(*(_fault(models, ref, first) for ref in fallbacks))
    if not any(faults):
        return ok("fallbacks", f"{', '.join(fallbacks)}, should {primary} fail")
    mend = [command(configuration.paths, "models", "list")]
    shared = configuration.config.agents.defaults.model
    if isinstance(shared, ModelChoice) and tuple(shared.fallbacks or ()) == tuple(fallbacks):
        good = json.dumps([ref for ref, fault in zip(fallbacks, faults, strict=True) if not fault])
        mend.append(command(configuration.paths, "config", "set", "agents.defaults.model.fallbacks", good))
    return hint("fallbacks", "; ".join(filter(None, faults)), "It is passed over when its turn comes.", *mend)


async def _resolved(models: Models, ref: str) -> ModelRef | None:
    try:
        return await models.resolve(split_profile(ref)[0])
    except GarraError:
        return None  # that is the finding about the model itself


async def _fault(models: Models, ref: str, first: ModelRef | None) -> str:
    """What keeps a fallback from answering; empty where nothing does."""
    try:
        chosen = await models.choose(ref)
    except GarraError as error:
        return f"{ref}: {str(error).splitlines()[0]}"
    if chosen.ref == first:
        return f"{ref} is the first model again"
    view = await models.view(chosen.ref.provider)
    if view.served is not None and chosen.ref.id not in view.served:
        return f"{view.base_url} does not list {chosen.ref.id}; it serves {', '.join(view.served) or 'nothing'}"
    return ""
