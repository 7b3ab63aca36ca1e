"""Runs inside the sandbox: starts an agent behind a bridge to the model gateway, and hands out its logs afterwards.

`launch.py run` reads a JSON object from standard input: `socket` (path of the gateway's unix socket), `port` (of
127.0.0.1, where the gateway listens too for sandboxes without unix sockets), `path` (the base path of this trial
there), `argv`, `env`, `files` (contents by path below the home), `prompt`, `stdin`, `capture`. It listens on a free
port of 127.0.0.1, forwards every connection to the socket, writes the files, runs the program in the current folder,
and ends with its exit code. `@URL@`, `@HOME@` and `@ROOT@` stand for the gateway's address, the home and the current
folder; an argument, a file or the standard input that is `@PROMPT@` stands for the prompt, which is never itself
searched.

`launch.py collect` reads `globs` (below the home) and writes the files that match, as a tar, to the report; and it
removes what matches `remove` (below the current folder).

Python 3.8 or newer, nothing but the standard library.
"""

import contextlib
import io
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

MAX_CAPTURE = 32 * 1024 * 1024
MAX_FILE = 16 * 1024 * 1024
MAX_TOTAL = 48 * 1024 * 1024
CAPTURED = ".worktrial/stdout"


class Bridge:
    """Forwards connections to a port of the loopback to a unix socket."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]

    def start(self):
        """Accept connections in the background."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            upstream.connect(self.target)
        except OSError as error:
            sys.stderr.write(f"worktrial: the model gateway does not answer: {error}\n")
            client.close()
            return
        back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
        back.start()
        _pump(client, upstream)
        back.join()
        client.close()
        upstream.close()


def _pump(source, sink):
    """Copy one direction of a connection; its end is passed on, a break closes both."""
    try:
        while True:
            data = source.recv(65536)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
    except OSError:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def has_unix_sockets():
    """Tell whether this sandbox has sockets that a bridge could be made of."""
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def bridged(target):
    """Start a bridge to a socket, and return its port."""
    bridge = Bridge(target)
    bridge.start()
    return bridge.port


def run(spec):
    """Run the agent and return its exit code."""
    home = os.environ["HOME"]
    url = ""
    if spec["socket"]:
        port = bridged(spec["socket"]) if has_unix_sockets() else spec["port"]
        url = f"http://127.0.0.1:{port}{spec['path']}"

    def filled(text):
        return text.replace("@URL@", url).replace("@HOME@", home).replace("@ROOT@", os.getcwd())

    for name, content in spec["files"].items():
        target = Path(home, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = spec["prompt"] if content == "@PROMPT@" else filled(content)
        target.write_bytes(text.encode("utf-8", "surrogateescape"))
    argv = [spec["prompt"] if part == "@PROMPT@" else filled(part) for part in spec["argv"]]
    env = {**os.environ, **{key: filled(value) for key, value in spec["env"].items()}}
    wanted = spec["stdin"]
    stdin = spec["prompt"] if wanted == "@PROMPT@" else wanted
    try:
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if spec["capture"] else None,
        )
    except (OSError, ValueError) as error:
        sys.stderr.write(f"worktrial: could not start {argv[0]}: {error}\n")
        return 126 if isinstance(error, PermissionError) else 127
    if stdin:
        threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
    if spec["capture"]:
        _capture(process.stdout, Path(home, CAPTURED))
    code = process.wait()
    return code if code >= 0 else 128 - code


def _feed(stream, text):
    with contextlib.suppress(OSError):  # it did not want to read all of it
        stream.write(text.encode("utf-8", "surrogateescape"))
        stream.close()


def _capture(stream, path):
    """Copy a stream to our own output, and the first of it to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = MAX_CAPTURE
    with path.open("wb") as kept:
        while True:
            data = stream.read1(65536)
            if not data:
                return
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            if left > 0:
                kept.write(data[:left])
                kept.flush()
                left -= len(data)


def collect(spec):
    """Write the files below the home that match to the report, plain ones only, the smallest first."""
    home = Path(os.environ["HOME"])
    found = {}
    for pattern in spec["globs"]:
        for path in home.glob(pattern):
            info = os.lstat(path)
            if stat.S_ISREG(info.st_mode):
                found[str(path.relative_to(home))] = info.st_size
    for pattern in spec["remove"]:
        for path in Path(".").glob(pattern):
            if path.is_symlink() or path.is_file():
                path.unlink()
            else:
                shutil.rmtree(str(path), ignore_errors=True)
    left = MAX_TOTAL
    with socket.socket(fileno=int(os.environ["WORKTRIAL_REPORT_FD"])) as report:
        stream = report.makefile("wb")
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            for name, size in sorted(found.items(), key=lambda item: item[1]):
                data = _read(home / name, min(size, MAX_FILE, left))
                left -= len(data)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        stream.close()
    return 0


def _read(path, size):
    try:
        handle = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as file:
        return file.read(max(0, size))


if __name__ == "__main__":
    given = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    code = {"run": run, "collect": collect}[sys.argv[1]](given)
    sys.stdout.flush()
    os._exit(code)  # threads of the bridge may still wait for a peer
