"""What a served model is called, and what is allowed. Values only."""

import time
from typing import Any

from msgspec import Struct, field

from garra import __version__

COMPATIBLE_WITH = "0.32.0"
"""The vLLM release whose answers these are."""

VERSION = f"{COMPATIBLE_WITH}+garra.{__version__}"
"""What `/version` says: clients parse the first part, people read the second."""


class Settings(Struct, frozen=True, kw_only=True):
    """How one model is served.

    `names`: what clients may call it; the first is what answers carry. `defaults`: sampling parameters that the model's
    own generation config sets. `default_template_variables`: for every chat template.
    """

    names: tuple[str, ...]
    root: str
    api_keys: tuple[str, ...] = ()
    defaults: dict[str, Any] = {}
    default_template_variables: dict[str, Any] = {}
    limit_body_bytes: int = 64 * 1024 * 1024
    body_silence_s: float = 30.0
    started_at: int = field(default_factory=lambda: int(time.time()))
    fingerprint: str = f"garra-{__version__}"
