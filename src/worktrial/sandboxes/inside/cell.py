"""A cell: one command in namespaces of its own, and the process that watches over it there.

The first process of a cell sets up what the command sees, waits for it, kills what it leaves behind, and only then
says how it ended. It belongs to the engine's user namespace; the command to one below, where it has no rights over
the cell's mounts and no capability at all. Standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import select
import signal
import socket
import stat
import time

from worktrial.sandboxes.inside import kernel, messages, root, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

UID = 1000
"""The user that sandboxed programs are, as they see it."""
_LINGER_S = 0.01
"""To end takes the kernel half a millisecond, in which whoever waits for the answer would not get the processor."""
NAMESPACES = kernel.NEWPID | kernel.NEWNS | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWNET | kernel.NEWCGROUP


def be_cell(orders: socket.socket, owner: int, *, network: bool, masked: bool, ahead: bool) -> None:
    """Live as the first process of a cell: get ready, take a workspace, then a job, see it through. Never returns.

    `ahead` says that nobody waits for it yet.
    `owner` is the user of the engine's namespace whose files a sandbox may write. A cell that is not `masked` sees
    /proc as it is and may make namespaces: it is for an interpreter that is kept warm.
    """
    try:
        signal.set_wakeup_fd(-1)
        kernel.die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # which the first process of a pid namespace is not reached by
        kernel.set_dumpable(False)
        told, tell = messages.pair()
        child = _fork_command(told, owner, filtered=masked, ahead=ahead)  # so early that it gets ready meanwhile
        told.close()
        root.build_cell(masked)
        root.enter_cell()
        socket.sethostname("sandbox")
        if not network:
            kernel.loopback_up()
        woken = watch_children()
        if ahead:
            messages.rehearse(orders)
        failed = _settle(*_next(orders), child)
        job, handles = _next(orders)
        with messages.connection(handles.pop(0)) as status:
            try:
                if failed is not None:
                    raise failed
                handles = furnish(job, handles)
                root.seal()
                join_groups(child, [handles.pop() for _ in range(job["groups"])])
                kernel.keep_capabilities(kernel.CAP_KILL)
                messages.send(tell, job, handles)
                for handle in handles:
                    os.close(handle)
            except OSError as error:
                messages.send(status, {"error": str(error)})
                os._exit(1)
            see_through(child, status, tell, woken)
    finally:
        os._exit(1)


def _next(orders: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return what comes next; end this cell when there will be nothing more."""
    received = messages.receive(orders)
    if received is None:
        os._exit(0)
    return received


def _settle(order: dict[str, Any], handles: list[int], child: int) -> OSError | None:
    """Take a workspace, and put the command-to-be into its control groups; return why that could not be done.

    This comes before the job, so that there is less to do when somebody waits for it.
    """
    try:
        handles = attach_workspace(order, handles)
        join_groups(child, handles)
    except OSError as error:
        return error
    return None


def attach_workspace(order: dict[str, Any], handles: list[int]) -> list[int]:
    """Attach what the first handles stand for where a workspace is seen, and return the handles that are left."""
    for path in (root.WORKSPACE, root.TMP, root.HOME):
        kernel.attach(handles[0], path)
        os.close(handles.pop(0))
    root.resize_shm(order["shm_mib"])
    return handles


def furnish(order: dict[str, Any], handles: list[int]) -> list[int]:
    """Attach what else a job is to see, and return the handles that are left for the command."""
    for mount in order["mounts"]:
        root.attach_mount(handles[0], mount["path"], mount["writable"])
        os.close(handles.pop(0))
    root.hold_read_only(order["read_only"])
    return handles


def see_through(child: int, status: socket.socket, tell: socket.socket, woken: int | None = None) -> None:
    """Wait for the command, end all that is left of it, and say how it ended. Never returns.

    `woken` is what `watch_children` returned, where it was called before. When nobody wants to know any more (the other
    end of `status` is closed) all ends at once.
    """
    ended = _wait_for(child, status, watch_children() if woken is None else woken)
    if ended is None:
        os._exit(1)  # and the kernel kills what is left
    kill_all()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    said: dict[str, Any] = {"status": ended, "cpu_s": used.ru_utime + used.ru_stime}
    try:
        failed = messages.receive(tell, socket.MSG_DONTWAIT)
        said.update(failed[0] if failed else {})
    except OSError:
        pass  # it said nothing, as is usual
    try:
        messages.send(status, said)
        time.sleep(_LINGER_S)
    finally:
        os._exit(0)


def watch_children() -> int:
    """Return a file descriptor that has something to read whenever a child may have ended."""
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def _wait_for(child: int, status: socket.socket, woken: int) -> int | None:
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(status.fileno(), 0)  # only that it was closed
    ended = None
    while True:
        while True:
            try:
                pid, how = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                break
            if pid == child:
                return how
        for handle, _ in poll.poll():
            if handle != woken:
                return None
            os.read(woken, 4096)


def kill_all() -> None:
    """Kill every other process of this pid namespace and wait until they are gone."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _fork_command(told: socket.socket, owner: int, *, filtered: bool, ahead: bool) -> int:
    """Fork the process that becomes the command, let it drop everything it has, and wait for its order."""
    child = os.fork()
    if child:
        return child
    try:
        kernel.close_others((told.fileno(),))
        confine(owner)
        if filtered:
            seccomp.install()
        if ahead:
            messages.rehearse(told)
        received = messages.receive(told)
        if received is not None:
            order, handles = received
            _obey(order, handles, told)
    finally:
        os._exit(1)
    raise AssertionError("unreachable")


def confine(owner: int) -> None:
    """Become an ordinary user of a user namespace that owns nothing, for good."""
    os.setsid()
    if os.getuid() != owner:
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
    kernel.new_user_namespace(UID, owner, owner)
    kernel.drop_capabilities()
    kernel.set_dumpable(False)


def set_limits(limits: dict[str, float]) -> None:
    """Set the resource limits of the command; those of processes count per user namespace since Linux 5.14."""
    kernel.limit(resource.RLIMIT_CORE, 0, 0)
    for kind, name in ((resource.RLIMIT_NPROC, "processes"), (resource.RLIMIT_NOFILE, "open_files")):
        kernel.limit(kind, int(limits[name]), int(limits[name]))
    cpu_s = int(limits["cpu_s"]) + 1
    kernel.limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 2)


def join_groups(pid: int, handles: Sequence[int]) -> None:
    """Put a process, which should sleep, into control groups by their open `cgroup.procs`.

    A process that entered by itself would wait for the kernel many times as long.
    """
    for handle in handles:
        os.write(handle, str(pid).encode())
        os.close(handle)


def _obey(order: dict[str, Any], handles: list[int], told: socket.socket) -> None:
    told = place_handles(handles, told)
    set_limits(order["limits"])
    action: Callable[[dict[str, Any]], None] = {"exec": _execute, "read": _read, "write": _write}[order["action"]]
    try:
        os.chdir(root.WORKSPACE)
        action(order)
    except OSError as error:
        messages.send(told, {"failed": error.errno, "cause": error.strerror})
        os._exit(1)
    os._exit(0)


def place_handles(handles: list[int], told: socket.socket) -> socket.socket:
    """Put the command's streams where they belong: 0, 1, 2, and the report at 3. All else but `told` is closed."""
    kept = len(handles)
    high = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 64) for handle in (*handles, told.detach())]
    for number, handle in enumerate(high):
        os.dup2(handle, number, inheritable=number < kept)
    kernel.close_others(range(3, kept + 1))
    return messages.connection(kept)


def _execute(order: dict[str, Any]) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    argv: list[str] = order["argv"]
    try:
        try:
            _become(argv, order["env"])
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            os.execve("/bin/sh", ["sh", *argv], order["env"])
    except OSError as error:
        if error.errno not in _NOT_STARTED:
            raise
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
        os._exit(127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126)


def _become(argv: list[str], env: dict[str, str]) -> None:
    """Do what `os.execvpe` does, which imports modules for it that are not to be had inside."""
    folders = [""] if "/" in argv[0] else [f"{folder or '.'}/" for folder in env.get("PATH", os.defpath).split(":")]
    failed: OSError | None = None
    for folder in folders:
        try:
            os.execve(folder + argv[0], argv, env)
        except OSError as error:
            if failed is None or failed.errno in (errno.ENOENT, errno.ENOTDIR):
                failed = error
    if failed is not None:
        raise failed


_NOT_STARTED = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.EISDIR, errno.ELOOP)
"""What is the command's own failure, and told as a shell tells it."""


def execute_trusted(
    order: dict[str, Any], handles: list[int], told: socket.socket, owner: int, capabilities: Sequence[int]
) -> None:
    """Become a program of ours that works on a sandbox's files, as the user whose they are."""
    os.setsid()
    told = place_handles(handles, told)
    if os.getuid() != owner:
        kernel.become(owner, capabilities)
    try:
        with contextlib.suppress(OSError):
            os.chdir(order["cwd"])
        _execute(order)
    except OSError as error:
        messages.send(told, {"failed": error.errno, "cause": error.strerror})


def _read(order: dict[str, Any]) -> None:
    handle = os.open(order["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if found.st_size > order["at_most"]:
        raise OSError(errno.EFBIG, "it is too large")
    left = order["at_most"]
    while left and (data := os.read(handle, min(left, 1 << 20))):
        left -= len(data)
        _write_all(1, data)


def _write(order: dict[str, Any]) -> None:
    path = order["path"]
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    while data := os.read(0, 1 << 20):
        _write_all(handle, data)


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
