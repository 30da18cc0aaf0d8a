"""Weights: found or fetched, checked, and brought into a form that the engine reads without loss."""

from pathlib import Path

from garra.serve.weights.base import GgufVocab, Progress, Weights

__all__ = ["GgufVocab", "Progress", "Weights", "resolve"]


async def resolve(model: str, *, cache: Path, progress: Progress) -> Weights:
    """The weights that `model` names: "default", "smollm2", a .gguf file, an OpenVINO IR folder, a local repository.

    Fetches and converts what is needed, once, into `cache`. Raises `ServeError` that says what to do.
    """
    from garra.serve.weights.resolve import resolve_weights

    return await resolve_weights(model, cache=cache, progress=progress)
