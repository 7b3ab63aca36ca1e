"""A workspace of the docker and podman tiers.

Its files are in three volumes in memory, of limited size: the workspace, the home and the temporary folder. A *holder*,
a container without network that runs nothing but our own program, keeps them mounted, lays the layers down in them and
tells what differs. Every command gets a container of its own with the same volumes, so that nothing outlives it. All of
them end when their standard input does, and so also when we are killed; the volumes have no name and go with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.inside.root import HOME
from worktrial.sandboxes.namespaces_orders import environment
from worktrial.sandboxes.namespaces_workspace import ROOT
from worktrial.sandboxes.oci.contained import KEPT_REPORT, Attached, Contained
from worktrial.sandboxes.oci.hosting import run_on_files
from worktrial.sandboxes.oci.machine import HOLDER, RUNNER, Machine, Shown, shown_by
from worktrial.sandboxes.oci.sleeping import ContainersSleeper
from worktrial.sandboxes.owner import disown
from worktrial.sandboxes.protocol import Change, Command, Finished, Process, Workspace
from worktrial.sandboxes.standby import Standby
from worktrial.store.files import writing

_FOLDERS = (str(ROOT), HOME, "/tmp")  # noqa: S108 - inside
_LONGEST = 131072
"""Bytes of one argument that Linux takes (MAX_ARG_STRLEN); gVisor takes more, and is not to differ."""
_OWN_MIB = 16
"""What our program inside may take beside the command."""
_GVISOR_MIB = 256
"""What gVisor's own kernel may take beside it; it counts in the same cgroup."""


@dataclass(frozen=True)
class Wanted:
    """What a workspace is to be."""

    machine: Machine
    tier: str
    layers: tuple[Path, ...]
    limits: TrialLimits
    standby: Standby


async def open_workspace(wanted: Wanted, forked: ContainedWorkspace | None = None) -> ContainedWorkspace:
    """Return a workspace over its layers, with the files of another one when it is forked. Raises `SandboxError`."""
    machine, layers, limits = wanted.machine, wanted.layers, wanted.limits
    shown = {f"/layers/{number}": Shown(str(layer)) for number, layer in enumerate(layers)}
    inodes = max(16384, limits.disk_mib * 256)
    tmpfs = ("volume-opt=type=tmpfs", "volume-opt=device=tmpfs",
             f"volume-opt=o=size={limits.disk_mib}m,nr_inodes={inodes},nosuid,nodev")  # fmt: skip
    shown |= {folder: Shown("", writable=True, kind="volume", options=tmpfs) for folder in _FOLDERS}
    if forked is not None:
        shown |= {f"/from{folder}": Shown(name, kind="volume") for folder, (name, _) in forked.volumes.items()}
    spec = {"mode": "hold", "layers": len(layers), "folders": _FOLDERS, "forked": forked is not None}
    spec |= {"uid": machine.agent, "gid": machine.agent}
    try:
        holder = await machine.ours().run(f"worktrial-{uuid.uuid4().hex}", HOLDER, spec, shown)
    except ValueError as error:
        raise SandboxError("could not open a workspace", cause=str(error)) from error
    try:
        await holder.answer()
        volumes = await _volumes(machine, holder.name)
    except BaseException as error:
        await holder.remove()
        if isinstance(error, SandboxError):
            raise SandboxError("could not open a workspace", cause=error.cause, hint=error.hint) from error
        raise
    return ContainedWorkspace(wanted, holder, volumes)


async def _volumes(machine: Machine, name: str) -> dict[str, tuple[str, Path]]:
    """Return for each folder the volume that holds it, and where that lies on the machine of the daemon."""
    told = await machine.client.call("inspect", "--format", "{{json .Mounts}}", name)
    found = {mount["Destination"]: (mount.get("Name", ""), Path(mount["Source"])) for mount in json.loads(told)}
    return {folder: found[folder] for folder in _FOLDERS}


class ContainedWorkspace:
    """A workspace whose files are in volumes and whose commands run in containers."""

    root = ROOT

    def __init__(self, wanted: Wanted, holder: Attached, volumes: dict[str, tuple[str, Path]]) -> None:
        self.tier = wanted.tier
        self.volumes = volumes
        """For each folder the name of its volume, and where that lies on the daemon's machine."""
        self._wanted = wanted
        self._machine = wanted.machine
        self._layers = wanted.layers
        self._limits = wanted.limits
        self._holder = holder
        self._asking = asyncio.Lock()
        self._owner = wanted.machine.agent
        self._processes: dict[str, Contained] = {}
        self._still_for = 0
        self._sleeper = ContainersSleeper(wanted.machine.client, wanted.machine.means)
        self._watch = wanted.standby.watch(self._sleeper, wanted.limits.standby_s)

    # -- commands --

    async def run(self, command: Command) -> Finished:
        """Run a command in a container of its own."""
        async with self._watch.call():
            running = await self._launch(command, apart=False)
            try:
                await running.feed(command.stdin)
                return await running.result()
            except BaseException:
                await running.kill()
                raise
            finally:
                self._processes.pop(running.name, None)

    async def start(self, command: Command) -> Process:
        """Start a command that goes on while others run."""
        async with self._watch.call():
            running = await self._launch(command, apart=True)
            try:
                await running.started()
                await self._sleeper.add(running.name)
                running.when_ended(lambda: self._sleeper.discard(running.name))
                if command.stdin:
                    await running.send(command.stdin)
            except BaseException:
                await running.kill()
                self._processes.pop(running.name, None)
                raise
            return running

    async def _launch(self, command: Command, *, apart: bool) -> Contained:
        what = command.argv[0]
        try:
            for part in (*command.argv, *command.env.keys(), *command.env.values()):
                if b"\0" in (encoded := os.fsencode(part)):
                    raise SandboxError(f"could not start {what}", cause="an argument or variable holds a NUL")
                if len(encoded) >= _LONGEST:
                    raise SandboxError(f"could not start {what}", cause="Argument list too long")
        except UnicodeEncodeError as error:
            raise SandboxError(f"could not start {what}", cause=str(error)) from error
        for name in [name for name, process in self._processes.items() if process.has_ended]:
            del self._processes[name]
        owner = self._machine.us if any(mount.writable for mount in command.mounts) else self._machine.agent
        if owner != self._owner:
            await self._ask({"do": "own", "uid": owner, "gid": owner, "folders": _FOLDERS})
            self._owner = owner
        if not command.read_only:
            return await self._contain(command, owner, {}, apart=apart)
        async with self._still():  # or a path could become a link between our looking and the mounting
            running = await self._contain(command, owner, await self._read_only(command.read_only), apart=apart)
            await running.started()
            return running

    async def _contain(self, command: Command, owner: int, held: dict[str, Shown], *, apart: bool) -> Contained:
        shown = shown_by(command.mounts)
        shown |= {folder: Shown(name, writable=True, kind="volume") for folder, (name, _) in self.volumes.items()}
        if command.network and self._machine.own_root:
            resolver = os.path.realpath("/etc/resolv.conf")
            shown |= {"/etc/resolv.conf": Shown(resolver)} if Path(resolver).exists() else {}
        disown(mount.path for mount in command.mounts if mount.writable)
        spec = self._spec(command, owner, apart=apart)
        name = f"worktrial-{uuid.uuid4().hex}"
        options = self._options()
        attached = await self._machine.run(name, RUNNER, spec, shown | held, *options,
                                           open_files=self._limits.open_files, network=command.network)  # fmt: skip
        self._processes[name] = Contained(attached, spec, self._watch)
        return self._processes[name]

    def _spec(self, command: Command, owner: int, *, apart: bool) -> dict[str, Any]:
        limits = self._limits
        return {
            "mode": "run",
            "argv": command.argv,
            "env": environment(HOME) | dict(command.env),
            "uid": owner,
            "gid": owner,
            "cwd": str(ROOT),
            "timeout_s": command.timeout_s,
            "memory_bytes": limits.memory_mib * 1024 * 1024,
            "processes": limits.processes,
            "cpu_s": limits.cpu_s,
            "output_bytes": limits.output_mib * 1024 * 1024,
            "report": command.report,
            "report_bytes": KEPT_REPORT,
            "apart": apart,
            "bounded": _FOLDERS,
        }

    def _options(self) -> list[str]:
        limits, client = self._limits, self._machine.client
        options = ["--shm-size", f"{limits.disk_mib}m"]
        if client.cgroups:
            memory = limits.memory_mib + (_GVISOR_MIB if client.is_gvisor else _OWN_MIB)
            # gVisor has threads of its own on the host, and counts the command's processes itself.
            pids = limits.processes * 8 + 512 if client.is_gvisor else limits.processes + 8
            options += ["--memory", f"{memory}m", "--memory-swap", f"{memory}m", "--pids-limit", str(pids)]
        return options

    async def _read_only(self, paths: Iterable[str]) -> dict[str, Shown]:
        """Return the mounts that hold files still: each file read-only, and every folder above it, which could be
        moved away with the file in it otherwise, as a mount of itself. What is no file or behind a link is passed
        over: a link would lead to a file of the daemon's machine.
        """
        asked = list(dict.fromkeys(paths))
        plain = json.loads(await self._ask({"do": "plain", "paths": asked}))
        names = [name for name, is_plain in zip(asked, plain, strict=True) if is_plain]
        files = self.volumes[str(ROOT)][1]
        folders = {str(parent) for name in names for parent in Path(name).parents if str(parent) != "."}
        shown = {str(ROOT / folder): Shown(str(files / folder), writable=True) for folder in folders}
        return shown | {str(ROOT / name): Shown(str(files / name)) for name in names}

    # -- files --

    async def read(self, path: str) -> bytes:
        """Return a file's content, as the command's user sees it."""
        most = self._limits.output_mib * 1024 * 1024
        async with self._watch.call():
            return await self._ask({"do": "read", "path": path, "most": most}, failing=f"could not read {path}")

    async def write(self, path: str, data: bytes) -> None:
        """Write a file as the command's user."""
        async with self._watch.call():
            await self._ask({"do": "write", "path": path}, data, failing=f"could not write {path}")

    async def changes(self) -> tuple[Change, ...]:
        """Return what differs from the layers, by content."""
        async with self._watch.call():
            told = await self._ask({"do": "changes"}, failing="could not tell what has changed")
            return tuple(Change(path, kind) for path, kind in json.loads(told))

    async def snapshot(self, folder: Path) -> Path:
        """Write what differs from the layers to `folder`."""
        with writing(folder):
            folder.mkdir(parents=True)
        us = self._machine.us
        spec = {"mode": "snapshot", "layers": len(self._layers), "uid": us, "gid": us and os.getgid()}
        shown = {f"/layers/{number}": Shown(str(layer)) for number, layer in enumerate(self._layers)}
        shown |= {
            str(ROOT): Shown(self.volumes[str(ROOT)][0], kind="volume"),
            "/out": Shown(str(folder), writable=True),
        }
        async with self._watch.call(), self._still():
            writer = await self._machine.ours().run(f"worktrial-{uuid.uuid4().hex}", HOLDER, spec, shown)
            try:
                await writer.answer()
            except BaseException:
                await writer.remove()
                raise
            await writer.leave()
        return folder

    async def fork(self) -> Workspace:
        """Return a workspace with the same files."""
        async with self._watch.call(), self._still():
            return await open_workspace(self._wanted, forked=self)

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program of ours on the workspace's files."""
        async with self._watch.call():
            try:
                return await run_on_files(self._machine, self.volumes[str(ROOT)], argv, env=env, data=data)
            finally:
                if self._machine.us != self._owner:  # what it wrote is ours, and must be the command's
                    owner = {"uid": self._owner, "gid": self._owner, "folders": [str(ROOT)]}
                    await asyncio.shield(self._ask({"do": "own", **owner}))

    async def _ask(self, what: dict[str, Any], data: bytes | None = None, failing: str = "a workspace failed") -> bytes:
        async with self._asking:
            try:
                return await self._holder.ask(what, data)
            except SandboxError as error:
                raise SandboxError(failing, cause=error.cause) from error

    # -- standby and end --

    async def standby(self) -> None:
        """Freeze what runs and hand its memory back."""
        await self._watch.standby()

    async def resume(self) -> None:
        """Let it go on."""
        await self._watch.resume()

    @property
    def is_frozen(self) -> bool:
        """Whether it is in standby."""
        return self._watch.asleep

    async def close(self) -> None:
        """Kill what runs and drop the files."""
        await self._watch.close()
        await self._sleeper.thaw()  # not every version of the tools ends what is frozen
        await asyncio.gather(*(process.kill() for process in self._processes.values()))
        await self._holder.leave()

    @contextlib.asynccontextmanager
    async def _still(self) -> AsyncIterator[None]:
        """Freeze what runs for as long as this lasts, so that files stay as they are. Must be within a call."""
        self._still_for += 1
        try:
            await self._sleeper.freeze()
            yield
        finally:
            self._still_for -= 1
            if not self._still_for:
                await asyncio.shield(self._sleeper.thaw())
