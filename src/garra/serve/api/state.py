"""What every route is handed: the engine, the words around it, and the settings."""

from msgspec import Struct
from starlette.requests import Request

from garra.serve.api.errors import Refused
from garra.serve.api.settings import Settings
from garra.serve.engines.base import Engine
from garra.serve.text.template import ChatTemplate
from garra.serve.text.tokenizer import Tokenizer


class Served(Struct, frozen=True):
    """One model behind the API. `template` is None for a model that has no chat template."""

    engine: Engine
    tokenizer: Tokenizer
    template: ChatTemplate | None
    settings: Settings

    @property
    def window(self) -> int:
        """How many tokens a prompt and its reply may have together."""
        return self.engine.info.max_model_len

    def check_model(self, name: str | None) -> None:
        """A model that is not served here is a 404 that says what is."""
        names = self.settings.names
        if name and name not in names:
            aliases = ", ".join(names)
            raise Refused(f"The model `{name}` does not exist. Valid aliases: {aliases}.", status=404, param="model")


def served(request: Request) -> Served:
    """What this request's app serves."""
    state: Served = request.app.state.served
    return state
