"""The first words with a model: a turn in a session of its own, begun anew each time. `up` and `onboard` share it."""

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, TextIO

import click
import msgspec

from garra.errors import GarraError

if TYPE_CHECKING:
    from garra.cli.app import App
    from garra.cli.talk import Room
    from garra.models.catalogue import Chosen

HELLO = "Say hello."
HELLO_SESSION = "hello"
HELLO_TOKENS = 100
FIRST_TOKENS = 600
"""Of the first hello on a server of which nothing is known yet: a model may think, and must not talk for ever."""


def sober(chosen: "Chosen") -> "Chosen":
    """A tiny model for its greeting: short, and the same each time, whatever it would make of it by itself."""
    limit = min(HELLO_TOKENS, chosen.max_tokens or HELLO_TOKENS)
    params = {"temperature": 0, "repetition_penalty": 1} | chosen.params
    return msgspec.structs.replace(chosen, max_tokens=limit, params=params)


def bounded(chosen: "Chosen") -> "Chosen":
    """Any model for its greeting: with an end to it, and room to think before it."""
    return msgspec.structs.replace(chosen, max_tokens=min(FIRST_TOKENS, chosen.max_tokens or FIRST_TOKENS))


async def hello(room: "Room", chosen: "Chosen", out: TextIO | None = None) -> str:
    """Have the model say hello, shown on `out` as it comes; what it said."""
    from garra.agent.events import TurnFinished
    from garra.agent.loop import run_turn
    from garra.cli.show import Printer
    from garra.sessions.keys import normalise_key

    out = out or sys.stdout
    key = normalise_key(HELLO_SESSION)
    await room.store.reset(key)
    toolbox, printer, said = room.toolbox(key), Printer(out, aside=out), ""
    click.echo(f"you> {HELLO}", file=out)
    try:
        async with aclosing(run_turn(await room.turn(key, toolbox, chosen), HELLO)) as events:
            async for event in events:
                printer.event(event)
                said = event.text if isinstance(event, TurnFinished) else said
    finally:
        printer.end()
        await toolbox.close()
    return said


async def greet(app: "App", out: TextIO | None = None) -> str:
    """The hello of the model that was just configured, in rooms of its own."""
    from garra.cli.talk import open_room

    try:
        async with open_room(app) as room:
            chosen = await room.models.choose(None)
            return await hello(room, bounded(chosen), out)
    except GarraError:
        click.echo("What was chosen is written all the same. To look closer: garra doctor", err=True)
        raise
