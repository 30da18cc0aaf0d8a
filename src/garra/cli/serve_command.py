"""`garra serve`: a model behind vLLM's HTTP API."""

import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from garra.cli.app import App, pass_app
from garra.errors import ServeError

if TYPE_CHECKING:
    from garra.serve.api.run import Loaded, Plan

NEEDED = ("httptools", "jinja2", "openvino_genai", "pydantic", "starlette", "tokenizers", "uvicorn")


@click.command()
@click.argument("model", default="default")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@click.option("--api-key", "api_keys", multiple=True, metavar="KEY", help="A key that clients must send; repeatable.")
@click.option("--served-model-name", "names", multiple=True, metavar="NAME", help="What clients call the model.")
@click.option("--max-model-len", type=click.IntRange(1), metavar="N", help="The context window, in tokens.")
@click.option("--max-num-seqs", default=32, show_default=True, type=click.IntRange(1), help="Replies at a time.")
@click.option("--kv-cache-memory", "kv_cache_gb", type=float, metavar="GB", help="Memory for the key-value cache.")
@click.option("--exact", is_flag=True, help="Compute in 32 bits: slower, and the same text whoever else is served.")
@click.option("--override-generation-config", "override", metavar="JSON", help="Sampling for requests that name none.")
@click.option("--shutdown-timeout", "shutdown_s", default=30.0, show_default=True, help="Seconds for running replies.")
@click.option("--log-level", default="warning", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--quiet", is_flag=True, help="Tell only what takes long and what fails.")
@click.option("--ready-fd", type=int, metavar="FD", help='Write "ready" to this file descriptor once it answers.')
@click.option("--stop-with-parent", is_flag=True, help="Stop when the process that started this one is gone.")
@pass_app
def command(app: App, /, **options: Any) -> int:
    """Serve MODEL with vLLM's HTTP API: a .gguf file, a folder with OpenVINO IR, a Hugging Face repository, or
    nothing for the default model.

    Keys also come from the environment variable VLLM_API_KEY, where other users of this machine cannot read them.
    """
    check_installed()
    from garra.serve.api.run import run, serve

    _log_to_stderr(options["log_level"])
    plan = _plan(app, options)
    teller = _Terminal(quiet=options["quiet"])
    return run(lambda: serve(plan, teller))


def check_installed(names: Sequence[str] = NEEDED) -> None:
    """The server's parts are an extra of the package; say which are missing, and how to get them."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeError(
            f"garra serve needs parts that are not installed ({', '.join(missing)}): pip install 'garra[serve]'"
        )


def _plan(app: App, options: dict[str, Any]) -> "Plan":
    from garra.serve.api.listening import check_exposed
    from garra.serve.api.run import Plan, overriding

    keys = options["api_keys"] or (app.env.get("VLLM_API_KEY", ""),)
    api_keys = tuple(key for key in keys if key)
    check_exposed(options["host"], api_keys)
    generation = overriding(options["override"]) if options["override"] else {}
    taken = ("log_level", "quiet", "api_keys", "override")
    rest = {name: value for name, value in options.items() if name not in taken}
    return Plan(cache=app.paths.models_cache, api_keys=api_keys, generation=generation, **rest)


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


class _Terminal:
    """Tells the person: progress to standard error, what is served to standard output."""

    def __init__(self, *, quiet: bool) -> None:
        from garra.serve.weights.progress import ConsoleProgress

        self._quiet = quiet
        self._progress = ConsoleProgress()

    def say(self, line: str) -> None:
        """One sentence on what is being done."""
        if not self._quiet:
            self._progress.say(line)

    def advance(self, label: str, done: int, total: int) -> None:
        """A bar on a terminal; elsewhere a line for each tenth."""
        self._progress.advance(label, done, total)

    def ready(self, loaded: "Loaded") -> None:
        """What is served, where, and the command to try it."""
        if self._quiet:
            return
        info, settings = loaded.engine.info, loaded.settings
        click.echo(
            f"{settings.names[0]} on {info.name} {info.version}: a window of {info.max_model_len:,} tokens, "
            f"{info.kv_tokens:,} in the cache, {info.max_num_seqs} replies at a time\n"
            f"Listening on {loaded.url}/v1 (process {os.getpid()}; Ctrl-C stops it). Try it:\n"
            f"  {_try_it(loaded)}"
        )
        sys.stdout.flush()


def _try_it(loaded: "Loaded") -> str:
    key = ' -H "Authorization: Bearer $VLLM_API_KEY"' if loaded.settings.api_keys else ""
    body = f'{{"model": "{loaded.settings.names[0]}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'
    return f"curl {loaded.url}/v1/chat/completions{key} -H 'Content-Type: application/json' -d '{body}'"
