"""`garra serve` with an engine that plays words, as a process of its own: what the tests of signals start.

python -m tests.serve.api.served_child PORT WORDS GAP_S SHUTDOWN_S READY_FD [--stop-with-parent] [--die]
"""

import asyncio
import sys
from pathlib import Path

from garra.cli.serve_command import _Terminal
from garra.errors import GarraError
from garra.serve.api.run import Parts, Plan, Teller, run, serve
from garra.serve.weights.base import Weights
from tests.serve.api.doubles import PlayedEngine
from tests.serve.vocabulary import IM_END, smollm2, smollm2_template


def die(engine: PlayedEngine) -> None:
    engine.ending = "killed by signal 9"
    engine.dead.set()


async def load(plan: Plan, teller: Teller) -> Parts:
    (word,) = smollm2().encode_text(" word")
    engine = PlayedEngine(lambda request: [*[word] * int(sys.argv[2]), IM_END], gap_s=float(sys.argv[3]))
    if "--die" in sys.argv:
        asyncio.get_running_loop().call_later(0.3, die, engine)
    weights = Weights(
        name="played",
        source=Path("played"),
        path=Path("played"),
        kind="ir",
        architecture="llama",
        context_length=8192,
        vocab_size=49_152,
        eos_token_ids=(IM_END,),
        kv_bytes_per_token=1,
    )
    return weights, engine, smollm2(), smollm2_template()


def main() -> int:
    plan = Plan(
        model="played",
        cache=Path("unused"),
        port=int(sys.argv[1]),
        shutdown_s=float(sys.argv[4]),
        ready_fd=int(sys.argv[5]),
        stop_with_parent="--stop-with-parent" in sys.argv,
    )
    try:
        return run(lambda: serve(plan, _Terminal(quiet=False), load))
    except GarraError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
