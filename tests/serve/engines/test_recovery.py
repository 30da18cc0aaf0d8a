"""An engine without a tiny model to try grammars on, as for a folder that came converted: a bad grammar reaches the
step, stops everybody, and who has no structure goes on. With a tiny model of the same size it never gets so far."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from garra.errors import RequestRefused
from garra.serve.engines import Sampling, Structure, TokenRequest
from garra.serve.engines.openvino import EngineSettings, OpenVinoEngine, start
from garra.serve.weights import Weights
from garra.serve.weights.prepared import prover_of_size
from garra.serve.weights.progress import ConsoleProgress
from tests.serve.model_cache import CACHE

from .drive import greedy, whole

pytestmark = [pytest.mark.anyio, pytest.mark.live]

BAD = Sampling(max_tokens=10, temperature=0.0, structure=Structure("regex", "(open"))
LONG = Sampling(max_tokens=200, temperature=0.0, structure=Structure("regex", "[a-z ]{150,180}"))


_SETTINGS = EngineSettings(max_model_len=512, kv_cache_gb=0.2, exact=True)


def _as_folder(weights: Weights, folder: Path) -> None:
    """The model with its tokenizer beside it, as export tools lay it down."""
    assert weights.prover is not None
    for file in [*weights.path.glob("openvino_model.*"), *weights.prover.glob("openvino_*tokenizer.*")]:
        (folder / file.name).symlink_to(file)


def _bare(weights: Weights, folder: Path, prover: Path | None) -> Weights:
    return msgspec.structs.replace(weights, path=folder, prover=prover, vocab=None)


@pytest.fixture
async def bare_engine(weights: Weights, tmp_path: Path) -> AsyncIterator[OpenVinoEngine]:
    _as_folder(weights, tmp_path)
    engine = await start(_bare(weights, tmp_path, None), _SETTINGS)
    yield engine
    await engine.close()


async def test_plain_requests_go_on_as_if_nothing_had_been(bare_engine: OpenVinoEngine) -> None:
    expected = await whole(bare_engine, [900, 901], greedy(60))
    neighbour = asyncio.ensure_future(whole(bare_engine, [900, 901], greedy(60)))
    await asyncio.sleep(0.1)

    with pytest.raises(RequestRefused, match="parenthesis"):
        await whole(bare_engine, [5], BAD)

    assert (await neighbour).ids == expected.ids
    assert (await whole(bare_engine, [900, 901], greedy(60))).ids == expected.ids


async def test_with_a_tiny_model_of_its_size_a_folder_is_never_stopped(weights: Weights, tmp_path: Path) -> None:
    _as_folder(weights, tmp_path)
    prover = await prover_of_size(weights.vocab_size, CACHE, ConsoleProgress())
    engine = await start(_bare(weights, tmp_path, prover), _SETTINGS)
    try:
        reply = engine.generate(TokenRequest([5, 6], LONG))
        ids = (await anext(reply)).ids

        with pytest.raises(RequestRefused, match="parenthesis"):
            await whole(engine, [5], BAD)

        async for chunk in reply:
            ids = [*ids, *chunk.ids]
        assert (await whole(engine, [5, 6], LONG)).ids == ids
    finally:
        await engine.close()
