"""Engines: what computes the tokens, each behind the protocol in `base`."""

from garra.serve.engines.base import (
    Engine,
    EngineInfo,
    Finish,
    Sampling,
    Structure,
    StructureKind,
    TokenChunk,
    TokenRequest,
)
from garra.serve.weights.base import Weights

__all__ = [
    "Engine",
    "EngineInfo",
    "Finish",
    "Sampling",
    "Structure",
    "StructureKind",
    "TokenChunk",
    "TokenRequest",
    "start_openvino",
]


async def start_openvino(
    weights: Weights,
    *,
    max_model_len: int | None = None,
    kv_cache_gb: float | None = None,
    max_num_seqs: int = 32,
    exact: bool = False,
) -> Engine:
    """Load `weights` in a process of its own; returns when a request and a grammar have been run once.

    `exact` computes everything in 32 bits, slower, so that greedy text does not depend on who else is served.
    Raises `ServeError` when the model cannot be loaded or does not fit.
    """
    from garra.serve.engines.openvino import EngineSettings, start

    settings = EngineSettings(
        max_model_len=max_model_len, kv_cache_gb=kv_cache_gb, max_num_seqs=max_num_seqs, exact=exact
    )
    return await start(weights, settings)
