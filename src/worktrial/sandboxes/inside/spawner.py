"""The spawner: a small process in namespaces of its own that makes workspaces and cells for worktrial.

It is started once by a worktrial process and goes when that goes. It holds two mount namespaces: one with the host's
files as they are, where workspaces are mounted and trusted programs work on them, and one with nothing but the parts
of a sandbox's root, which every cell starts as a copy of. It has one thread, so that it may fork and change namespaces
as it likes, and serves one order after the other; whatever takes longer than a moment is done by a child.

An order comes with a socket of its own to answer on. That of `open` is the workspace's handle: when its other end is
closed, by whatever end of our caller, the workspace is dropped. Those of commands end them in the same way.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from worktrial.sandboxes.inside import cell, identity, kernel, messages, root, seccomp, upper
from worktrial.sandboxes.inside.identity import Identity

_FEW_LAYERS = 120
"""More of them do not fit in the one page that mount(2) takes."""
_FOR_TRUSTED = (
    kernel.CAP_CHOWN, kernel.CAP_DAC_OVERRIDE, kernel.CAP_FOWNER, kernel.CAP_FSETID, kernel.CAP_KILL
)  # fmt: skip
"""What trusted programs keep that work on a sandbox's files as its user."""


@dataclass
class _Workspace:
    """Where a workspace is mounted, and the end of its handle that we hold."""

    number: int
    folder: str
    handle: socket.socket
    disk_mib: int
    layers: list[str]
    overlaid: bool = False
    job: int = 0
    """Process that is still filling it."""

    @property
    def top(self) -> str:
        """What was written, or all files where no overlay is mounted."""
        return f"{self.folder}/{'upper' if self.overlaid else 'files'}"


@dataclass
class _Cell:
    """A cell that waits for its order."""

    pid: int
    pidfd: int
    orders: socket.socket


@dataclass
class Spawner:
    """What the process knows."""

    control: socket.socket
    store: str
    """Folder of the mount namespace `files` that workspaces are mounted in."""
    identity: Identity
    pool: int
    """Cells to hold ready."""
    parts: int
    """Mount namespace that cells start as copies of."""
    files: int
    """Mount namespace of host files and workspaces: the one we are in."""
    janitor: socket.socket
    workspaces: dict[int, _Workspace] = field(default_factory=dict)
    """By the file descriptor of their handle."""
    cells: list[_Cell] = field(default_factory=list)
    numbered: int = 0

    def serve(self) -> None:
        """Take orders until the other end of `control` is closed."""
        woken = cell.watch_children()
        poll = select.epoll()
        poll.register(self.control.fileno(), select.EPOLLIN)
        poll.register(woken, select.EPOLLIN)
        while True:
            lacking = bool(self.workspaces) and len(self.cells) < self.pool
            events = poll.poll(0 if lacking else -1)
            if not events and lacking:
                self.cells.append(self._make_cell(network=False))
            for handle, _ in events:
                if handle == woken:
                    self._reap(woken)
                elif handle == self.control.fileno():
                    received = messages.receive(self.control)
                    if received is None:
                        return
                    self._take(poll, *received)
                elif handle in self.workspaces:
                    poll.unregister(handle)
                    self._drop(self.workspaces.pop(handle))

    def _take(self, poll: select.epoll, order: dict[str, Any], handles: list[int]) -> None:
        """Do what an order says, or say on its socket why not."""
        answers = socket.socket(fileno=handles.pop(0))
        serve: dict[str, Callable[[dict[str, Any], list[int], socket.socket], None]] = {
            "open": self._open,
            "fork": self._fork,
            "run": self._run,
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
        if answers.fileno() in self.workspaces:
            poll.register(answers.fileno(), select.EPOLLIN)
        else:
            answers.close()
        for handle in handles:
            os.close(handle)

    # -- workspaces --

    def _open(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        made = self._mount(order["layers"], order["disk_mib"], answers)
        if made.overlaid or not made.layers:
            messages.send(answers, {"workspace": made.number})
        else:
            self._fill(made, lambda: upper.lay_over(made.layers, f"{made.folder}/files", self.identity.owner))

    def _fork(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        source = self._known(order)
        made = self._mount(source.layers, source.disk_mib, answers, overlaid=source.overlaid)

        def copy() -> None:
            for name in ("tmp", "home"):
                upper.duplicate(f"{source.folder}/{name}", f"{made.folder}/{name}", self.identity.owner, False)
            upper.duplicate(source.top, made.top, self.identity.owner, source.overlaid)
            if made.overlaid:
                self._mount_overlay(made)

        self._fill(made, copy)

    def _mount(
        self, layers: list[str], disk_mib: int, answers: socket.socket, overlaid: bool | None = None
    ) -> _Workspace:
        """Mount a workspace, over its layers where that is possible and `overlaid` does not say what to expect."""
        self.numbered += 1
        made = _Workspace(self.numbered, f"{self.store}/{self.numbered}", answers, disk_mib, layers)
        os.mkdir(made.folder)
        try:
            options = f"mode=0755,size={disk_mib}m,nr_inodes={root.inodes(disk_mib)}"
            kernel.mount("tmpfs", made.folder, "tmpfs", kernel.NOSUID | kernel.NODEV, options)
            for name, mode in (("upper", 0o755), ("work", 0o755), ("files", 0o755), ("tmp", 0o1777), ("home", 0o755)):
                os.mkdir(f"{made.folder}/{name}")
                os.chmod(f"{made.folder}/{name}", mode)
                os.chown(f"{made.folder}/{name}", self.identity.owner, self.identity.owner)
            made.overlaid = self._mount_overlay(made) if overlaid is None else overlaid
        except BaseException:
            self._unmount(made)
            raise
        self.workspaces[answers.fileno()] = made
        return made

    def _mount_overlay(self, made: _Workspace) -> bool:
        """Mount the layers over each other; tell whether it could be done.

        A layer that is not the sandbox's user's could not be written to: its files are copied instead. Layers are
        named by file descriptor: that has no odd characters, is short, and is all that can be read of it inside.
        """
        with contextlib.ExitStack() as stack:
            folders = [stack.enter_context(upper.opened(os.path.realpath(layer))) for layer in made.layers]
            owned = all(os.fstat(folder).st_uid == self.identity.owner for folder in folders)
            if not folders or len(folders) > _FEW_LAYERS or not owned or not self.identity.overlays:
                return False
            scratch = stack.enter_context(upper.opened(made.folder))
            lower = ":".join(f"/proc/self/fd/{folder}" for folder in folders)
            here = f"/proc/self/fd/{scratch}"
            options = f"userxattr,lowerdir={lower},upperdir={here}/upper,workdir={here}/work"
            os.chmod(f"{made.folder}/upper", stat.S_IMODE(os.fstat(folders[0]).st_mode) & 0o1777)
            try:
                kernel.mount("overlay", f"{made.folder}/files", "overlay", kernel.NOSUID | kernel.NODEV, options)
            except OSError:
                return False  # the kernel is too old, or it does not take what the layers lie on
            return True

    def _fill(self, made: _Workspace, filling: Callable[[], None]) -> None:
        def fill() -> dict[str, Any]:
            filling()
            return {"workspace": made.number}

        made.job = self._in_child(made.handle, fill)

    def _known(self, order: dict[str, Any]) -> _Workspace:
        for workspace in self.workspaces.values():
            if workspace.number == order["workspace"]:
                return workspace
        raise OSError(errno.ENOENT, "the workspace is closed")

    def _drop(self, workspace: _Workspace) -> None:
        if workspace.job:
            with contextlib.suppress(ProcessLookupError):
                os.kill(workspace.job, signal.SIGKILL)
        self._unmount(workspace)
        workspace.handle.close()

    def _unmount(self, workspace: _Workspace) -> None:
        """Take a workspace out of the tree. Freeing what was written takes its time: the janitor lets go of it last."""
        held = []
        with contextlib.suppress(OSError):
            for path in (f"{workspace.folder}/files", workspace.folder):
                held.append(os.open(path, os.O_PATH | os.O_CLOEXEC))  # noqa: PERF401 - each is closed if one fails
            messages.send(self.janitor, {}, held)
        with contextlib.suppress(OSError):
            kernel.detach(workspace.folder)
            os.rmdir(workspace.folder)
        for handle in held:
            os.close(handle)

    def _usage(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        found = os.statvfs(self._known(order).folder)
        messages.send(answers, {"free_bytes": found.f_bavail * found.f_frsize, "free_files": found.f_favail})

    def _changes(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        known = self._known(order)
        self._in_child(answers, lambda: {"changes": upper.changed(known.top, known.layers, known.overlaid)})

    def _snapshot(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        known, folder = self._known(order), order["folder"]

        def save() -> dict[str, Any]:
            upper.save_layer(known.top, known.layers, folder, self.identity.owner, known.overlaid)
            return {}

        self._in_child(answers, save)

    # -- processes --

    def _make_cell(self, network: bool, masked: bool = True) -> _Cell:
        orders, theirs = messages.pair()
        kernel.setns(self.parts, kernel.NEWNS)
        try:
            pid = kernel.clone(cell.NAMESPACES & ~kernel.NEWNET if network else cell.NAMESPACES)
            if pid == 0:
                kernel.close_others((theirs.fileno(),))
                cell.be_cell(theirs, self.identity.owner, network, masked)
        finally:
            kernel.setns(self.files, kernel.NEWNS)
        theirs.close()
        return _Cell(pid, kernel.pidfd_open(pid), orders)

    def _run(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        trees = self._open_trees(order)
        try:
            special = order["network"] or not order["masked"]
            ready = self._make_cell(order["network"], order["masked"]) if special else self._next_cell()
            try:
                messages.send(answers, {"pid": ready.pid}, (ready.pidfd,))
                messages.send(ready.orders, order["for_cell"], [answers.fileno(), *trees, *handles])
            finally:  # our caller can have killed it between the two
                os.close(ready.pidfd)
                ready.orders.close()
        finally:
            for tree in trees:
                os.close(tree)

    def _next_cell(self) -> _Cell:
        return self.cells.pop(0) if self.cells else self._make_cell(network=False)

    def _open_trees(self, order: dict[str, Any]) -> list[int]:
        """Return the mounts of a workspace and those that a command is to see besides, attached nowhere."""
        known = self._known(order)
        trees: list[int] = []
        try:
            for name in ("files", "tmp", "home"):
                trees.append(kernel.open_tree(f"{known.folder}/{name}"))  # noqa: PERF401 - each is closed if one fails
            for mount in order.get("for_cell", {}).get("mounts", ()):
                trees.append(kernel.open_tree(mount["source"], recursive=True))
                if mount["path"].startswith("/etc/"):
                    self._make_point(mount["path"], os.path.isdir(mount["source"]))
        except OSError:
            for tree in trees:
                os.close(tree)
            raise
        return trees

    def _make_point(self, path: str, folder: bool) -> None:
        """Make something to mount on in `/etc`, which all cells share: they cannot make it themselves."""
        kernel.setns(self.parts, kernel.NEWNS)
        try:
            root.mount_point(path, folder)
        finally:
            kernel.setns(self.files, kernel.NEWNS)

    def _trees(self, order: dict[str, Any], handles: list[int], answers: socket.socket) -> None:
        trees = self._open_trees(order)
        try:
            messages.send(answers, {}, trees)
        finally:
            for tree in trees:
                os.close(tree)

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
                told, tell = messages.pair()
                child = os.fork()
                if child == 0:
                    with _no_return():
                        tell.close()
                        cell.execute_trusted(order, handles, told, self.identity.owner, _FOR_TRUSTED)
                told.close()
                for handle in handles:
                    os.close(handle)
                cell.see_through(child, answers, tell)
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
            for ready in [found for found in self.cells if found.pid == pid]:
                self.cells.remove(ready)
                ready.orders.close()
                os.close(ready.pidfd)


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
                for handle in received[1]:
                    os.close(handle)
    theirs.close()
    return ours


def main(control: int) -> None:
    """Set up and serve. The first message says how; it is answered once all works."""
    seccomp.assembled(seccomp.PRIVATE_NETWORK, False, True)
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
            files = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            made = identity.with_overlays(made, asked["store"])
            kernel.unshare(kernel.NEWNS)
            parts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
            root.build_base(asked["store"])
            kernel.setns(files, kernel.NEWNS)
            spawner = Spawner(source, asked["store"], made, asked["pool"], parts, files, start_janitor())
        except OSError as error:
            messages.send(source, {"error": str(error)})
            return
        messages.send(source, {"owner": made.owner, "host_uid": made.host_uid, "warm": made.warm})
        spawner.serve()
