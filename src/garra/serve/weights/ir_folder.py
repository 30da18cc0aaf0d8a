"""A folder with a model in OpenVINO's own form, as `optimum-cli export openvino` makes it and the hub offers it."""

from pathlib import Path
from typing import Any

import msgspec

from garra.errors import ServeError
from garra.serve.weights.base import Weights

MODEL_FILE = "openvino_model.xml"


def weights_of_ir(folder: Path) -> Weights:
    """Read what must be known from the JSON files beside the model. Raises `ServeError` naming the file that lacks."""
    for name in (MODEL_FILE, MODEL_FILE.replace(".xml", ".bin"), "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise ServeError(f"{folder} is no complete OpenVINO model: {name} is missing. Export or fetch it again.")
    config = _read(folder / "config.json")
    tokenizer = _read(folder / "tokenizer_config.json")
    generation = _read(folder / "generation_config.json")
    heads = _number(folder, config, "num_attention_heads")
    width = config.get("head_dim") or _number(folder, config, "hidden_size") // heads
    kv_heads = config.get("num_key_value_heads") or heads
    return Weights(
        name=folder.name,
        source=folder,
        path=folder,
        kind="ir",
        architecture=str(config.get("model_type", "")),
        context_length=_number(folder, config, "max_position_embeddings"),
        vocab_size=_number(folder, config, "vocab_size"),
        eos_token_ids=_ids(generation.get("eos_token_id", config.get("eos_token_id"))),
        bos_token_id=next(iter(_ids(config.get("bos_token_id"))), None),
        chat_template=_template(folder, tokenizer),
        tokenizer_file=folder / "tokenizer.json",
        quantisation="OpenVINO IR",
        kv_bytes_per_token=_number(folder, config, "num_hidden_layers") * kv_heads * 2 * (width + 8),
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ServeError(f"{path} cannot be read: {error}.") from error


def _number(folder: Path, config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise ServeError(f"{folder / 'config.json'} does not say its {key}. It cannot be served.")
    return value


def _ids(value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(id_ for id_ in values if isinstance(id_, int))


def _template(folder: Path, tokenizer: dict[str, Any]) -> str:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text()
    template = tokenizer.get("chat_template", "")
    if isinstance(template, list):
        named = {row.get("name"): row.get("template") for row in template if isinstance(row, dict)}
        template = named.get("default", "")
    return str(template or "")
