"""Running scripts of ours inside a sandbox: by our own Python where that works there, else by one of the sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

from worktrial.sandboxes import packages
from worktrial.sandboxes.protocol import Mount

_FOLDER = Path(__file__).with_name("inside")
_START = (
    'for python in "$0" python3 python /usr/bin/python3; do "$python" -I -S -c "" 2>/dev/null && '
    'exec "$python" -I -S -B "$@"; done; echo "worktrial: could not start: there is no python3 inside" >&2; exit 127'
)


def inside(script: str, *args: str) -> tuple[str, ...]:
    """Return the command line that runs a script of ours inside.

    Its interpreter is the one that runs us, not that of a virtual environment: nothing of the workspace and no variable
    can put another module in the place of one it imports.
    """
    path = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    python = str(path if path.exists() else "/usr/bin/python3")
    return ("/bin/sh", "-c", _START, python, str(_FOLDER / script), *args)


def inside_mounts() -> tuple[Mount, ...]:
    """Return what of the host that command line needs to see."""
    return (Mount(_FOLDER), *packages.installation(Path(sys.base_prefix).resolve()))
