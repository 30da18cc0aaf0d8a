"""What the checks of a server look at: the provider, its server as it answered, and the chosen model."""

from typing import Any

import msgspec

from garra.config.load import Configuration
from garra.doctor.finding import command
from garra.doctor.parsers import serve_line, tool_flags
from garra.models.catalogue import Capabilities, Chosen, ProviderView
from garra.models.models import Models
from garra.wire.http import Http

OURS = "garra"
"""In the version that `garra serve` tells."""


class Subject(msgspec.Struct, frozen=True):
    """One model on its server. `weights` is what the server says that it was loaded from; `able` what it can do, as it
    was found out just now, None before that."""

    configuration: Configuration
    http: Http
    models: Models
    view: ProviderView
    chosen: Chosen
    weights: str = ""
    able: Capabilities | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the server is `garra serve`, whose flags are fewer."""
        return OURS in (self.view.server_version or "")

    def serve(self, *flags: str) -> str:
        """The `vllm serve` line of this server with these flags added; `garra serve` where it is one."""
        base_url, program = self.chosen.endpoint.base_url, "garra" if self.is_ours else "vllm"
        return serve_line(self.chosen.ref.id, base_url, *flags, weights=self.weights, program=program)

    def serve_tools(self, *more: str) -> str:
        """The line with which vLLM takes `tools` for this model."""
        return self.serve(*tool_flags(f"{self.weights} {self.chosen.ref.id}"), *more)

    def garra(self, *words: str) -> str:
        """A `garra` command for this configuration."""
        return command(self.configuration.paths, *words)

    def params(self, **fields: Any) -> dict[str, Any]:
        """The configured parameters, as every reply is asked for with, and these fields over them."""
        return self.chosen.params | {"temperature": 0} | fields
