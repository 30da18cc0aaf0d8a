"""`python -m garra.testing`: a model server that answers at once, for benchmarks and for trying things out."""

import argparse
import asyncio

from garra.testing.server import ScriptedModel


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m garra.testing", description="An instant scripted model server.")
    parser.add_argument("--port", type=int, default=8000, help="0 lets the system choose one")
    parser.add_argument("--reply", default="ok", help="what it always answers")
    parser.add_argument("--model", default="scripted")
    parser.add_argument("--max-model-len", type=int, default=8192)
    parser.add_argument("--api-key", default=None)
    given = parser.parse_args()
    server = ScriptedModel(
        [given.reply], model=given.model, max_model_len=given.max_model_len, api_key=given.api_key, port=given.port
    )
    try:
        asyncio.run(_serve(server))
    except KeyboardInterrupt:
        return


async def _serve(server: ScriptedModel) -> None:
    async with server:
        print(f"Serving {server.model} at {server.base_url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
