"""From what a person writes to weights that can be loaded. What is not on this machine is refused by name, but for the
default model, which is fetched."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from garra.errors import ServeError
from garra.serve.weights.base import Progress, Weights
from garra.serve.weights.default_model import ALIASES, NAME, fetch_default
from garra.serve.weights.gguf_header import read_header
from garra.serve.weights.gguf_model import check_model, conversion, weights_of
from garra.serve.weights.ir_folder import MODEL_FILE, weights_of_ir
from garra.serve.weights.machine import memory_bytes
from garra.serve.weights.prepared import prepared, prover_of_size

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_PART = re.compile(r"-\d{5}-of-\d{5}$")
_QUANTISATION = re.compile(r"[.-](I?Q\d\w*|F16|F32|BF16|FP16)$", re.IGNORECASE)


async def resolve_weights(model: str, *, cache: Path, progress: Progress) -> Weights:
    """See `garra.serve.weights.resolve`."""
    if model in ALIASES:
        return await _from_gguf(await fetch_default(cache, progress), NAME, cache, progress)
    place = _find(model, os.environ)
    if place.is_dir():
        weights = weights_of_ir(place)
        return msgspec.structs.replace(weights, prover=await prover_of_size(weights.vocab_size, cache, progress))
    return await _from_gguf(place, _QUANTISATION.sub("", place.stem), cache, progress)


async def _from_gguf(path: Path, name: str, cache: Path, progress: Progress) -> Weights:
    header = read_header(path)
    check_model(header)
    form = conversion(header, memory_bytes())
    folder = await prepared(header, form, cache, progress)
    prover = folder / "prover"
    if form is None:
        return weights_of(header, name=name, path=path, kind="gguf", prover=prover)
    return weights_of(header, name=name, path=folder, kind="ir", prover=prover)


def _find(model: str, env: Mapping[str, str]) -> Path:
    """The file, or the OpenVINO folder, that `model` means."""
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return _in_folder(path)
    if _HUB_ID.fullmatch(model):
        repository = _hub_cache(env) / f"models--{model.replace('/', '--')}"
        if repository.is_dir():
            return _in_folder(repository)
        raise ServeError(
            f"{model} is not on this machine: neither a path nor in {repository.parent}. Give the path of a GGUF file "
            f"or an OpenVINO folder, or serve the default model with: garra serve {ALIASES[0]}"
        )
    raise ServeError(f"{model} does not exist. Give the path of a GGUF file, or: garra serve {ALIASES[0]}")


def _hub_cache(env: Mapping[str, str]) -> Path:
    """Where Hugging Face's tools keep what they fetched."""
    if cache := env.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    base = env.get("HF_HOME") or str(Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(base).expanduser() / "hub"


def _in_folder(folder: Path) -> Path:
    folder = _newest_snapshot(folder)
    if (folder / MODEL_FILE).is_file():
        return folder
    found = sorted(path for path in folder.rglob("*.gguf") if path.is_file())
    whole = [path for path in found if not _PART.search(path.stem) and not path.name.startswith("mmproj")]
    if len(whole) == 1:
        return whole[0]
    if whole:
        listed = "".join(f"\n  {path}" for path in whole)
        raise ServeError(f"{folder} holds several GGUF files. Give the path of one of them:{listed}")
    if found:
        raise ServeError(f"{folder} holds a GGUF file in parts. Join them first with: llama-gguf-split --merge")
    raise ServeError(
        f"{folder} holds neither a GGUF file nor an OpenVINO model ({MODEL_FILE}). "
        "Safetensors must be converted first; ready-made GGUF files of most models are on the hub."
    )


def _newest_snapshot(folder: Path) -> Path:
    """A repository in Hugging Face's cache has its files in `snapshots/<revision>`; `refs/main` names the newest."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir():
        return folder
    main = folder / "refs" / "main"
    if main.is_file() and (snapshots / main.read_text().strip()).is_dir():
        return snapshots / main.read_text().strip()
    newest = sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime)
    return newest[-1] if newest else folder
