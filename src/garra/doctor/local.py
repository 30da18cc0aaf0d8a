"""The checks that ask no server: the configuration, who may read what, the command and the engine.

Reads only. The engine is not imported, only looked for.
"""

import os
import shutil
import stat
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from garra.config.load import Configuration, load_configuration
from garra.config.paths import Paths
from garra.config.report import Report, report
from garra.doctor.finding import Finding, broken, command, hint, ok, quote
from garra.errors import ConfigError

ENGINE_PARTS = ("openvino_genai", "starlette", "uvicorn", "tokenizers", "jinja2", "gguf")
_OTHERS = 0o077
_KEPT = ("auth.json", ".env", "garra.json", "sessions.sqlite", "approvals.json", "history")


def read_configuration(paths: Paths, env: Mapping[str, str]) -> tuple[Finding, Configuration | None]:
    """Whether the configuration can be used, and the configuration."""
    found = report(paths, env)
    if not found.valid:
        return _invalid(found, paths), None
    try:
        configuration = load_configuration(paths, env)
    except ConfigError as error:
        return broken("configuration", str(error), "", f"ls -l {quote(paths.config_file)}"), None
    return _readable(found, paths), configuration


def _invalid(found: Report, paths: Paths) -> Finding:
    faults = [fault for fault in found.issues if fault.path]
    place = found.issues[0].place.rpartition(":")[2]
    line = f" +{place}" if place.isdigit() else ""
    mend = [f"${{EDITOR:-vi}}{line} {quote(paths.config_file)}", command(paths, "config", "validate")]
    if len(found.issues) == len(faults) == 1:
        mend.insert(0, command(paths, "config", "unset", faults[0].path))
    said = "\n".join(str(issue).removeprefix(f"{paths.config_file}: ") for issue in found.issues)
    return broken("configuration", f"{found.file} cannot be used", said, *mend)


def _readable(found: Report, paths: Paths) -> Finding:
    head = f"{found.file} is valid" if found.exists else f"there is no {found.file}; the defaults are used"
    wanted = dict.fromkeys(name for _, name in found.missing)
    if wanted:
        places = ", ".join(f"{path} wants {name}" for path, name in found.missing)
        exports = [f"export {name}=…" for name in wanted]
        return hint("configuration", f"{head}, but {places}, which is not set", "Only what needs it fails.", *exports)
    if found.warnings:
        means = "These keys are kept, and do nothing in this version. Nothing needs to be done."
        return hint("configuration", "; ".join(found.warnings), means, command(paths, "config", "validate"))
    return ok("configuration", head)


def permissions(paths: Paths) -> Finding:
    """Whether nobody else can read what is kept: the folder 0700, the files in it 0600."""
    home = paths.home
    try:
        if not home.exists():
            return ok("permissions", f"there is no {home} yet; it is made for its owner only")
        shut = not home.stat().st_mode & _OTHERS
        loose = [file for file in _files(home) if file.stat().st_mode & _OTHERS]
    except OSError as error:
        return broken("permissions", f"{error.filename}: {error.strerror}", "", f"ls -la {quote(home)}")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        means = "Nothing can be kept there."
        return broken("permissions", f"{home} cannot be written", means, f'sudo chown -R "$(id -un)" {quote(home)}')
    if shut and not loose:
        return ok("permissions", f"{home} and the files in it are closed to others")
    return _open(home, shut, loose)


def _open(home: Path, shut: bool, loose: list[Path]) -> Finding:
    mend = [] if shut else [f"chmod 700 {quote(home)}"]
    if loose:
        mend.append(f"chmod 600 {' '.join(quote(file) for file in loose)}")
    modes = [f"{path.name} {stat.S_IMODE(path.stat().st_mode):04o}" for path in ([] if shut else [home]) + loose]
    seen = f"open to others: {', '.join(modes)}"
    if loose and not shut:
        return broken("permissions", seen, "Other users of this machine can read keys or conversations.", *mend)
    return hint("permissions", seen, "Others cannot read what is inside, but one slip more and they could.", *mend)


def _files(home: Path) -> list[Path]:
    names = [*_KEPT, "sessions.sqlite-wal", "sessions.sqlite-shm"]
    return [home / name for name in names if (home / name).is_file()]


def engine() -> Finding:
    """Whether `garra serve` could run here. A client of another server does not need it."""
    missing = [name for name in ENGINE_PARTS if find_spec(name) is None]
    if not missing:
        return ok("engine", "the parts of `garra serve` are installed")
    means = "Only for `garra serve` and `garra up` without a server; another server is used without them."
    return hint(
        "engine", f"not installed: {', '.join(missing)}", means, f"{sys.executable} -m pip install 'garra[serve]'"
    )


def on_path(env: Mapping[str, str]) -> Finding:
    """Whether typing `garra` runs this Garra."""
    own = Path(sys.executable).parent
    found = shutil.which("garra", path=env.get("PATH", os.defpath))
    mend = f'export PATH={quote(own)}:"$PATH"'
    if found is None:
        return hint("command", "`garra` is not on the PATH", f"It is {own / 'garra'}.", mend)
    if Path(found).resolve().parent != (own / "garra").resolve().parent:
        return hint("command", f"`garra` is {found}, not the one that runs now", f"This one is {own / 'garra'}.", mend)
    return ok("command", f"`garra` is {found}")
