"""What every subcommand is handed: the environment, the flags that stand before it, and what is made from them."""

from collections.abc import Coroutine, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from garra.errors import GarraError

if TYPE_CHECKING:
    from garra.config.load import Configuration
    from garra.config.paths import Paths

T = TypeVar("T")


class Terminated(GarraError):
    """SIGTERM came; what was under way is kept. The exit code is the shell's own for it."""

    exit_code = 143

    def __init__(self) -> None:
        super().__init__("ended by SIGTERM; what had arrived is kept")


class App:
    """The command line's state. Nothing is read before it is asked for."""

    def __init__(self, env: Mapping[str, str], *, config_file: str | None = None, profile: str | None = None) -> None:
        self.env = env
        self.config_file = config_file
        self.profile = profile

    @cached_property
    def paths(self) -> "Paths":
        """Where everything is kept."""
        from garra.config.paths import resolve_paths

        return resolve_paths(self.env, config_file=self.config_file, profile=self.profile)

    @cached_property
    def configuration(self) -> "Configuration":
        """What the person configured; its warnings are printed once, to standard error."""
        from garra.config.load import load_configuration

        configuration = load_configuration(self.paths, self.env)
        for warning in configuration.warnings:
            click.echo(f"warning: {warning}", err=True)
        return configuration

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine to its end on a new event loop. SIGTERM cancels it, so that what it holds is kept; where
        it is cancelled without one, the person did it."""
        import asyncio
        import signal
        import threading

        terminated = False

        async def cancellable() -> T:
            task = asyncio.current_task()
            assert task is not None

            def terminate() -> None:
                nonlocal terminated
                terminated = True
                task.cancel()

            if threading.current_thread() is threading.main_thread():  # no other one may handle signals
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
            return await work

        try:
            return asyncio.run(cancellable())
        except asyncio.CancelledError:
            raise (Terminated() if terminated else KeyboardInterrupt()) from None


pass_app = click.make_pass_decorator(App)
