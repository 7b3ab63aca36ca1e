"""The spawner: a small process in namespaces of its own that makes workspaces and cells for worktrial.

It is started once by a worktrial process and goes when that goes. It holds two mount namespaces: one with the host's
files as they are, where workspaces are mounted and trusted programs work on them, and one with nothing but the parts
of a sandbox's root, which every cell starts as a copy of. It has one thread, so that it may fork and change namespaces
as it likes, and serves one order after the other; whatever takes longer than a moment is done by a child.

An order comes with a socket of its own to answer on. That of `open` is the workspace's handle: when its other end is
closed, by whatever end of our caller, the workspace is dropped. A cell is handed over to the caller, who gives it its
job over a socket that came with it: when that is closed, the cell ends.

Every cell is a copy of this process, twice, and what that costs is most of what a cell costs. So it imports little:
`dataclasses` and `typing` alone would make the copies half as large again.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket

from worktrial.sandboxes.inside import cell, identity, kernel, messages, root, seccomp, upper
from worktrial.sandboxes.inside.workspaces import Workspace, Workspaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_FOR_TRUSTED = (
    kernel.CAP_CHOWN, kernel.CAP_DAC_OVERRIDE, kernel.CAP_FOWNER, kernel.CAP_FSETID, kernel.CAP_KILL
)  # fmt: skip
"""What trusted programs keep that work on a sandbox's files as its user."""
_QUIET_S = 0.004
"""Cells are made ahead when nobody has asked for anything for so long: before, it would be in somebody's way."""


class _Cell:
    """A cell that waits for its workspace."""

    def __init__(self, pid: int, orders: socket.socket) -> None:
        self.pid = pid
        self.pidfd = kernel.pidfd_open(pid)
        self.orders = orders

    def close(self) -> None:
        """Let go of it. It ends, unless somebody else was given its socket."""
        self.orders.close()
        os.close(self.pidfd)


class Parts:
    """What all cells start with."""

    def __init__(self, namespace: int, covered: list[str], nothing: str) -> None:
        """`namespace` is the mount namespace that they are copies of; `nothing` is the folder shown where `covered`."""
        self.namespace = namespace
        self.covered = covered
        self.nothing = nothing


class Spawner:
    """What the process knows."""

    def __init__(
        self, control: socket.socket, workspaces: Workspaces, owner: int, pool: int, *, parts: Parts, files: int
    ) -> None:
        """`owner` is the user of sandboxes in our user namespace, `pool` how many cells to hold ready.

        `files` is the mount namespace of host files and workspaces, which we are in.
        """
        self._control = control
        self._workspaces = workspaces
        self._owner = owner
        self._pool = pool
        self._parts = parts
        self._files = files
        self._cells: list[_Cell] = []

    def serve(self) -> None:
        """Take orders until the other end of `control` is closed."""
        woken = cell.watch_children()
        control = self._control.fileno()
        poll = select.epoll()
        poll.register(control, select.EPOLLIN)
        poll.register(woken, select.EPOLLIN)
        opened = self._workspaces.opened
        while True:
            lacking = bool(opened) and len(self._cells) < self._pool
            events = poll.poll(_QUIET_S if lacking else -1)
            if not events and lacking:
                self._cells.append(self._make_cell(ahead=True))
            for handle, _ in events:
                if handle == woken:
                    self._reap(woken)
                elif handle == control:
                    received = messages.receive(self._control)
                    if received is None:
                        return
                    self._take(poll, *received)
                elif handle in opened:
                    poll.unregister(handle)
                    self._workspaces.drop(handle)

    def _take(self, poll: select.epoll, order: dict[str, Any], handles: list[int]) -> None:
        """Do what an order says, or say on its socket why not."""
        answers = messages.connection(handles.pop(0))
        serve: dict[str, Callable[[dict[str, Any], list[int], socket.socket], None]] = {
            "open": self._open,
            "fork": self._fork,
            "cell": self._cell,
            "host": self._host,
            "trees": self._trees,
            "usage": self._usage,
            "changes": self._changes,
            "snapshot": self._snapshot,
        }
        try:
            serve[order["order"]](order, handles, answers)
        except (OSError, KeyError) as error:
            with contextlib.suppress(OSError):
                messages.send(answers, {"error": _cause(error)})
        if answers.fileno() in self._workspaces.opened:
            poll.register(answers.fileno(), select.EPOLLIN)
        else:
            answers.close()
        messages.close_all(handles)

    # -- workspaces --

    def _open(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        """Mount a workspace and answer with it, and with the cell of its first command if that is asked for."""
        # Before the mount: where none is held ready, one gets ready on another processor meanwhile.
        unused = ready = self._next_cell(ahead=order["ahead"]) if order["cell"] else None
        try:
            made = self._workspaces.mount(order["layers"], order["disk_mib"], answers)
            filled = made.overlaid or not made.layers
            if not filled:
                self._fill(made, lambda: upper.lay_over(made.layers, f"{made.folder}/files", self._owner))
            elif ready is None:
                messages.send(answers, {"workspace": made.number, "at_once": True})
            else:
                unused = None  # once it has a workspace nobody else may have it, whatever happens
                with contextlib.closing(ready):
                    self._settle(ready, made, handles, order["view"], ahead=order["ahead"])
                    said = {"workspace": made.number, "at_once": True, "pid": ready.pid}
                    messages.send(answers, said, (ready.pidfd, ready.orders.fileno()))
        finally:
            if unused is not None:
                self._cells.append(unused)

    def _fork(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        source = self._workspaces.known(order["workspace"])
        made = self._workspaces.mount(source.layers, source.disk_mib, answers, overlaid=source.overlaid)

        def copy() -> None:
            for name in ("tmp", "home"):
                upper.duplicate(f"{source.folder}/{name}", f"{made.folder}/{name}", self._owner, False)
            upper.duplicate(source.top, made.top, self._owner, source.overlaid)
            if made.overlaid:
                self._workspaces.mount_overlay(made)

        self._fill(made, copy)

    def _fill(self, made: Workspace, filling: Callable[[], None]) -> None:
        def fill() -> dict[str, Any]:
            filling()
            return {"workspace": made.number}

        made.job = self._in_child(made.handle, fill)

    def _usage(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        found = os.statvfs(self._workspaces.known(order["workspace"]).folder)
        messages.send(answers, {"free_bytes": found.f_bavail * found.f_frsize, "free_files": found.f_favail})

    def _changes(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        known = self._workspaces.known(order["workspace"])
        self._in_child(answers, lambda: {"changes": upper.changed(known.top, known.layers, known.overlaid)})

    def _snapshot(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        known, folder = self._workspaces.known(order["workspace"]), order["folder"]

        def save() -> dict[str, Any]:
            upper.save_layer(known.top, known.layers, folder, self._owner, known.overlaid)
            return {}

        self._in_child(answers, save)

    # -- cells --

    def _next_cell(self, *, ahead: bool = False) -> _Cell:
        return self._cells.pop(0) if self._cells else self._make_cell(ahead=ahead)

    def _make_cell(self, *, network: bool = False, masked: bool = True, ahead: bool = False) -> _Cell:
        orders, theirs = messages.pair()
        kernel.setns(self._parts.namespace, kernel.NEWNS)
        try:
            pid = kernel.clone(cell.NAMESPACES & ~kernel.NEWNET if network else cell.NAMESPACES)
            if pid == 0:
                kernel.close_others((theirs.fileno(),))
                cell.be_cell(theirs, self._owner, network=network, masked=masked, ahead=ahead)
        finally:
            kernel.setns(self._files, kernel.NEWNS)
        theirs.close()
        return _Cell(pid, orders)

    def _settle(
        self,
        ready: _Cell,
        known: Workspace,
        groups: list[int],
        view: dict[str, Any] | None = None,
        *,
        ahead: bool = False,
    ) -> None:
        """Give a cell its workspace, and what it is to see besides if that is known already.

        Where it is gone, who is handed its socket will see that.
        """
        trees = self._workspaces.trees(known)
        try:
            if view is not None:
                trees += self._open_mounts(view["mounts"])
            order = {"shm_mib": known.disk_mib, "groups": len(groups), "view": view, "ahead": ahead}
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                messages.send(ready.orders, order, [*trees, *groups])
        finally:
            messages.close_all(trees)

    def _cell(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        """Hand over a cell with a workspace, and the mounts that its job is to see besides."""
        known = self._workspaces.known(order["workspace"])
        trees = self._open_mounts(order["mounts"])
        try:
            special = order["network"] or not order["masked"]
            ready = self._make_cell(network=order["network"], masked=order["masked"]) if special else self._next_cell()
            with contextlib.closing(ready):
                self._settle(ready, known, handles)
                messages.send(answers, {"pid": ready.pid}, (ready.pidfd, ready.orders.fileno(), *trees))
        finally:
            messages.close_all(trees)

    def _open_mounts(self, mounts: list[dict[str, Any]]) -> list[int]:
        """Return what a command is to see besides its workspace, attached nowhere."""
        trees: list[int] = []
        try:
            covered = [*self._parts.covered, *(mount["path"] for mount in mounts if not mount["source"])]
            for mount in mounts:
                trees.append(kernel.open_tree(mount["source"] or self._parts.nothing, recursive=True))
                if mount["path"].startswith("/etc/"):
                    self._make_point(mount["path"], os.path.isdir(mount["source"]))
                for cover in covered:
                    if mount["path"].startswith(f"{cover}/"):
                        point = self._parts.nothing + mount["path"][len(cover) :]
                        root.mount_point(point, os.path.isdir(mount["source"]))
        except OSError:
            messages.close_all(trees)
            raise
        return trees

    def _make_point(self, path: str, folder: bool) -> None:
        """Make something to mount on in `/etc`, which all cells share: they cannot make it themselves."""
        kernel.setns(self._parts.namespace, kernel.NEWNS)
        try:
            root.mount_point(path, folder)
        finally:
            kernel.setns(self._files, kernel.NEWNS)

    def _trees(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        """Hand over mounts, and those of a workspace before them if it is named."""
        trees = self._workspaces.trees(self._workspaces.known(order["workspace"])) if "workspace" in order else []
        try:
            trees += self._open_mounts(order["mounts"])
            messages.send(answers, {}, trees)
        finally:
            messages.close_all(trees)

    # -- other processes --

    def _host(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        """Run a trusted program with the host's files and the workspaces, and nothing of its own left behind."""
        announced, announcing = os.pipe()
        pid = kernel.clone(kernel.NEWPID)
        if pid == 0:
            with _no_return():
                kernel.close_others((answers.fileno(), announced, *handles))
                kernel.die_with_parent()
                os.read(announced, 1)  # it can end before we have said who it is: that answer is to be the first
                os.close(announced)
                cell.execute_trusted(order, handles, answers, self._owner, _FOR_TRUSTED)
        os.close(announced)
        with open(announcing, "wb", buffering=0):
            handle = kernel.pidfd_open(pid)
            try:
                messages.send(answers, {"pid": pid}, (handle,))
            finally:
                os.close(handle)

    def _in_child(self, answers: socket.socket, doing: Callable[[], dict[str, Any]]) -> int:
        """Do something in a child that answers by itself, and return its process id."""
        pid = os.fork()
        if pid == 0:
            with _no_return():
                kernel.die_with_parent()
                try:
                    said = doing()
                except OSError as error:
                    said = {"error": _cause(error)}
                messages.send(answers, said)
        return pid

    def _reap(self, woken: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for ready in [found for found in self._cells if found.pid == pid]:
                self._cells.remove(ready)
                ready.close()


@contextlib.contextmanager
def _no_return() -> Iterator[None]:
    """End this process where the block ends, in whatever way: it is a copy of one that goes on elsewhere."""
    try:
        yield
        os._exit(0)
    finally:
        os._exit(1)


def _cause(error: Exception) -> str:
    if isinstance(error, OSError):
        name = error.filename or ""
        return f"{error.strerror}: {name}" if name else str(error.strerror or error)
    return f"{type(error).__name__}: {error}"


def start_janitor() -> socket.socket:
    """Start the process that lets go of dropped workspaces, and return where to send them."""
    ours, theirs = messages.pair()
    if os.fork() == 0:
        with _no_return():
            kernel.close_others((theirs.fileno(),))
            kernel.die_with_parent()
            while (received := messages.receive(theirs)) is not None:
                messages.close_all(received[1])
    theirs.close()
    return ours


def main(control: int) -> None:
    """Set up and serve. The first message says how; it is answered once all works."""
    seccomp.assembled()
    gc.disable()  # what lives here lives long, and every child would copy what a collection touches
    with socket.socket(fileno=control) as source:
        received = messages.receive(source)
        if received is None:
            return
        asked, _ = received
        try:
            made = identity.enter(asked["uid"])
            kernel.mount("", "/", "", kernel.REC | kernel.SLAVE)
            kernel.mount("tmpfs", asked["store"], "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=0755")
            nothing = f"{asked['store']}/{root.NOTHING}"
            os.mkdir(nothing, 0o755)
            files = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            made = identity.with_overlays(made, asked["store"])
            kernel.unshare(kernel.NEWNS)
            parts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
            root.build_base(asked["store"], asked["covered"])
            kernel.setns(files, kernel.NEWNS)
            workspaces = Workspaces(asked["store"], made, start_janitor())
            shared = Parts(parts, asked["covered"], nothing)
            spawner = Spawner(source, workspaces, made.owner, asked["pool"], parts=shared, files=files)
        except OSError as error:
            messages.send(source, {"error": str(error)})
            return
        messages.send(source, {"owner": made.owner, "host_uid": made.host_uid, "warm": made.warm})
        spawner.serve()
