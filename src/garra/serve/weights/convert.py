"""The process that brings a GGUF file into the engine's own form.

`python -m garra.serve.weights.convert SOURCE FOLDER FORM`, with FORM one of "f16", "q8_0" and "tokens"; or
with a vocabulary's size for SOURCE and "size" for FORM.
In a process of its own, since it needs the engine and much memory, for once. Writes FOLDER/prover always, and the model
in FOLDER when FORM says how. Whoever starts it makes the folder, and moves it to its place when all is there.
"""

import sys
from pathlib import Path

from garra.errors import ServeError
from garra.serve.engines.silent_openvino import openvino_genai
from garra.serve.weights.gguf_header import read_header
from garra.serve.weights.gguf_write import write_converted, write_tiny, write_tiny_of_size

_SAVE = {"enable_save_ov_model": True}


def main() -> int:
    source, folder, form = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    try:
        prover = folder / "prover"
        prover.mkdir()
        if form == "size":
            write_tiny_of_size(int(str(source)), prover / "model.gguf")
        else:
            write_tiny(read_header(source), prover / "model.gguf")
        _save(prover / "model.gguf", None)
        if form in ("f16", "q8_0"):
            write_converted(read_header(source), folder / "model.gguf", "f16" if form == "f16" else "q8_0")
            _save(folder / "model.gguf", openvino_genai.Tokenizer(prover))
    except (RuntimeError, OSError, ServeError) as error:
        print(str(error).strip().splitlines()[-1], file=sys.stderr)
        return 1
    return 0


def _save(model: Path, tokenizer: openvino_genai.Tokenizer | None) -> None:
    """Loading with this property writes the engine's own files next to the model, which is not needed afterwards."""
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 4
    if tokenizer is None:
        openvino_genai.ContinuousBatchingPipeline(model, scheduler, "CPU", _SAVE, _SAVE)
    else:
        openvino_genai.ContinuousBatchingPipeline(model, tokenizer, scheduler, "CPU", **_SAVE)
    model.unlink()


if __name__ == "__main__":
    sys.exit(main())
