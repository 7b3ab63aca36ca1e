"""A project's own checks as tools: over the Model Context Protocol for any agent, built in for ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from worktrial.languages.protocol import Checks
from worktrial.sandboxes import packages
from worktrial.sandboxes.protocol import Mount

NAME = "verify"
"""What the server is called in an agent's settings."""
_SERVER = Path(__file__).with_name("inside") / "server.py"


def server_command(checks: Checks, interpreter: Path | None = None) -> tuple[tuple[str, ...], tuple[Mount, ...]]:
    """Return the program of the server and what of the host it has to see.

    It speaks MCP on standard input and output and runs the checks in its working folder, with the variables it was
    started with. `interpreter` is any Python from 3.8 on; None: the one we run on.
    """
    mounts = [Mount(_SERVER), *map(Mount, checks.mounts)]
    if interpreter is None:
        interpreter = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
        mounts += packages.installation(Path(sys.base_prefix))
    programs = {
        name: list(argv)
        for name in ("test", "diagnostics", "lint", "format", "build")
        if (argv := getattr(checks, name))
    }
    return (str(interpreter), "-I", "-S", "-B", str(_SERVER), json.dumps(programs)), tuple(mounts)
