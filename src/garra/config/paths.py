"""Where everything is kept, and how private files are written.

The environment is only read from the mapping that is handed in. Nothing is created before something is written.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from garra.errors import ConfigError, UsageFault


class Paths(msgspec.Struct, frozen=True):
    """The files and folders of one home."""

    home: Path
    config_file: Path
    models_cache: Path

    @property
    def state(self) -> Path:
        """The folder of what is remembered."""
        return self.home

    @property
    def sessions_db(self) -> Path:
        """The store of conversations."""
        return self.home / "sessions.sqlite"

    @property
    def auth_file(self) -> Path:
        """Keys of model servers."""
        return self.home / "auth.json"

    @property
    def catalogue_file(self) -> Path:
        """What the model servers last said they serve."""
        return self.home / "cache" / "catalogue.json"

    @property
    def approvals_file(self) -> Path:
        """What was allowed for always."""
        return self.home / "approvals.json"

    @property
    def history_file(self) -> Path:
        """What was typed in the chat."""
        return self.home / "history"

    @property
    def default_workspace(self) -> Path:
        """The working folder where none is configured."""
        return self.home / "workspace"


def resolve_paths(env: Mapping[str, str], *, config_file: str | None = None, profile: str | None = None) -> Paths:
    """Where everything is: the flags first, then `GARRA_HOME`, `GARRA_CONFIG`, `GARRA_CACHE`, then the defaults."""
    home = expand(_set(env, "GARRA_HOME") or "~/.garra", env)
    if profile is not None:
        home = home.with_name(f"{home.name}-{_profile_name(profile)}")
    chosen = config_file or _set(env, "GARRA_CONFIG")
    file = expand(chosen, env) if chosen else home / "garra.json"
    return Paths(home, file, _models_cache(env))


def _models_cache(env: Mapping[str, str]) -> Path:
    own = _set(env, "GARRA_CACHE")
    if own:
        return expand(own, env)
    shared = _set(env, "XDG_CACHE_HOME")
    return (expand(shared, env) if shared else expand("~/.cache", env)) / "garra"


def _set(env: Mapping[str, str], name: str) -> str | None:
    """The variable's value; one that is empty counts as not set."""
    return env.get(name, "").strip() or None


def _profile_name(profile: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", profile):
        raise UsageFault(f"--profile {profile!r}: a profile's name is made of letters, digits, _ and -")
    return profile


def expand(text: str, env: Mapping[str, str]) -> Path:
    """An absolute path; a leading `~` is the home folder that the environment names."""
    user_home = _set(env, "HOME")
    if user_home and (text == "~" or text.startswith("~/")):
        text = user_home + text[1:]
    return Path.cwd() / Path(text).expanduser()


def private_folder(path: Path) -> Path:
    """Make the folder, for its owner only; one that is already there is closed to others too."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"cannot use the folder {path}: {error.strerror}") from error
    return path


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step, for its owner only, in a folder for its owner only."""
    private_folder(path.parent)
    replace_file(path, data)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step, for its owner only: whoever reads sees the old or the new one, whole.

    A symbolic link stays one: what it leads to is replaced.
    """
    path = path.resolve()
    fresh = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """One process at a time changes what is in the folder, so that no change is lost."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
