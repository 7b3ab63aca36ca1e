"""No isolation at all, for machines that offer none and users who say they want that: `--sandbox none`.

Commands see the host's files and network and run as the user. Workspaces are copies in a temporary folder; time,
memory, processes and output are bounded as elsewhere, and descendants are killed as far as they can be found.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.namespaces import environment
from worktrial.sandboxes.process import Bounds, run_process, run_trusted
from worktrial.sandboxes.protocol import Command, Finished, Workspace
from worktrial.store.files import writing


class Unconfined:
    """Plain folders and plain processes."""

    tier = "none"

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Copy `layers` into a fresh folder. Raises `StorageError`."""
        with writing(Path(tempfile.gettempdir())):
            folder = Path(tempfile.mkdtemp(prefix="worktrial-"))
        try:
            with writing(folder):
                for name in ("files", "home", "tmp"):
                    (folder / name).mkdir()
                for layer in reversed(layers):
                    await asyncio.to_thread(_lay_over, layer, folder / "files")
        except BaseException:
            await asyncio.to_thread(_remove, folder)
            raise
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
        name, value = "WORKTRIAL_COMMAND", uuid.uuid4().hex
        return await run_process(
            # By way of a shell, so that a program that is not there is an exit code here as it is elsewhere.
            ["/bin/sh", "-c", 'exec "$@"', "sh", *command.argv],
            env=env | {name: value},
            marker=f"{name}={value}",
            cwd=self.root,
            bounds=Bounds(command.timeout_s, limits.memory_mib, limits.processes, limits.output_mib),
            stdin=command.stdin,
            report=command.report,
        )

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program on the folder."""
        here = str(self.root)
        return await run_trusted(
            [part.replace("{workspace}", here) for part in argv],
            env={key: value.replace("{workspace}", here) for key, value in env.items()},
            data=data,
            name=argv[0],
        )

    async def close(self) -> None:
        """Remove the folder, read-only parts of it too."""
        await asyncio.to_thread(_remove, self._folder)


def _lay_over(layer: Path, files: Path) -> None:
    """Copy a layer over what is in `files`: never through a link that is there, nor into a file."""
    for parent, folders, names in os.walk(layer):
        here = files / Path(parent).relative_to(layer)
        here.chmod(here.stat().st_mode | stat.S_IRWXU)
        for name in [*folders, *names]:
            below = here / name
            if below.is_symlink() or below.is_file():
                below.unlink()
            elif below.is_dir() and (name in names or Path(parent, name).is_symlink()):
                shutil.rmtree(below)
            if name in folders and not Path(parent, name).is_symlink():
                below.mkdir(exist_ok=True)
            else:
                shutil.copy2(Path(parent, name), below, follow_symlinks=False)
    for parent, _, _ in os.walk(layer, topdown=False):
        shutil.copystat(parent, files / Path(parent).relative_to(layer))


def _remove(folder: Path) -> None:
    """Remove a folder, what the user may not read or write included; one that is gone already is no failure."""
    folders = [folder] if folder.exists() else []
    for parent in folders:
        parent.chmod(stat.S_IRWXU)
        with os.scandir(parent) as entries:
            folders += [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    shutil.rmtree(folder, ignore_errors=True)
