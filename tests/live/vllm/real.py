"""The real server under test: what it was started as, what its counters say, and how `garra` is pointed at it."""

import json
import os
import re
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from garra.config.load import load_configuration
from garra.config.paths import resolve_paths
from garra.models.models import Models
from garra.wire.http import Http
from tests.live.served import config, explicit

MODEL = "smollm2"


class Real(msgspec.Struct, frozen=True):
    """A running vLLM. `name` is the way it was started in; `home` is kept from one way to the next."""

    name: str
    root_url: str
    flags: tuple[str, ...]
    window: int
    key: str
    home: Path

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"

    @property
    def sent_key(self) -> str:
        """A key that the server takes: its own, or any."""
        return self.key or "local"

    def configured(
        self, home: Path, *, base_url: str = "", key: str = "", params: str = "maxTokens: 60", more: str = ""
    ) -> Path:
        """A person's configuration for it, with replies that are short and always the same. All in JSON5."""
        provider = explicit(base_url or self.base_url, key=key or self.sent_key)
        return config(
            home, f"{{ {provider}, agents: {{ defaults: {{ params: {{ temperature: 0, {params} }} }} }}, {more} }}"
        )

    @asynccontextmanager
    async def models(self, home: Path) -> AsyncIterator[tuple[Http, Models]]:
        """The room of the models, opened on that configuration in this process."""
        self.configured(home)
        env = {"HOME": str(home)}
        async with Http(env) as http:
            yield http, Models(load_configuration(resolve_paths(env), env), http)

    def counters(self) -> dict[str, float]:
        """The server's own counters, each summed over its labels."""
        with urllib.request.urlopen(f"{self.root_url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        counted: dict[str, float] = defaultdict(float)
        for name, value in re.findall(r"^(vllm:\w+)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE):
            counted[name] += float(value)
        return counted

    @property
    def block_tokens(self) -> int:
        """How many tokens a block of its prefix cache holds: what is cached is cached in whole blocks."""
        with urllib.request.urlopen(f"{self.root_url}/metrics", timeout=10) as answer:
            found = re.search(r'vllm:cache_config_info\{.*\bblock_size="(\d+)"', answer.read().decode())
        assert found is not None
        return int(found[1])


def from_environment() -> Real | None:
    """The server that the runner has started for this run of the tests; None where there is none."""
    told = os.environ.get("GARRA_VLLM")
    return msgspec.convert(json.loads(told), Real, dec_hook=lambda kind, value: kind(value)) if told else None
