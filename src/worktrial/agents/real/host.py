"""What this machine has to install and run agents with: Node, npm, Python, or the agent's own program on PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from worktrial.agents.real.contract import Installed, Package, RealAgent
from worktrial.errors import AgentError, EnvironmentBuildError
from worktrial.languages.python import interpreters
from worktrial.languages.python.interpreters import Interpreter
from worktrial.sandboxes import packages
from worktrial.sandboxes.protocol import Mount


def on_path(agent: RealAgent) -> Installed:
    """Return an agent that the user installed. Raises `AgentError` when its program is not on PATH."""
    found = shutil.which(agent.package.name)
    if found is None:
        raise AgentError(
            f"{agent.title} is not installed",
            cause=f"no {agent.package.name} on PATH, and no registry has it",
            hint=f"install {agent.package.name} as its own documentation says, then give the same command again",
        )
    program = Path(found).resolve()
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AgentError(f"{program} does not start", cause=str(error)) from error
    said = re.search(r"\d+\.\d+\.\d+[\w+-]*", done.stdout + done.stderr)
    return Installed(said[0] if said else "unknown", program.parent, None, outside_of_usr(Mount(program)))


def interpreter(package: Package) -> Path | None:
    """Return what an agent is installed with and run by: a Python or a node of this machine, None for a binary.

    Raises `AgentError` when there is none that fits.
    """
    if package.registry == "pip":
        return python(package).path
    return node(package) if package.node else None


def interpreter_mounts(package: Package, path: Path | None) -> tuple[Mount, ...]:
    """Return what has to be seen so that an interpreter of this machine runs."""
    if path is None:
        return ()
    if package.registry == "pip":
        return packages.installation(interpreters.base_prefix(path))
    return outside_of_usr(*packages.installation(prefix(path)))


def version_of(path: Path | None) -> str:
    """Return the version of a node or Python; empty for none."""
    if path is None:
        return ""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("v").removeprefix("Python ")


def python(package: Package) -> Interpreter:
    """Return the Python to install a package with. Raises `AgentError` when none here fits."""
    try:
        return interpreters.choose(package.python, None)
    except EnvironmentBuildError as error:
        raise AgentError(f"it needs Python {package.python}", cause=error.cause, hint=error.hint) from error


def node(package: Package) -> Path:
    """Return the node on PATH. Raises `AgentError` when there is none or it is too old."""
    found = shutil.which("node")
    if found is None:
        raise AgentError(f"it needs Node {package.node}", cause="no node on PATH", hint="install Node and npm")
    path = Path(found).resolve()
    version = version_of(path)
    if not version.split(".")[0].isdigit() or int(version.split(".")[0]) < package.node:
        raise AgentError(f"it needs Node {package.node}", cause=f"{path} is {version}", hint="install a newer Node")
    return path


def npm() -> tuple[Path, Path]:
    """Return the node and the npm script on PATH."""
    found = shutil.which("node"), shutil.which("npm")
    if found[0] is None or found[1] is None:
        raise AgentError("it is installed by npm", cause="no node and npm on PATH", hint="install Node and npm")
    return Path(found[0]).resolve(), Path(found[1]).resolve()


def npm_configuration() -> list[Path]:
    """Return the user's npm configuration file, if there is one: a registry or proxy of one's own is named there."""
    # npm reads its variables in either case.
    named = [value for name, value in os.environ.items() if name.lower() == "npm_config_userconfig" and value]
    path = Path(named[0] if named else "~/.npmrc").expanduser()
    return [path] if path.is_file() else []


def prefix(program: Path) -> Path:
    """Return what has to be seen so that a node runs: its own installation, or the file alone."""
    return program.parent.parent if program.parent.name == "bin" else program


def certificates(env: Mapping[str, str]) -> list[Mount]:
    """Return the certificates that variables name."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
    return [Mount(Path(env[name])) for name in names if name in env and Path(env[name]).exists()]


def outside_of_usr(*mounts: Mount) -> tuple[Mount, ...]:
    """Leave out what every sandbox has anyway."""
    return tuple(mount for mount in mounts if not mount.path.is_relative_to("/usr"))
