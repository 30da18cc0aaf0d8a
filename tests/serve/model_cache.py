"""Where real weights are kept between runs of the tests. Read on import, before a test gets a home of its own."""

import os
from pathlib import Path

_XDG_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("GARRA_CACHE") or _XDG_CACHE / "garra")

# How the person who runs the tests has told pip to reach the index.
PIP_SETTINGS = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
