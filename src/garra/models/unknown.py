"""The errors for a model that cannot be found: what there is instead, and how to add what is missing."""

from collections.abc import Sequence

from garra.errors import ModelNotFound, NoModel
from garra.models.auth import key_variable
from garra.models.catalogue import ProviderView
from garra.models.providers import IMPLICIT


def unknown_ref(
    text: str, provider: str | None, providers: Sequence[str], views: Sequence[ProviderView]
) -> ModelNotFound:
    """The error for a ref that names no provider that there is, or an id that none has."""
    served = tuple(str(entry.ref) for view in views for entry in view.entries)
    known = f"Known models: {', '.join(served)}." if served else f"Providers: {', '.join(providers) or 'none'}."
    failed = [f"{view.id} could not be asked: {str(view.error).splitlines()[0]}" for view in views if view.error]
    if provider is None:
        head, mend = f'No provider has a model "{text}".', "Write PROVIDER/MODEL, or see them all: garra models list"
    elif provider == IMPLICIT:
        head = f'"{text}": the provider {IMPLICIT} is not set up.'
        mend = (
            f"Opt in with a key, any text where the server wants none: export {key_variable(IMPLICIT)}=vllm-local "
            f"(or: garra auth set {IMPLICIT}), or set models.providers.{IMPLICIT}.baseUrl"
        )
    else:
        head = f'There is no provider "{provider}".'
        mend = f"Add it: garra config set models.providers.{provider}.baseUrl http://HOST:PORT/v1"
    return ModelNotFound("\n".join([head, known, *failed, mend]), served)


def nothing_served(views: Sequence[ProviderView]) -> NoModel:
    """The error when no model is configured and no provider offers one."""
    lines = [f"{view.id} at {view.base_url}: {str(view.error or 'serves no model').splitlines()[0]}" for view in views]
    if not views:
        mend = "Name your server: garra config set models.providers.vllm.baseUrl http://127.0.0.1:8000/v1"
        return NoModel(f"No provider is configured. {mend}")
    mend = "Start a model server (garra up, or: vllm serve MODEL), or choose a model: garra models set PROVIDER/MODEL"
    return NoModel("\n".join(["No model is configured, and none was found.", *lines, mend]))
