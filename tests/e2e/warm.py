"""Commands in processes of their own that begin where all is imported: forked from one that has done nothing else.

What a command costs before it does anything is imports, most of a second of them, and the tests give hundreds. This
file is also the program that forks: it reads what to run from a socket, one after the other, and has no thread.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ELSEWHERE = re.compile(r"\.(inside|harness)(\.|$)|__main__")
"""Modules that run in sandboxes, in programs of their own."""
_HANDLES = 3


class Warm:
    """Runs commands in forks of a program that it keeps."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._program: subprocess.Popen[bytes] | None = None

    def run(
        self, arguments: Sequence[str], *, folder: Path, env: Mapping[str, str], timeout_s: float
    ) -> tuple[int, bytes, bytes]:
        """Run `worktrial` and return its exit code (minus a signal), output and errors, as `subprocess.run` would.

        Raises `subprocess.TimeoutExpired`, with the command killed.
        """
        ours, theirs = socket.socketpair()
        out, err = os.memfd_create("out"), os.memfd_create("err")
        try:
            with ours, theirs:
                socket.send_fds(self._started(), [b"run"], [theirs.fileno(), out, err])
                theirs.close()
                asked = {"arguments": list(arguments), "folder": str(folder), "env": dict(env)}
                ours.sendall(json.dumps(asked).encode())
                ours.shutdown(socket.SHUT_WR)
                pid = _number(ours)
                ours.settimeout(timeout_s)
                try:
                    code = _number(ours)
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    ours.settimeout(None)
                    _number(ours)
                    raise subprocess.TimeoutExpired(list(arguments), timeout_s, _read(out), _read(err)) from None
            return code, _read(out), _read(err)
        finally:
            os.close(out)
            os.close(err)

    def close(self) -> None:
        """End the program."""
        if self._control is not None and self._program is not None:
            self._control.close()
            self._program.wait()
            self._control = self._program = None

    def _started(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._program = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a fork has none of the other threads
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
        return self._control


def _number(source: socket.socket) -> int:
    """Return the number on the next line, byte by byte: a file could not be read on after a timeout."""
    digits = b""
    while (byte := source.recv(1)) != b"\n":
        assert byte, "what forks the commands has ended"
        digits += byte
    return int(digits)


def _read(handle: int) -> bytes:
    return os.pread(handle, os.fstat(handle).st_size, 0)


# -- the program --


def _import_all() -> None:
    import worktrial

    for found in pkgutil.walk_packages(worktrial.__path__, "worktrial."):
        if not _ELSEWHERE.search(found.name):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


def _next(control: socket.socket) -> list[int]:
    """Return the handles of the next command; none when nobody is there to ask for more."""
    _, handles, _, _ = socket.recv_fds(control, 16, _HANDLES)
    return handles


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork for each command; return what to run in the process that is to run it, None at the end."""
    while handles := _next(control):
        if os.fork() == 0:
            asking = socket.socket(fileno=handles[0])
            with asking.makefile("r") as source:
                asked: dict[str, Any] = json.load(source)
            if (command := os.fork()) == 0:
                asked["handles"] = handles[1:]
                asking.close()
                control.close()
                return asked
            asking.sendall(f"{command}\n".encode())
            _, status = os.waitpid(command, 0)
            asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        for handle in handles:
            os.close(handle)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    return None


def _become(asked: dict[str, Any]) -> None:
    """Make this process what `python -m worktrial` would be."""
    out, err = asked["handles"]
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 1 << 10)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    tempfile.tempdir = None
    package = Path(sys.modules["worktrial"].__path__[0])
    sys.argv = [str(package / "__main__.py"), *asked["arguments"]]
    sys.orig_argv[:] = [sys.executable, "-m", "worktrial", *asked["arguments"]]
    sys.path.insert(0, str(Path.cwd()))


def _main() -> None:
    sys.path.pop(0)  # the folder of this file
    _import_all()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        _become(asked)
        from worktrial.cli.main import main

        main()


if __name__ == "__main__":
    _main()
