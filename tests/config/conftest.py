"""What the tests of the configuration share: a home with a file in it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from garra.config.load import Configuration, load_configuration
from garra.config.paths import Paths, resolve_paths
from garra.errors import ConfigError

Load = Callable[..., Configuration]


@pytest.fixture
def paths(home: Path) -> Paths:
    found = resolve_paths({"HOME": str(home)})
    found.home.mkdir()
    return found


@pytest.fixture
def load(paths: Paths) -> Load:
    """Write a configuration, and read it."""

    def write_and_load(text: str, env: Mapping[str, str] | None = None) -> Configuration:
        paths.config_file.write_text(text, encoding="utf-8")
        return load_configuration(paths, env or {})

    return write_and_load


@pytest.fixture
def faults(load: Load) -> Callable[..., tuple[str, ...]]:
    """Write a configuration that is not valid; its issues."""

    def issues_of(text: str, env: Mapping[str, str] | None = None) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            load(text, env)
        return caught.value.issues

    return issues_of
