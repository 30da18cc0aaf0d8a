"""What the benchmarks of prompts share: a person's home that points at a server, and one turn in it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

GARRA = str(Path(sys.executable).parent / "garra")


def configure(home: Path, base_url: str, **params: Any) -> None:
    """A configuration as a person would have it: an explicit provider, its models found out."""
    folder = home / ".garra"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = {
        "agents": {"defaults": {"params": params}},
        "models": {"providers": {"vllm": {"baseUrl": base_url, "apiKey": "local", "models": []}}},
    }
    file = folder / "garra.json"
    file.write_text(json.dumps(config, indent=2))
    file.chmod(0o600)


async def turn(home: Path, *args: str, command: str = GARRA) -> str:
    """One turn in a process of its own, and what it printed. A failure ends the benchmark."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(command, *args, env=env, stdout=pipe, stderr=pipe)
    out, errors = await process.communicate()
    if process.returncode:
        sys.exit(f"{command} {' '.join(args)} failed ({process.returncode}): {(out + errors).decode()[-2000:]}")
    return out.decode()
