"""No isolation at all, for machines that offer none and users who say they want that: `--sandbox none`.

Commands see the host's files and network and run as the user. Workspaces are copies in a temporary folder; time,
memory, processes, disk and output are bounded as elsewhere, and descendants are killed as far as they can be found.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import pageout
from worktrial.sandboxes.folder import Folder, Like, make
from worktrial.sandboxes.owner import disown
from worktrial.sandboxes.plain import Kind, Launch, open_plain
from worktrial.sandboxes.protocol import Command, Workspace
from worktrial.sandboxes.standby import Standby


class Unconfined:
    """Plain folders and plain processes."""

    tier = "none"
    detail = "no isolation: files, network and processes of the host are in reach"

    def __init__(self) -> None:
        self._kind = Kind(self.tier, _make, _launch, Standby(), pageout.probe(groups=False)[0])

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Copy `layers` into a fresh folder. Raises `SandboxError` and `StorageError`."""
        return await open_plain(self._kind, layers, limits)


def _make(layers: tuple[Path, ...], like: Like | None) -> tuple[Folder, Callable[[], None]]:
    return make(layers, None, like), lambda: None


def _launch(_: Folder, limits: TrialLimits, command: Command, env: dict[str, str]) -> Launch:
    """Start by way of a shell, so that a program that is not there is an exit code here as it is elsewhere.

    Mounts and network are ignored, as the host's are all there.
    """
    disown(mount.path for mount in command.mounts if mount.writable)
    cpu_s = max(1, math.ceil(limits.cpu_s))
    blocks = (limits.disk_mib + 1) * 2048  # of 512 bytes; so that one file fills the disk between two looks at it
    script = f'ulimit -c 0; ulimit -f {blocks}; ulimit -Sn {limits.open_files}; ulimit -St {cpu_s}; exec "$@"'
    return Launch(["/bin/sh", "-c", script, "sh", *command.argv], env, reaper=False)
