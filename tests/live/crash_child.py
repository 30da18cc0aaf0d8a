"""The process that the crash test kills: runs tool-using turns without end, and says what was acknowledged.

Each line on standard output is an acknowledgement that a person or program would have acted on: from then on it must
survive. usage: crash_child.py CONFIG_FILE SESSION
"""

import asyncio
import os
import sys
from contextlib import aclosing

from garra.agent.events import Accepted, ToolFinished, TurnFinished
from garra.agent.loop import run_turn
from garra.cli.app import App
from garra.cli.talk import open_room


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def main(config_file: str, key: str) -> None:
    app = App(dict(os.environ), config_file=config_file)
    async with open_room(app) as room:
        toolbox = room.toolbox(key)
        number = len(await room.store.entries(key))
        tell("started")
        while True:
            number += 1
            async with aclosing(run_turn(await room.turn(key, toolbox), f"message {number}")) as events:
                async for event in events:
                    match event:
                        case Accepted():
                            tell("accepted", f"message {number}")
                        case ToolFinished(result):
                            tell("result", result.call_id)
                        case TurnFinished(text):
                            tell("finished", text)


asyncio.run(main(sys.argv[1], sys.argv[2]))
