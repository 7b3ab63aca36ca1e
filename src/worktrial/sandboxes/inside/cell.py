"""A cell: one command in namespaces of its own, and the process that watches over it there.

The first process of a cell sets up what the command sees. Then it drops all it has: it enters a user namespace below
the engine's, where it has no rights over the cell's mounts and no capability at all, and goes under the filter on
system calls. So the command, which it starts as its child, has nothing to take from it, and cannot kill it either:
signals do not reach the first process of a pid namespace from inside. It waits for the command, kills what that leaves
behind, and only then says how it ended. Standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import contextlib
import errno
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
_LIKE_A_JOB = {
    "action": "exec",
    "env": {"PATH": os.defpath, **{f"VARIABLE_{number}": "text" * number for number in range(10)}},
    "view": None,
    "groups": 0,
}
"""To rehearse with: what is as large lies in the same pages."""
_ANY_KIND = 0x40000000
"""__WALL: also children that asked for their end to be told by another signal, or by none."""
NAMESPACES = kernel.NEWPID | kernel.NEWNS | kernel.NEWIPC | kernel.NEWUTS | kernel.NEWNET | kernel.NEWCGROUP


def be_cell(orders: socket.socket, owner: int, *, network: bool, masked: bool, ahead: bool) -> None:
    """Live as the first process of a cell: get ready, take a workspace, then a job, see it through. Never returns.

    All that comes over `orders`, and the answer goes there.
    `owner` is the user of the engine's namespace whose files a sandbox may write. A cell that is not `masked` sees
    /proc as it is and may make namespaces: it is for an interpreter that is kept warm. `ahead` says that nobody waits
    for it yet.
    """
    try:
        signal.set_wakeup_fd(-1)
        kernel.die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # which the first process of a pid namespace is not reached by
        kernel.set_dumpable(False)
        root.build_cell(masked)
        root.enter_cell()
        socket.sethostname("sandbox")
        if not network:
            kernel.loopback_up()
        woken = watch_children()
        if ahead:
            messages.rehearse(orders)
        order, handles = _next(orders)
        failed = _settle(order, handles, lambda view, handles: _close_view(view, handles, owner, masked))
        if order["ahead"]:
            _rehearse(orders, woken, confined=order["view"] is not None and failed is None)
        job, handles = _next(orders)
        try:
            if failed is not None:
                raise failed
            join_groups(0, [handles.pop() for _ in range(job["groups"])])
            if order["view"] is None:
                handles = _close_view(job["view"], handles, owner, masked)
        except OSError as error:
            messages.send(orders, {"error": str(error)})
            os._exit(1)
        _obey(job, handles, orders, woken)
    finally:
        os._exit(1)


def _next(orders: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return what comes next; end this cell when there will be nothing more."""
    received = messages.receive(orders)
    if received is None:
        os._exit(0)
    return received


def _settle(
    order: dict[str, Any], handles: list[int], close_view: Callable[[dict[str, Any], list[int]], list[int]]
) -> OSError | None:
    """Take a workspace, enter its control groups, and do with the view that is told; return why that cannot be done.

    This comes before the job, so that there is less to do when somebody waits for it. What the job is going to see is
    told where that is known already.
    """
    try:
        handles = attach_workspace(order, handles)
        join_groups(0, [handles.pop() for _ in range(order["groups"])])
        if order["view"] is not None:
            close_view(order["view"], handles)
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


def furnish(view: dict[str, Any], handles: list[int]) -> list[int]:
    """Attach what else a job is to see, and return the handles that are left for the command."""
    for mount in view["mounts"]:
        root.attach_mount(handles[0], mount["path"], mount["writable"])
        os.close(handles.pop(0))
    root.hold_read_only(view["read_only"])
    return handles


def _close_view(view: dict[str, Any], handles: list[int], owner: int, masked: bool) -> list[int]:
    """Show what else a job is to see, and drop all that this took; return the handles that are left."""
    handles = furnish(view, handles)
    root.seal()
    os.chdir(root.WORKSPACE)
    confine(owner)
    set_limits(view["limits"], keepers=1)
    if masked:
        seccomp.install()
    return handles


def _rehearse(orders: socket.socket, woken: int, *, confined: bool) -> None:
    """Do once what is going to be done when somebody waits for it: see `messages.rehearse`.

    Where it may be done by now, that includes a program: the first in new namespaces and groups takes longer.
    """
    if messages.waits(orders):
        return
    job, handles = messages.to_oneself({**_LIKE_A_JOB, "argv": ["true"] if confined else ["/"]}, [woken] * 3)
    with contextlib.suppress(OSError):
        _seen_through(_spawn(job["argv"], job["env"], handles), orders, woken)
    messages.close_all(handles)


def see_through(child: int, status: socket.socket, woken: int | None = None) -> None:
    """Wait for the command, end all that is left of it, and say how it ended. Never returns.

    `woken` is what `watch_children` returned, where it was called before. When nobody wants to know any more (the other
    end of `status` is closed) all ends at once.
    """
    _tell(status, _seen_through(child, status, watch_children() if woken is None else woken))


def _seen_through(child: int, status: socket.socket, woken: int) -> dict[str, Any]:
    """Wait for the command, end all that is left of it, and return how it ended."""
    ended = None
    try:
        ended = _wait_for(child, status, woken)
        kill_all()
    finally:
        # Nobody wants to know, or we cannot go on, which the command alone can have brought about: the kernel kills
        # what is left, and the command counts as killed.
        if ended is None:
            os._exit(1)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"status": ended, "cpu_s": used.ru_utime + used.ru_stime}


def _tell(status: socket.socket, said: dict[str, Any]) -> None:
    """Say how it ended, and end. Never returns."""
    try:
        messages.send(status, said)
        time.sleep(_LINGER_S)
    finally:
        os._exit(0)


def _tell_failed(status: socket.socket, error: OSError) -> None:
    """Say that a job could not be begun, or not be done by us, and end. Never returns."""
    _tell(status, {"status": 1 << 8, "failed": error.errno, "cause": error.strerror})


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
    while True:
        while True:
            try:
                pid, how = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                break
            if pid == child:
                return how
        for handle, _ in poll.poll():
            if handle != woken:
                return None
            os.read(woken, 4096)


def kill_all() -> None:
    """Kill every other process of this pid namespace and wait until they are gone.

    All of them are below its first, which we are: when that has no child of any kind, there is no other.
    """
    try:
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG | _ANY_KIND)
            if pid == 0:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
                os.waitpid(-1, _ANY_KIND)
    except ChildProcessError:
        return


def confine(owner: int) -> None:
    """Become an ordinary user of a user namespace that owns nothing, for good."""
    if os.getuid() != owner:
        os.setgroups([])
        os.setresgid(owner, owner, owner)
        os.setresuid(owner, owner, owner)
    kernel.new_user_namespace(UID, owner, owner)
    kernel.drop_capabilities()
    kernel.set_dumpable(False)
    kernel.die_with_parent()  # which another user would not


def set_limits(limits: dict[str, float], keepers: int = 0) -> None:
    """Set the resource limits of the command; those of processes count per user namespace since Linux 5.14.

    `keepers` is how many processes of ours there are in that.
    """
    kernel.limit(resource.RLIMIT_CORE, 0, 0)
    for kind, most in (
        (resource.RLIMIT_NPROC, int(limits["processes"]) + keepers),
        (resource.RLIMIT_NOFILE, int(limits["open_files"])),
    ):
        kernel.limit(kind, most, most)
    cpu_s = int(limits["cpu_s"]) + 1
    kernel.limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 2)


def join_groups(pid: int, handles: Sequence[int]) -> None:
    """Put a process (0: this one) into control groups by their open `cgroup.procs`."""
    for handle in handles:
        os.write(handle, str(pid).encode())
        os.close(handle)


def _obey(job: dict[str, Any], handles: list[int], status: socket.socket, woken: int) -> None:
    """Do what a job says on the streams that `handles` are, and say how it ended. Never returns."""
    if job["action"] == "exec":
        _execute(job, handles, status, woken)
    try:
        if job["action"] == "read":
            _read(job, handles[1])
        else:
            _write(job, handles[0])
    except OSError as error:
        _tell_failed(status, error)
    _tell(status, {"status": 0})


def _execute(job: dict[str, Any], handles: list[int], status: socket.socket, woken: int) -> None:
    """Start a program on its streams and see it through. Never returns."""
    try:
        try:
            child = _spawn(job["argv"], job["env"], handles)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            child = _spawn(["/bin/sh", *job["argv"]], job["env"], handles)
    except OSError as error:
        if error.errno not in _NOT_STARTED:
            _tell_failed(status, error)
        _write_all(handles[2], f"{job['argv'][0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
        _tell(status, {"status": (127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126) << 8})
    messages.close_all(handles)
    see_through(child, status, woken)


def _spawn(argv: list[str], env: dict[str, str], handles: list[int]) -> int:
    """Start a program in a session of its own, found as `os.execvpe` finds it, and return its process id.

    Its streams 0, 1, 2 and what comes after them are `handles`. Raises `OSError`.
    """
    folders = [""] if "/" in argv[0] else [f"{folder or '.'}/" for folder in env.get("PATH", os.defpath).split(":")]
    streams = [(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in enumerate(handles)]
    failed = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in folders:
        try:
            os.stat(folder + argv[0])  # starting what is not there takes much longer
            return os.posix_spawn(folder + argv[0], argv, env, file_actions=streams, setsid=True, setsigdef=_SIGNALS)
        except OSError as error:
            if failed.errno in (errno.ENOENT, errno.ENOTDIR):
                failed = error
    raise failed


_SIGNALS = signal.valid_signals()
"""What a program finds as it would anywhere, whatever this interpreter or who started us does with them."""
_NOT_STARTED = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.EISDIR, errno.ELOOP)
"""What is the command's own failure, and told as a shell tells it."""


def execute_trusted(
    order: dict[str, Any], handles: list[int], status: socket.socket, owner: int, capabilities: Sequence[int]
) -> None:
    """Run a program of ours that works on a sandbox's files, as the user whose they are. Never returns."""
    if os.getuid() != owner:
        kernel.become(owner, capabilities)
        kernel.die_with_parent()  # which another user would not
    with contextlib.suppress(OSError):
        os.chdir(order["cwd"])
    _execute(order, handles, status, watch_children())


def _read(order: dict[str, Any], into: int) -> None:
    handle = os.open(order["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if found.st_size > order["at_most"]:
        raise OSError(errno.EFBIG, "it is too large")
    left = order["at_most"]
    while left and (data := os.read(handle, min(left, 1 << 20))):
        left -= len(data)
        _write_all(into, data)


def _write(order: dict[str, Any], source: int) -> None:
    path = order["path"]
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    while data := os.read(source, 1 << 20):
        _write_all(handle, data)


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
