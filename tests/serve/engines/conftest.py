"""One real engine for all tests of this folder: the default model, computed exactly so that texts can be compared."""

from collections.abc import AsyncIterator

import pytest

from garra.serve.engines.openvino import EngineSettings, OpenVinoEngine, start
from garra.serve.weights import Weights, resolve
from garra.serve.weights.progress import ConsoleProgress
from tests.serve.model_cache import CACHE


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def weights(anyio_backend: str) -> Weights:
    return await resolve("default", cache=CACHE, progress=ConsoleProgress())


@pytest.fixture(scope="session")
async def engine(weights: Weights) -> AsyncIterator[OpenVinoEngine]:
    running = await start(weights, EngineSettings(max_model_len=2048, kv_cache_gb=0.5, max_num_seqs=8, exact=True))
    yield running
    await running.close()
