"""What a person may write for a model, and what is said when it is not there."""

import os
from pathlib import Path

import pytest

from garra.errors import ServeError
from garra.serve.weights import resolve

from .conftest import Maker, Told

pytestmark = pytest.mark.anyio


async def test_a_path_that_is_not_there_is_named(tmp_path: Path, told: Told) -> None:
    with pytest.raises(ServeError, match=r"gone\.gguf does not exist"):
        await resolve(str(tmp_path / "gone.gguf"), cache=tmp_path, progress=told)


async def test_a_hub_id_that_is_not_local_says_so_and_what_to_give(tmp_path: Path, told: Told, home: Path) -> None:
    with pytest.raises(ServeError, match=r"Qwen/Qwen3-0\.6B is not on this machine.*path of a GGUF"):
        await resolve("Qwen/Qwen3-0.6B", cache=tmp_path, progress=told)


async def test_a_repository_in_hugging_faces_cache_is_looked_into(tmp_path: Path, told: Told, make_gguf: Maker) -> None:
    snapshot = tmp_path / "hub" / "models--someone--small" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    make_gguf(architecture="gemma3").rename(snapshot / "small.gguf")
    os.environ["HF_HUB_CACHE"] = str(tmp_path / "hub")

    with pytest.raises(ServeError, match=r"small\.gguf is a model of the architecture 'gemma3'"):
        await resolve("someone/small", cache=tmp_path, progress=told)


async def test_a_folder_with_several_files_lists_them(tmp_path: Path, told: Told) -> None:
    for name in ("small.Q4_0.gguf", "small.Q8_0.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")

    with pytest.raises(ServeError, match=r"(?s)several GGUF files.*Q4_0\.gguf.*Q8_0\.gguf"):
        await resolve(str(tmp_path), cache=tmp_path, progress=told)


async def test_a_folder_with_safetensors_says_what_is_wanted(tmp_path: Path, told: Told) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")

    with pytest.raises(ServeError, match="neither a GGUF file nor an OpenVINO model"):
        await resolve(str(tmp_path), cache=tmp_path, progress=told)


@pytest.mark.live
async def test_an_openvino_folder_is_read_from_its_json_files(tmp_path: Path, told: Told) -> None:
    for name in ("openvino_model.xml", "openvino_model.bin", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "config.json").write_text(
        '{"model_type": "qwen2", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,'
        ' "num_hidden_layers": 3, "max_position_embeddings": 4096, "vocab_size": 1000, "eos_token_id": 5}'
    )
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 6]}')
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')

    weights = await resolve(str(tmp_path), cache=tmp_path / "cache", progress=told)

    assert (weights.kind, weights.context_length, weights.vocab_size) == ("ir", 4096, 1000)
    assert weights.eos_token_ids == (5, 6)
    assert weights.kv_bytes_per_token == 3 * 2 * 2 * (16 + 8)
    assert weights.chat_template == "{{ messages }}"
    assert weights.tokenizer_file == tmp_path / "tokenizer.json"


async def test_an_openvino_folder_that_lacks_a_file_names_it(tmp_path: Path, told: Told) -> None:
    (tmp_path / "openvino_model.xml").write_text("")
    (tmp_path / "openvino_model.bin").write_text("")

    with pytest.raises(ServeError, match=r"config\.json is missing"):
        await resolve(str(tmp_path), cache=tmp_path, progress=told)


@pytest.mark.live
async def test_a_file_is_prepared_once_and_a_damaged_conversion_is_made_again(
    tmp_path: Path, told: Told, make_gguf: Maker
) -> None:
    path = make_gguf(name="small.Q4_1.gguf")

    first = await resolve(str(path), cache=tmp_path / "cache", progress=told)
    second = await resolve(str(path), cache=tmp_path / "cache", progress=told)

    assert first == second
    assert first.name == "small"
    assert len(told.lines) == 1

    (first.path / "openvino_model.bin").write_bytes(b"")
    third = await resolve(str(path), cache=tmp_path / "cache", progress=told)

    assert (third.path / "openvino_model.bin").stat().st_size > 0
    assert len(told.lines) == 2
    assert [folder.name for folder in (tmp_path / "cache" / "converted").iterdir() if folder.is_dir()] == [
        third.path.name
    ]
