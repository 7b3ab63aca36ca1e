"""Isolation by Linux namespaces: unprivileged, no daemon, a millisecond or two a command.

A small process of our own, the spawner, lives in user and mount namespaces of its own (`inside/spawner.py`). In them
it mounts workspaces: overlays whose upper side is a size-limited tmpfs. Each command runs in a cell (`inside/cell.py`):
further pid, mount, net, ipc and uts namespaces with a read-only root of the host's `/usr`, made ahead when there is
time, and for the command itself one more user namespace that owns nothing. When we end, however we do, so does the
spawner, and with it mounts, files and processes: there is nothing to clean up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from worktrial.errors import InfrastructureError, SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.held import Holding
from worktrial.sandboxes.inside import messages, root
from worktrial.sandboxes.namespaces_spawner import Answers, Cell, Spawner, first_answer
from worktrial.sandboxes.namespaces_warm import SOURCE, Call, Warm, call_of, host_pid
from worktrial.sandboxes.owner import hand_over, sandbox_uid
from worktrial.sandboxes.process import REPORT_FD, Bounds, Live, not_started, watch
from worktrial.sandboxes.protocol import Change, Command, Finished, Mount, Process, Workspace
from worktrial.sandboxes.standby import Awake
from worktrial.sandboxes.streams import Streams, open_streams, read_all, write_all
from worktrial.sandboxes.usage import descendants
from worktrial.store.git import last_line

ROOT = Path(root.WORKSPACE)
"""Where every workspace is, seen from inside."""
HOME = root.HOME

_FILE_TIMEOUT_S = 60.0
_REPORT_AT = 3
_WRITABLE = tuple(f"{path}/" for path in (root.WORKSPACE, root.TMP, root.HOME))
_NOT_RUN = "could not run a command in namespaces"


class Namespaces:
    """Sandboxes made of namespaces, by system calls of our own."""

    tier = "namespaces"

    def __init__(self, pool: int | None = None, *, groups: bool = True) -> None:
        """`pool` is how many cells are held ready, None: as many as fit this machine.

        With `groups` of False control groups are left alone, as where there are none.
        """
        self._spawner = Spawner(min(8, max(2, os.cpu_count() or 2)) if pool is None else pool)
        self._warm = Warm()
        uid = sandbox_uid()
        who = f"user {uid} of the host" if uid else "root of the host without its capabilities"
        self._holding = Holding(groups=groups)
        self.detail = f"namespaces by our own system calls; {who}; {self._holding.detail}"

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Mount a fresh workspace over `layers`. Raises `SandboxError`."""
        order = {"order": "open", "layers": [str(layer) for layer in layers], "disk_mib": limits.disk_mib}
        handle = self._spawner.order(order)
        answer, _ = await first_answer(handle, "could not mount a workspace")
        return _Mounted(self._spawner, self._warm, handle, answer["workspace"], limits=limits, holding=self._holding)

    @property
    def spawner(self) -> Spawner:
        """What makes the sandboxes, for those who look into it."""
        return self._spawner


class _Mounted:
    """A workspace that the spawner has mounted."""

    root = ROOT
    tier = Namespaces.tier

    def __init__(
        self, spawner: Spawner, warm: Warm, handle: Answers, number: int, *, limits: TrialLimits, holding: Holding
    ) -> None:
        self._spawner = spawner
        self._warm = warm
        self._handle = handle
        self._number = number
        self._limits = limits
        self._running: set[Cell] = set()
        self._live: list[Live] = []
        self._holding = holding
        self._held = holding.hold(limits, self._processes)

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
                self._running.discard(cell)
        if "failed" in cell.said:
            raise SandboxError(f"could not start {command.argv[0]}", cause=cell.said["cause"])
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

    def _bounds(self, command: Command) -> Bounds:
        limits = self._limits
        return Bounds(command.timeout_s, limits.memory_mib, limits.processes, limits.output_mib, limits.cpu_s)

    async def _launch(self, command: Command, streams: Streams, action: Mapping[str, Any] | None = None) -> Cell:
        """Have a cell begin with a command, or with an action of our own; the streams are closed if it cannot."""
        order = cell_order(self._number, command, self._limits, action)
        try:
            _check(command)
            if command.mounts:
                await asyncio.to_thread(_hand_over, command.mounts)
            with self._held.entrances() as groups:
                order["for_cell"]["groups"] = len(groups)
                warm = await self._begin_warm(command, order["for_cell"], streams, groups) if command.preload else None
                return warm or await self._begin(order, streams, f"could not start {command.argv[0]}", groups)
        except BaseException:
            streams.close()
            raise

    async def _begin_warm(
        self, command: Command, for_cell: dict[str, Any], streams: Streams, groups: Sequence[int]
    ) -> Cell | None:
        """Have a worker of a warm interpreter begin with a command; None when there is none for it."""
        call = call_of(command.argv)
        if call is None or command.network or not self._spawner.warm:
            return None
        found = await self._warm.worker(command, self._start_zygote)
        if found is None:
            return None
        worker, pidfd = found
        cell = Cell(worker, host_pid(pidfd), pidfd)
        trees: list[int] = []
        try:
            # What lies where the workspace goes is hidden by it, and has to be shown anew.
            hidden = [mount for mount in for_cell["mounts"] if mount["path"].startswith(_WRITABLE)]
            job = {**for_cell, "mounts": hidden, "script": list(call.script)}
            answers = self._spawner.order({"order": "trees", "workspace": self._number, "for_cell": job})
            _, trees = await first_answer(answers, f"could not start {command.argv[0]}")
            answers.close()
            worker.send(job, (*trees, *streams.theirs, *groups))
        except BaseException:
            cell.let_go()
            raise
        finally:
            for tree in trees:
                os.close(tree)
        streams.close_theirs()
        self._running.add(cell)
        return cell

    async def _start_zygote(self, command: Command, call: Call, control: int) -> tuple[Cell, Callable[[], None]]:
        """Start an interpreter to keep warm, in a workspace of its own that stays empty."""
        what = f"could not start {command.argv[0]}"
        handle = self._spawner.order({"order": "open", "layers": [], "disk_mib": 1})
        answer, _ = await first_answer(handle, what)
        order = zygote_order(answer["workspace"], replace(command, argv=call.zygote()))
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            answers = self._spawner.order(order, (nothing, nothing, nothing, control))
            said, (pidfd,) = await first_answer(answers, what)
        except BaseException:
            handle.close()
            raise
        finally:
            os.close(nothing)
        return Cell(answers, said["pid"], pidfd), handle.close

    async def _begin(self, order: dict[str, Any], streams: Streams, what: str, groups: Sequence[int] = ()) -> Cell:
        answers = self._spawner.order(order, (*streams.theirs, *groups))
        streams.close_theirs()
        said, (pidfd,) = await first_answer(answers, what)
        cell = Cell(answers, said["pid"], pidfd)
        self._running.add(cell)
        return cell

    async def _ask(self, what: str, **order: object) -> dict[str, Any]:
        answers = self._spawner.order({**order, "workspace": self._number})
        said, _ = await first_answer(answers, what)
        answers.close()
        return said

    async def _disk_full(self) -> bool:
        free = await self._ask("could not look at a workspace", order="usage")
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
        self._running.discard(cell)

    async def changes(self) -> tuple[Change, ...]:
        """Return what differs from the layers, sorted by path."""
        said = await self._ask("could not list what changed", order="changes")
        return tuple(Change(path, kind) for path, kind in said["changes"])

    async def snapshot(self, folder: Path) -> Path:
        """Write what differs from the layers to `folder` as a layer."""
        await self._ask(f"could not write a snapshot to {folder}", order="snapshot", folder=str(folder.absolute()))
        return folder

    async def fork(self) -> Workspace:
        """Return a workspace of its own with the same files, those in its home and temporary folder too."""
        handle = self._spawner.order({"order": "fork", "workspace": self._number})
        answer, _ = await first_answer(handle, "could not copy a workspace")
        number = answer["workspace"]
        return _Mounted(self._spawner, self._warm, handle, number, limits=self._limits, holding=self._holding)

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
        here = f"{self._spawner.store}/{self._number}/files"
        order = {
            "order": "host",
            "argv": [part.replace("{workspace}", here) for part in argv],
            "env": {key: value.replace("{workspace}", here) for key, value in env.items()},
            "cwd": os.getcwd(),  # noqa: PTH109
        }
        streams = open_streams(stderr=True)
        try:
            cell = await self._begin(order, streams, f"could not start {argv[0]}")
        except BaseException:
            streams.close()
            raise
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
        for cell in self._running:
            cell.kill()
        for live in self._live:
            await live.close()
        for cell in tuple(self._running):
            await cell.gone()
        self._running.clear()
        try:
            await self._held.close()
        finally:
            self._handle.close()


def cell_order(
    workspace: int, command: Command, limits: TrialLimits, action: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the order that has a cell begin with a command, or with an action of our own."""
    mounts = [
        {"source": str(mount.path), "path": str(mount.path), "writable": mount.writable} for mount in command.mounts
    ]
    if command.network and os.path.exists("/etc/resolv.conf"):  # noqa: PTH110
        source = os.path.realpath("/etc/resolv.conf")
        mounts.append({"source": source, "path": "/etc/resolv.conf", "writable": False})
    env = environment(HOME) | dict(command.env)
    if command.report:
        env[REPORT_FD] = str(_REPORT_AT)
    for_cell = {
        "action": "exec",
        "argv": list(command.argv),
        "env": env,
        "mounts": mounts,
        "read_only": list(command.read_only),
        # One more than there may be, so that too many can be seen.
        "limits": {"processes": limits.processes + 1, "open_files": limits.open_files, "cpu_s": limits.cpu_s},
        "groups": 0,
        "shm_mib": limits.disk_mib,
        **(action or {}),
    }
    return {
        "order": "run",
        "workspace": workspace,
        "network": command.network,
        "masked": True,
        "for_cell": for_cell,
    }


def zygote_order(workspace: int, command: Command) -> dict[str, Any]:
    """Return the order for an interpreter to keep warm.

    It may make namespaces, and see /proc as it is: without that the kernel lets no worker mount one. No worker may
    have more of anything than its zygote, so that has plenty.
    """
    order = cell_order(workspace, replace(command, report=False, read_only=()), TrialLimits())
    order["masked"] = False
    order["for_cell"]["limits"] = {"processes": 1 << 16, "open_files": 1 << 20, "cpu_s": 10_000_000}
    folder = Path(messages.__file__).parent
    shown = {"source": str(folder), "path": f"{SOURCE}/worktrial/sandboxes/inside", "writable": False}
    order["for_cell"]["mounts"].append(shown)
    return order


def try_once() -> None:
    """Run a command in a sandbox, where no event loop is to be had. Raises `SandboxError` saying what fails."""
    spawner = Spawner(pool=0)
    with contextlib.closing(spawner.order({"order": "open", "layers": [], "disk_mib": 1})) as handle:
        number = handle.expect("could not mount a workspace")[0]["workspace"]
        order = cell_order(number, Command(("true",), _FILE_TIMEOUT_S), TrialLimits(disk_mib=1))
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            answers = spawner.order(order, (nothing,) * 3)
        finally:
            os.close(nothing)
        with contextlib.closing(answers):
            os.close(answers.expect(_NOT_RUN)[1][0])
            ended, _ = answers.expect(_NOT_RUN)
    if ended["status"]:
        raise SandboxError(_NOT_RUN, cause=ended.get("cause", f"true ended with {ended['status']}"))


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


def _check(command: Command) -> None:
    """Refuse what no program can be given. Raises `SandboxError`."""
    try:
        given = [os.fsencode(part) for part in (*command.argv, *command.env, *command.env.values())]
    except UnicodeEncodeError as error:
        raise not_started(list(command.argv), error) from error
    if any(b"\0" in part for part in given):
        raise not_started(list(command.argv), ValueError("embedded null byte"))


def _hand_over(mounts: tuple[Mount, ...]) -> None:
    """Let the sandbox's user write what he is given to write."""
    for mount in mounts:
        if mount.writable or stat.S_ISSOCK(mount.path.stat().st_mode):
            hand_over(mount.path)


async def _collect(handle: int) -> bytes:
    return b"".join([data async for data in read_all(handle)])


async def _give(streams: Streams, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        await write_all(streams.stdin, data)
    streams.close_one("stdin")
