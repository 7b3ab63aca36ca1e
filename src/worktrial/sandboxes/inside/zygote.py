"""An interpreter kept warm: it has imported its modules and forks workers that run scripts as if started afresh.

It runs with the interpreter of a task's environment, as the command of a cell: without any capability, seeing a
sandbox's root and the mounts of its commands but no workspace. A worker is forked ahead of its job. It enters
namespaces of its own, in which it has what it takes to build a view of the job's workspace, and forks the process that
the job is going to be: that drops everything just as the command of a cell does, waits, and then runs the script.
Standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import fcntl
import gc
import importlib
import importlib.machinery
import io
import os
import random
import signal
import socket
import sys
import time
import types
from typing import Any

from worktrial.sandboxes.inside import cell, kernel, messages, root, seccomp

_NOT_FLUSHED = 120
"""Exit code of an interpreter that could not write what it had printed."""


def main(control: int, script_folder: str) -> None:
    """Import what the first message names, say so, and fork a worker for each socket that is sent from then on.

    Never returns.
    """
    if sys.path[:1] == [""]:  # where an interpreter that was given a script has the folder that it is in
        sys.path[0] = script_folder
    source = messages.connection(control)
    received = messages.receive(source)
    if received is None:
        return
    _load(received[0]["modules"])
    seccomp.assembled()
    messages.send(source, {"ready": True})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers are nobody's to wait for
    while True:
        received = messages.receive(source)
        if received is None:
            os._exit(0)
        answers = received[1][0]
        if os.fork() == 0:
            source.detach()
            break
        os.close(answers)
    job = _become_worker(answers)
    run(job)


def _load(modules: list[str]) -> None:
    """Import modules, as far as that can be done."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001, S112 - the environment's code raises what it likes; the script will see it too
            continue
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.collect()
    gc.freeze()  # for good: a job that collects looks through its own objects, and leaves the pages of ours shared


def _become_worker(answers: int) -> dict[str, Any]:
    """Enter namespaces of one's own, and have the first process of them see a job through that is forked there.

    Returns in the process that is to be the job, when there is one to do.
    """
    job = None
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kernel.close_others((answers,))
        kernel.die_with_parent()
        kernel.new_user_namespace(cell.UID, os.getuid(), os.getgid(), cell.NAMESPACES)
        first = os.fork()
        if first:
            os.close(answers)
            os.waitpid(first, 0)
        else:
            job = _be_first(messages.connection(answers))
    finally:
        if job is None:
            os._exit(1)
    return job


def _say(answers: socket.socket, said: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        messages.send(answers, said)


def _be_first(answers: socket.socket) -> dict[str, Any] | None:
    """Live as the first process of a worker; in the process that it forks for the job, return with that."""
    try:
        kernel.die_with_parent()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # which the first process of a pid namespace is not reached by
        kernel.mount("", "/", "", kernel.REC | kernel.PRIVATE)
        root.own_views("", masked=True)
        socket.sethostname("sandbox")
        kernel.loopback_up()
        told, tell = messages.pair()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            answers.detach()
            tell.detach()
            return _wait_for_job(told)
        kernel.set_dumpable(False)
        told.close()
        pidfd = kernel.pidfd_open(1)
        messages.send(answers, {"ready": True}, (pidfd,))
        os.close(pidfd)
        messages.rehearse(answers)
        received = messages.receive(answers)
        if received is None:
            os._exit(0)
        order, handles = received
        handles = cell.furnish(order["view"], cell.attach_workspace(order, handles))
        cell.join_groups(child, [handles.pop() for _ in range(order["groups"])])
        kernel.keep_capabilities(kernel.CAP_KILL)
        messages.send(tell, order, handles)
        for handle in handles:
            os.close(handle)
    except OSError as error:
        _say(answers, {"error": str(error)})
        os._exit(1)
    cell.see_through(child, answers)
    return None


def _wait_for_job(told: socket.socket) -> dict[str, Any] | None:
    """Drop everything, wait for the job, and take its streams."""
    kernel.close_others((told.fileno(),))
    os.setsid()
    cell.confine(cell.UID)
    seccomp.install()
    messages.rehearse(told)
    _compile(b"", "")
    received = messages.receive(told)
    if received is None:
        return None
    order, handles = received
    _place_handles(handles, told).close()
    cell.set_limits(order["view"]["limits"])
    kernel.set_dumpable(True)  # as any program that was just started
    return order


def _place_handles(handles: list[int], told: socket.socket) -> socket.socket:
    """Put the command's streams where they belong: 0, 1, 2, and the report at 3. All else but `told` is closed."""
    kept = len(handles)
    high = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 64) for handle in (*handles, told.detach())]
    for number, handle in enumerate(high):
        os.dup2(handle, number, inheritable=number < kept)
    kernel.close_others(range(3, kept + 1))
    return messages.connection(kept)


def run(job: dict[str, Any]) -> None:
    """Run the job's script in this process as an interpreter that was just started with it would."""
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(root.WORKSPACE)
    _forget_listings()
    time.tzset()
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    for name in [name for name in sys.modules if name == "worktrial" or name.startswith("worktrial.")]:
        del sys.modules[name]
    sys.argv[:] = job["script"]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = job["argv"]
    gc.enable()
    try:
        _execute(job["script"][0])
    except SystemExit as leaving:
        _leave(leaving.code)
    _leave(None)


def _leave(code: object) -> None:
    """End as an interpreter does, but that no object is taken apart: after a fork that would copy all there are."""
    _flush_output()
    status = 0 if code is None else code if isinstance(code, int) else 1
    if code is not None and not isinstance(code, int) and sys.stderr is not None:
        sys.stderr.write(f"{code}\n")
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    with contextlib.suppress(BaseException):  # Python up to 3.9 raises the last error again, having shown all
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:  # noqa: BLE001 - a stream of the script's own raises what it likes
            status = _NOT_FLUSHED
    os._exit(status & 0xFF)


def _flush_output() -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()


def _forget_listings() -> None:
    """Have imports look anew at folders that were others for the zygote, or were not there.

    What a folder lists is kept by its time of change, and that may be the same: it moves on every few milliseconds.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if finder is None or (path + "/").startswith((root.WORKSPACE + "/", root.TMP + "/", root.HOME + "/")):
            del sys.path_importer_cache[path]


def _compile(source: bytes, path: str) -> types.CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def _execute(path: str) -> None:
    """Execute a file as `__main__`; what it raises is shown without our part of it."""
    module = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    module.__dict__.update(__file__=path, __builtins__=builtins, __loader__=loader, __cached__=None)
    sys.modules["__main__"] = module
    try:
        with io.open_code(path) as file:
            code = _compile(file.read(), path)
        exec(code, module.__dict__)  # noqa: S102 - that is what it is for
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - it ends as the interpreter would have ended it
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        _flush_output()
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)
