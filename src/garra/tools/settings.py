"""The part of the configuration that the tools use, as one frozen value.

Knows nothing of files or keys in `garra.json`: `default_toolbox` fills it.
"""

from pathlib import Path

import msgspec

# They only read, and only what they are pointed at. Those that can also write with some flag have a rule of their own
# in `allowlist`.
SAFE_BINS = (
    "basename cat cmp cut date df diff dirname du echo false file grep head id ls md5sum nl printf pwd readlink "
    "realpath rev seq sha256sum sleep stat tail tr true uname uniq wc which whoami"
).split()


class ExecSettings(msgspec.Struct, frozen=True):
    """`tools.exec`. `mode` is deny, allowlist, ask, auto or full; `timeout_s` is both the default and the most."""

    mode: str = "ask"
    timeout_s: float = 1800
    safe_bins: tuple[str, ...] = tuple(SAFE_BINS)
    path_prepend: tuple[str, ...] = ()


class ToolSettings(msgspec.Struct, frozen=True):
    """`tools`, and the files that tools must treat with care.

    `approvals_file` keeps what was always allowed; None keeps nothing. `guarded` are the assistant's own files with
    keys or permissions in them, which the file tools neither read nor write.
    """

    exec: ExecSettings = ExecSettings()
    workspace_only: bool = False
    approvals_file: Path | None = None
    guarded: tuple[Path, ...] = ()
