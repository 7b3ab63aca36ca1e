"""A workspace of the namespaces engine: commands in it, its files, changes and standby."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from worktrial.errors import InfrastructureError, SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.groups import Group
from worktrial.sandboxes.held import Holding, entrances
from worktrial.sandboxes.inside import messages, root
from worktrial.sandboxes.namespaces_orders import check, inside_workspace, job_of, open_order, to_hand_over, zygote_job
from worktrial.sandboxes.namespaces_spawner import Answers, Cell, Spawner, Waiting, first_answer
from worktrial.sandboxes.namespaces_warm import Call, Warm, call_of, host_pid
from worktrial.sandboxes.owner import hand_over
from worktrial.sandboxes.process import Bounds, Live, watch
from worktrial.sandboxes.protocol import Change, Command, Finished, Process, Workspace
from worktrial.sandboxes.standby import Awake
from worktrial.sandboxes.streams import Streams, open_streams, read_all, write_all
from worktrial.sandboxes.usage import descendants
from worktrial.store.git import last_line

ROOT = Path(root.WORKSPACE)
"""Where every workspace is, seen from inside."""
TIER = "namespaces"

_FILE_TIMEOUT_S = 60.0
_KILLED = "its sandbox was killed"


@dataclass(frozen=True)
class Engine:
    """What the workspaces of a backend share."""

    spawner: Spawner
    warm: Warm
    holding: Holding


@dataclass(frozen=True)
class Opened:
    """A workspace that the spawner has mounted, as it comes to us."""

    handle: Answers
    number: int
    group: Group | None
    """None: this machine has no control groups."""
    waiting: Waiting | None = None
    """The cell of its first command; None: it is to be asked for."""
    in_group: bool = False
    """Whether that is in the group already."""
    view: Mapping[str, Any] | None = None
    """What it has been shown besides the workspace, once and for all; None: it waits to be told."""


class Mounted:
    """A workspace that the spawner has mounted."""

    root = ROOT
    tier = TIER

    def __init__(
        self,
        engine: Engine,
        opened: Opened,
        limits: TrialLimits,
        used: Callable[[Mapping[str, Any] | None], None] = lambda _: None,
    ) -> None:
        """`used` is told in the end what the first command in a cell saw besides; None: there was no use for a cell."""
        self._engine = engine
        self._spawner = engine.spawner
        self._opened = opened
        self._limits = limits
        self._used = used
        self._waiting = opened.waiting
        self._first_view: Mapping[str, Any] | None = None
        self._running: set[Cell] = set()
        self._live: list[Live] = []
        self._held = engine.holding.hold(opened.group, limits, self._processes)

    async def run(self, command: Command) -> Finished:
        """Run a command inside, isolated."""
        async with self._held.watch.call():
            gauge = self._held.gauge()
            streams = open_streams(report=command.report)
            cell = await self._launch(command, streams)
            gauge.pid = cell.pid
            try:
                finished = await watch(cell, streams, self._bounds(command), command.stdin, gauge=gauge)
            finally:
                self._ended(cell)
        # The command could not be executed, or the cell not be furnished for it: neither is an exit code of its own.
        if "failed" in cell.said or "error" in cell.said:
            raise SandboxError(f"could not start {command.argv[0]}", cause=cell.said.get("cause") or cell.said["error"])
        if finished.exit_code and b"no space left on device" in finished.output.lower() and await self._disk_full():
            return Finished("disk_full", finished.exit_code, finished.output, finished.report, finished.wall_s)
        return finished

    async def start(self, command: Command) -> Process:
        """Start a command that goes on while others run."""
        async with self._held.watch.call():
            gauge = self._held.gauge()
            streams = open_streams(stderr=True)
            cell = await self._launch(command, streams)
            gauge.pid = cell.pid
            live = Live(cell, streams, self._bounds(command), command.stdin, gauge=gauge)
        self._live.append(live)
        return Awake(live, self._held.watch)

    async def _launch(self, command: Command, streams: Streams, action: Mapping[str, Any] | None = None) -> Cell:
        """Have a cell begin with a command, or with an action of our own; the streams are closed if it cannot."""
        job = job_of(command, self._limits, action)
        try:
            check(command)
            if given := to_hand_over(command.mounts):
                await asyncio.to_thread(lambda: [hand_over(path) for path in given])
            cell = await self._begin_warm(command, job, streams.theirs) if command.preload else None
            cell = cell or await self._begin(command, job, streams.theirs)
        except BaseException:
            streams.close()
            raise
        streams.close_theirs()
        self._running.add(cell)
        return cell

    async def _begin(self, command: Command, job: dict[str, Any], streams: Sequence[int]) -> Cell:
        """Have a cell begin with a job: that which waits for the first one, or else a new one."""
        what = f"could not start {command.argv[0]}"
        view = job["view"]
        self._first_view = self._first_view or view
        if self._waiting is not None and not command.network and self._opened.view in (None, view):
            waiting, self._waiting = self._waiting, None
            trees: list[int] = []
            try:
                if view["mounts"] and self._opened.view is None:
                    _, trees = await self._ask(what, order="trees", mounts=view["mounts"])
                if self._opened.view is not None:
                    job = {**job, "view": None}  # less to read
                cell = self._give(waiting, job, (*trees, *streams), in_group=self._opened.in_group)
            except BaseException:
                waiting.close()
                raise
            finally:
                messages.close_all(trees)
            if cell is not None:
                return cell
        order = {"network": command.network, "masked": True, "mounts": view["mounts"]}
        said, (pidfd, orders, *trees) = await self._ask(what, order="cell", workspace=self._opened.number, **order)
        try:
            cell = self._give(Waiting(said["pid"], pidfd, orders), job, (*trees, *streams))
        finally:
            messages.close_all(trees)
        if cell is None:
            raise SandboxError(what, cause=_KILLED)
        return cell

    def _give(
        self, waiting: Waiting, job: dict[str, Any], handles: Sequence[int], in_group: bool = False
    ) -> Cell | None:
        """Give a cell its job; None when it is dead."""
        if in_group:
            return waiting.begin(job, handles)
        with entrances(self._opened.group) as groups:
            return waiting.begin({**job, "groups": len(groups)}, (*handles, *groups))

    async def _begin_warm(self, command: Command, job: dict[str, Any], streams: Sequence[int]) -> Cell | None:
        """Have a worker of a warm interpreter begin with a command; None when there is none for it."""
        call = call_of(command.argv)
        if call is None or command.network or not self._spawner.warm:
            return None
        found = await self._engine.warm.worker(command, self._start_zygote)
        if found is None:
            return None
        worker, pidfd = found
        cell = Cell(worker, host_pid(pidfd), pidfd)
        trees: list[int] = []
        try:
            # What lies where the workspace goes is hidden by it, and has to be shown anew.
            hidden = inside_workspace(job["view"])
            what = f"could not start {command.argv[0]}"
            _, trees = await self._ask(what, order="trees", workspace=self._opened.number, mounts=hidden)
            with entrances(self._opened.group) as groups:
                job = {
                    **job,
                    "view": {**job["view"], "mounts": hidden},
                    "script": list(call.script),
                    "groups": len(groups),
                }
                worker.send({**job, "shm_mib": self._limits.disk_mib}, (*trees, *streams, *groups))
        except BaseException:
            cell.let_go()
            raise
        finally:
            messages.close_all(trees)
        return cell

    async def _start_zygote(self, command: Command, call: Call, control: int) -> tuple[Cell, Callable[[], None]]:
        """Start an interpreter to keep warm, in a workspace of its own that stays empty.

        It may make namespaces, and see /proc as it is: without that the kernel lets no worker mount one.
        """
        what = f"could not start {command.argv[0]}"
        handle = self._spawner.order(open_order((), 1, cell=False))
        answer, _ = await first_answer(handle, what)
        job = zygote_job(replace(command, argv=call.zygote(), report=False, read_only=()))
        handles = [os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)]
        try:
            order = {"order": "cell", "network": False, "masked": False, "mounts": job["view"]["mounts"]}
            said, (pidfd, orders, *trees) = await self._ask(what, workspace=answer["workspace"], **order)
            handles += trees
            waiting = Waiting(said["pid"], pidfd, orders)
            cell = waiting.begin(job, (*trees, *[handles[0]] * 3, control))
        except BaseException:
            handle.close()
            raise
        finally:
            messages.close_all(handles)
        if cell is None:
            handle.close()
            raise SandboxError(what, cause=_KILLED)
        return cell, handle.close

    async def _ask(self, what: str, **order: object) -> tuple[dict[str, Any], list[int]]:
        answers = self._spawner.order(order)
        said = await first_answer(answers, what)
        answers.close()
        return said

    def _bounds(self, command: Command) -> Bounds:
        limits = self._limits
        return Bounds(command.timeout_s, limits.memory_mib, limits.processes, limits.output_mib, limits.cpu_s)

    async def _disk_full(self) -> bool:
        free, _ = await self._ask("could not look at a workspace", order="usage", workspace=self._opened.number)
        return bool(free["free_bytes"] < 1024 * 1024 or free["free_files"] == 0)

    # -- files --

    async def read(self, path: str) -> bytes:
        """Return a file's content, links followed as inside."""
        async with self._held.watch.call():
            return await self._on_file("read", path)

    async def write(self, path: str, data: bytes) -> None:
        """Write a file, making its folders."""
        async with self._held.watch.call():
            await self._on_file("write", path, data)

    async def _on_file(self, action: str, path: str, data: bytes = b"") -> bytes:
        """Have the cell's own Python read or write a file, as the sandbox's user and where that sees it."""
        what = f"could not {action} {path}"
        at_most = self._limits.output_mib * 1024 * 1024
        command = Command(("worktrial", path), _FILE_TIMEOUT_S)
        streams = open_streams()
        cell = await self._launch(command, streams, {"action": action, "path": path, "at_most": at_most})
        reading = asyncio.create_task(_collect(streams.stdout))
        writing = asyncio.create_task(_give(streams, data))
        try:
            async with asyncio.timeout(_FILE_TIMEOUT_S):
                await cell.wait()
                content = await reading
        except TimeoutError as error:
            raise SandboxError(what, cause="it took too long") from error
        finally:
            await self._let_go(cell, streams, reading, writing)
        if cell.returncode:
            raise SandboxError(what, cause=cell.said.get("cause") or "it was killed")
        return content

    async def _let_go(self, cell: Cell, streams: Streams, *tasks: asyncio.Task[Any]) -> None:
        cell.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        streams.close()
        await cell.gone()
        self._ended(cell)

    def _ended(self, cell: Cell) -> None:
        """Forget a cell whose command has ended."""
        self._running.discard(cell)
        if cell.said and self._opened.group is not None:
            self._opened.group.leaving.add(cell.pid)

    async def changes(self) -> tuple[Change, ...]:
        """Return what differs from the layers, sorted by path."""
        said, _ = await self._ask("could not list what changed", order="changes", workspace=self._opened.number)
        return tuple(Change(path, kind) for path, kind in said["changes"])

    async def snapshot(self, folder: Path) -> Path:
        """Write what differs from the layers to `folder` as a layer."""
        order = {"order": "snapshot", "workspace": self._opened.number, "folder": str(folder.absolute())}
        await self._ask(f"could not write a snapshot to {folder}", **order)
        return folder

    async def fork(self) -> Workspace:
        """Return a workspace of its own with the same files, those in its home and temporary folder too."""
        handle = self._spawner.order({"order": "fork", "workspace": self._opened.number})
        answer, _ = await first_answer(handle, "could not copy a workspace")
        try:
            group = self._engine.holding.group(self._limits)
        except BaseException:
            handle.close()
            raise
        return Mounted(self._engine, Opened(handle, answer["workspace"], group), self._limits)

    # -- standby --

    async def standby(self) -> None:
        """Freeze all processes and hand their memory back."""
        await self._held.watch.standby()

    async def resume(self) -> None:
        """Let frozen processes go on."""
        await self._held.watch.resume()

    def _processes(self) -> list[int]:
        """Return the processes of all commands, but not those that keep them."""
        return [pid for cell in self._running for pid in descendants(cell.pid)[1:]]

    # -- the rest --

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program on the workspace's files, where the host's are too."""
        here = f"{self._spawner.store}/{self._opened.number}/files"
        order = {
            "order": "host",
            "argv": [part.replace("{workspace}", here) for part in argv],
            "env": {key: value.replace("{workspace}", here) for key, value in env.items()},
            "cwd": os.getcwd(),  # noqa: PTH109
        }
        streams = open_streams(stderr=True)
        try:
            answers = self._spawner.order(order, streams.theirs)
            said, (pidfd,) = await first_answer(answers, f"could not start {argv[0]}")
        except BaseException:
            streams.close()
            raise
        streams.close_theirs()
        cell = Cell(answers, said["pid"], pidfd)
        self._running.add(cell)
        output, errors = (asyncio.create_task(_collect(handle)) for handle in (streams.stdout, streams.stderr))
        writing = asyncio.create_task(_give(streams, data))
        try:
            await cell.wait()
            printed, complaint = await output, await errors
        finally:
            await self._let_go(cell, streams, output, errors, writing)
        if cell.returncode:
            cause = cell.said.get("cause") or last_line(complaint)
            raise InfrastructureError(f"{argv[0]} failed on a workspace", cause=cause)
        return printed

    async def close(self) -> None:
        """Kill what still runs and drop all that was written; that is freed when nobody waits for it."""
        self._used(self._first_view)
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None
        empty = not self._running
        for cell in self._running:
            cell.kill()
        for live in self._live:
            await live.close()
        for cell in tuple(self._running):
            await cell.gone()
            self._ended(cell)
        try:
            await self._held.close(empty=empty)
        finally:
            # Not at once: the spawner would take the processor from whoever waits for this, to unmount.
            asyncio.get_running_loop().call_soon(self._opened.handle.close)


async def _collect(handle: int) -> bytes:
    return b"".join([data async for data in read_all(handle)])


async def _give(streams: Streams, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        await write_all(streams.stdin, data)
    streams.close_one("stdin")
