"""No isolation at all, for machines that offer none and users who say they want that: `--sandbox none`.

Commands see the host's files and network and run as the user. Workspaces are copies in a temporary folder; time,
memory, processes and output are bounded as elsewhere, and descendants are killed as far as they can be found.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from worktrial.errors import InfrastructureError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.namespaces import environment
from worktrial.sandboxes.process import Bounds, run_process
from worktrial.sandboxes.protocol import Command, Finished, Workspace
from worktrial.store.files import writing
from worktrial.store.git import last_line


class Unconfined:
    """Plain folders and plain processes."""

    tier = "none"

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Copy `layers` into a fresh folder. Raises `StorageError`."""
        folder = Path(tempfile.mkdtemp(prefix="worktrial-"))
        with writing(folder):
            for name in ("files", "home", "tmp"):
                (folder / name).mkdir()
            for layer in reversed(layers):
                await asyncio.to_thread(shutil.copytree, layer, folder / "files", symlinks=True, dirs_exist_ok=True)
        return _Folder(folder, limits)


class _Folder:
    """A workspace that is a folder of the host."""

    tier = Unconfined.tier

    def __init__(self, folder: Path, limits: TrialLimits) -> None:
        self._folder = folder
        self._limits = limits
        self.root = folder / "files"

    async def run(self, command: Command) -> Finished:
        """Run a command in the folder; mounts and network are ignored, as the host's are all there."""
        limits = self._limits
        env = environment(str(self._folder / "home")) | {"TMPDIR": str(self._folder / "tmp")} | dict(command.env)
        return await run_process(
            list(command.argv),
            env=env,
            cwd=self.root,
            bounds=Bounds(command.timeout_s, limits.memory_mib, limits.processes, limits.output_mib),
            stdin=command.stdin,
            report=command.report,
        )

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program on the folder."""
        here = str(self.root)
        process = await asyncio.create_subprocess_exec(
            *(part.replace("{workspace}", here) for part in argv),
            env={key: value.replace("{workspace}", here) for key, value in env.items()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate(data)
        if process.returncode:
            raise InfrastructureError(f"{argv[0]} failed on a workspace", cause=last_line(errors))
        return output

    async def close(self) -> None:
        """Remove the folder, read-only parts of it too."""
        await asyncio.to_thread(_remove, self._folder)


def _remove(folder: Path) -> None:
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
