"""One embedded server for all live tests, on vLLM's usual port where that is free."""

from collections.abc import Iterator

import pytest

from tests.live.served import USUAL_PORT, Served, free_port, is_free, serve


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = USUAL_PORT if is_free(USUAL_PORT) else free_port()
    with serve(tmp_path_factory.mktemp("server"), port, "--served-model-name", "Garra/Smol-LM2") as server:
        yield server
