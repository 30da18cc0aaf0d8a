"""What is known of the models, as values: what a server lists, what a model can do, which one was chosen.

Asks nobody and keeps nothing: the file that remembers these is in `cache`.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from garra.errors import GarraError
from garra.models.refs import ModelRef
from garra.models.thinking import Thinking
from garra.wire.request import Endpoint

Source: TypeAlias = Literal["config", "server", "both", "cache"]
StructuredForm: TypeAlias = Literal["", "structured_outputs", "response_format", "guided_json"]
"""The request field that binds a reply to a schema: vLLM's own, the one of all others, and that of old vLLM."""
Rung: TypeAlias = Literal["native", "described, held to schemas", "described, read from the text"]

STALE_AFTER_S = 600.0


class Capabilities(msgspec.Struct, frozen=True):
    """What a model on its server can do, found by asking and by trying once. None: not tried, or the server does not
    tell.

    `tools` is what a request may do: "refused" says that none may be sent, and `reason` why. `structured`: the
    `structured_outputs` of vLLM bind; `structured_form` names the field that does, where another one has to be used.
    """

    tools: Literal["native", "refused", "unknown"]
    structured: bool
    tokenize: bool
    reason: str = ""
    version: str = ""
    parser: bool | None = None
    """Whether a request with `tools` is accepted."""
    template_has_tools: bool | None = None
    """Whether the prompt grows by the tools: where it does not, the model never sees them."""
    structured_form: StructuredForm = ""
    structural_tag: bool | None = None
    images: bool | None = None
    reasoning_field: str = ""
    """The field that the model's thinking came under; empty where none was seen."""
    stream_usage: bool | None = None
    cached_tokens: bool | None = None
    """Whether the usage says how much of the prompt was in the prefix cache."""
    prefix_caching: bool | None = None
    max_num_seqs: int | None = None
    begins_calls: bool | None = None
    """Whether the model begins a call by itself when tools are described to it. Tried in the first turn that would."""

    @property
    def chooses_first(self) -> bool:
        """Whether the model is asked to choose between a call and an answer before each reply."""
        return self.tools == "refused" and self.holds_calls and self.begins_calls is False

    @property
    def holds_calls(self) -> bool:
        """Whether a call that is written into the text can be held to its schema."""
        return self.structured and self.structural_tag is not False

    @property
    def rung(self) -> Rung:
        """How tools are called."""
        if self.tools != "refused":
            return "native"
        return "described, held to schemas" if self.holds_calls else "described, read from the text"


class ModelEntry(msgspec.Struct, frozen=True):
    """One model that can be chosen. `window` and `max_tokens` are None where nobody said. `served_window` is the
    server's own word, also where the configuration pins another; `able` what was found out before, if ever."""

    ref: ModelRef
    name: str
    window: int | None
    max_tokens: int | None
    reasoning: bool
    input: tuple[str, ...]
    source: Source
    served_window: int | None = None
    able: Capabilities | None = None


class ProviderView(msgspec.Struct, frozen=True):
    """One provider as it stands. `entries` is its catalogue, `served` the ids that its server listed at `asked_at`.

    `error` says why the server could not be asked just now; `stale`: what is shown is what it said before.
    """

    id: str
    base_url: str
    key_source: str | None
    entries: tuple[ModelEntry, ...]
    asked_at: float | None = None
    error: GarraError | None = None
    stale: bool = False
    server_version: str | None = None
    served: tuple[str, ...] | None = None


class Chosen(msgspec.Struct, frozen=True):
    """The model that answers, and how to ask it. `pinned`: the window is the configuration's word, not the server's.

    `params` are merged, under their wire names; `unused` names configured ones that no request carries; `key_source`
    says where the key came from; `no_tools`: the configuration says that the model takes none. `thinking` is how its
    thinking can be set, and the level that `params` are for. `replicas` are the base URLs that serve it alike, that of
    the endpoint among them; empty where there is but one. `capped`: the configuration allows less than the window.
    """

    ref: ModelRef
    endpoint: Endpoint
    window: int | None
    max_tokens: int | None
    params: dict[str, Any]
    reasoning: bool
    pinned: bool
    unused: tuple[str, ...] = ()
    key_source: str | None = None
    profile: str | None = None
    no_tools: bool = False
    thinking: Thinking = Thinking()
    replicas: tuple[str, ...] = ()
    capped: bool = False


class Served(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model as its server lists it. `root` is where its weights are from, which another name may hide."""

    id: str
    window: int | None = None
    root: str = ""


class Listing(msgspec.Struct, frozen=True):
    """What one server answered, and when (epoch seconds).

    `started` is when the server's process began, as it tells itself: another number is another process, maybe with
    other flags. `doubted`: the server failed since, and is to be asked again before what it can do is believed.
    """

    asked_at: float
    models: tuple[Served, ...]
    server_version: str | None = None
    started: float | None = None
    prefix_caching: bool | None = None
    doubted: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(model.id for model in self.models)

    def window(self, model_id: str) -> int | None:
        """The window that the server gives a model."""
        return next((model.window for model in self.models if model.id == model_id), None)

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used without asking again. An answer from the future is none."""
        return 0 <= now - self.asked_at < STALE_AFTER_S


class Tried(msgspec.Struct, frozen=True):
    """Capabilities as they were found, and on which server (`identity`)."""

    identity: str
    tried_at: float
    found: Capabilities
