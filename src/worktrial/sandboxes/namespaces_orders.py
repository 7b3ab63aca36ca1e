"""What the parts of the namespaces engine are told: the job of a cell, and what a command starts with."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import packages
from worktrial.sandboxes.inside import messages, root
from worktrial.sandboxes.namespaces_warm import SOURCE
from worktrial.sandboxes.process import REPORT_FD, not_started
from worktrial.sandboxes.protocol import Command, Mount

_REPORT_AT = 3
_OF_WORKSPACE = tuple(f"{path}/" for path in (root.WORKSPACE, root.TMP, root.HOME))


def job_of(command: Command, limits: TrialLimits, action: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the job that has a cell begin with a command, or with an action of our own."""
    mounts = [shown for mount in _mounts(command) for shown in _shown(mount)]
    if command.network and os.path.exists("/etc/resolv.conf"):  # noqa: PTH110
        source = os.path.realpath("/etc/resolv.conf")
        mounts.append({"source": source, "path": "/etc/resolv.conf", "writable": False})
    env = environment(root.HOME) | dict(command.env)
    if command.report:
        env[REPORT_FD] = str(_REPORT_AT)
    return {
        "action": "exec",
        "argv": list(command.argv),
        "env": env,
        "view": {
            "mounts": mounts,
            "read_only": list(command.read_only),
            # One more than there may be, so that too many can be seen.
            "limits": {"processes": limits.processes + 1, "open_files": limits.open_files, "cpu_s": limits.cpu_s},
        },
        "groups": 0,
        **(action or {}),
    }


def _mounts(command: Command) -> tuple[Mount, ...]:
    return (*map(Mount, packages.of_system()), *command.mounts) if command.network else command.mounts


def _shown(mount: Mount) -> Iterator[dict[str, Any]]:
    """Yield a mount as the spawner takes it, and what covers the parts of it that are not to be seen."""
    yield {"source": str(mount.path), "path": str(mount.path), "writable": mount.writable}
    for path in mount.without:
        yield {"source": "", "path": str(path), "writable": False}


def inside_workspace(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return those mounts of a view that lie in what belongs to one workspace, and leave a folder there."""
    return [mount for mount in view["mounts"] if mount["path"].startswith(_OF_WORKSPACE)]


def open_order(
    layers: Sequence[Path], disk_mib: int, *, cell: bool, ahead: bool = False, view: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the order for a workspace, with a `cell` for its first command or without.

    `ahead` says that nobody waits for it, `view` what that command is going to see besides, if that is known already.
    """
    named = [str(layer) for layer in layers]
    return {"order": "open", "layers": named, "disk_mib": disk_mib, "cell": cell, "ahead": ahead, "view": view}


def zygote_job(command: Command) -> dict[str, Any]:
    """Return the job of an interpreter to keep warm.

    No worker may have more of anything than its zygote, so that has plenty.
    """
    job = job_of(command, TrialLimits())
    job["view"]["limits"] = {"processes": 1 << 16, "open_files": 1 << 20, "cpu_s": 10_000_000}
    folder = Path(messages.__file__).parent
    shown = {"source": str(folder), "path": f"{SOURCE}/worktrial/sandboxes/inside", "writable": False}
    job["view"]["mounts"].append(shown)
    return job


def environment(home: str) -> dict[str, str]:
    """Return the variables every sandboxed command starts with: none of the host's."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "agent",
        "LOGNAME": "agent",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
    }


def check(command: Command) -> None:
    """Refuse what no program can be given. Raises `SandboxError`."""
    given = (*command.argv, *command.env, *command.env.values())
    try:
        together = os.fsencode("\0".join(given))
    except UnicodeEncodeError as error:
        raise not_started(list(command.argv), error) from error
    if together.count(b"\0") != len(given) - 1:
        raise not_started(list(command.argv), ValueError("embedded null byte"))


def to_hand_over(mounts: Iterable[Mount]) -> list[Path]:
    """Return what of `mounts` has to become the sandbox's user's, who is given it to write.

    Raises `SandboxError` for what is not there.
    """
    try:
        return [mount.path for mount in mounts if mount.writable or stat.S_ISSOCK(mount.path.stat().st_mode)]
    except FileNotFoundError as error:
        raise SandboxError("could not show a command what it is to see", cause=str(error)) from error
