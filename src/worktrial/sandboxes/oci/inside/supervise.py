"""Runs one command inside a container within its limits, and passes on what it prints and reports.

Runs inside, with the standard library of Python 3.8 or newer.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import selectors
import signal
import socket
import struct
import time

import frames
import seccomp

_POLL_S = 0.1
_DRAIN_S = 2.0
_PIECE = 65536
_CAPABILITY_VERSION = 0x20080522
_REPORT = 3
"""The command's descriptor for its report: of one digit, as `sh` knows no longer ones."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CPU = os.sysconf("SC_CLK_TCK")


def say(kind, data=b""):
    """Write one frame to the host, all of it."""
    view = memoryview(frames.frame(kind, data))
    while view:
        view = view[os.write(1, view) :]


class Usage:
    """What the container has used, by its cgroups where they can be seen, by /proc where not (gVisor, no cgroups)."""

    def __init__(self, spec):
        self._spec = spec
        self._oom = _counter(("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events"), "oom_kill")
        self._pids = _counter(("/sys/fs/cgroup/pids/pids.events", "/sys/fs/cgroup/pids.events"), "max")

    def exceeded(self):
        """Return which limit was passed, empty when none was."""
        killed, refused = self._oom(), self._pids()
        processes = _processes()
        if refused or len(processes) > self._spec["processes"]:
            return "process_flood"
        if killed or (killed is None and _resident(processes) > self._spec["memory_bytes"]):
            return "out_of_memory"
        if _cpu_s(processes) > self._spec["cpu_s"]:
            return "cpu_exhausted"
        return ""


def _counter(paths, name):
    """Return a function for a counter of the first of some files that has it; it returns None where none does."""
    for path in paths:
        if _count(path, name) is not None:
            return lambda: _count(path, name)
    return lambda: None


def _count(path, name):
    try:
        with open(path) as lines:
            for line in lines:
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    except (OSError, ValueError):
        return None
    return None


def _processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _resident(processes):
    total = 0
    for pid in processes:
        try:
            with open(f"/proc/{pid}/statm") as statm:
                total += int(statm.read().split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            continue
    return total


def _cpu_s(processes):
    """Return the processor seconds of all processes, those that ended and were waited for included."""
    for path, unit in (("/sys/fs/cgroup/cpuacct/cpuacct.usage", 1e9),):
        try:
            with open(path) as usage:
                return int(usage.read()) / unit
        except (OSError, ValueError):
            pass
    used = _count("/sys/fs/cgroup/cpu.stat", "usage_usec")
    if used is not None:
        return used / 1e6
    total = sum(os.times()[2:4])
    for pid in processes:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / _CPU
        except (OSError, ValueError, IndexError):
            continue
    return total


def run(spec, reader, pending):
    """Run the command of `spec` to its end; `pending` holds frames that came with it."""
    _Supervisor(spec, reader).run(pending)


class _Supervisor:
    def __init__(self, spec, reader):
        self.spec = spec
        self.reader = reader
        self.selector = selectors.DefaultSelector()
        self.input = bytearray()
        self.no_more_input = False
        self.sources = {}
        self.left = {frames.OUTPUT: spec["output_bytes"], frames.ERRORS: spec["output_bytes"]}
        self.reported = spec["report_bytes"]
        self.why = ""
        self.usage = Usage(spec)

    def run(self, pending):
        started = time.monotonic()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.child, failure = self.start()
        if failure:
            say(frames.END, json.dumps({"failure": failure}).encode())
            return
        say(frames.STARTED)
        self.selector.register(0, selectors.EVENT_READ, self.on_host)
        self.selector.register(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, 4096))
        for kind, data in pending:
            self.take(kind, data)
        status = None
        deadline = started + self.spec["timeout_s"]
        look = started + _POLL_S
        while status is None and not self.why:
            for key, _ in self.selector.select(max(0.0, min(look, deadline) - time.monotonic())):
                key.data()
            status = self.reap()
            now = time.monotonic()
            if status is None and not self.why and now >= deadline:
                self.why = "timeout"
            elif now >= look:
                look = now + _POLL_S
                self.why = self.why or self.usage.exceeded()
        if self.why != "output_flood":  # the last bit may have been what broke a limit
            self.why = self.why or self.usage.exceeded()
        wall_s = time.monotonic() - started
        self.end_all()
        self.drain()
        code = os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None
        if status is not None and os.WIFSIGNALED(status):
            code = -os.WTERMSIG(status)
        end = {"why": self.why or "completed", "code": code, "wall_s": wall_s, "full": _is_full(self.spec["bounded"])}
        say(frames.END, json.dumps(end).encode())

    def start(self):
        """Start the command; return its pid and, when it could not be started, why."""
        spec = self.spec
        in_read, in_write = os.pipe2(os.O_CLOEXEC)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC) if spec["apart"] else (-1, out_write)
        say_read, say_write = os.pipe2(os.O_CLOEXEC)
        # Not a pipe: its writing end could be opened for reading through /proc, and what was said taken back.
        ours, theirs = socket.socketpair()
        ours.shutdown(socket.SHUT_WR)
        theirs.shutdown(socket.SHUT_RD)
        argv = [os.fsencode(part) for part in spec["argv"]]
        env = {os.fsencode(key): os.fsencode(value) for key, value in spec["env"].items()}
        pid = os.fork()
        if pid == 0:
            try:
                _become(spec, (in_read, out_write, err_write), theirs.fileno() if spec["report"] else -1, env)
                try:
                    os.execvpe(argv[0], argv, env)
                except OSError as error:
                    if error.errno == errno.E2BIG:
                        os.write(say_write, os.strerror(error.errno).encode())
                    os.write(2, b"%s: %s\n" % (argv[0], os.strerror(error.errno).encode()))
                    os._exit(127 if error.errno == errno.ENOENT else 126)
            except BaseException as error:  # noqa: BLE001 - a fork of ours must not go on as us
                os.write(say_write, repr(error).encode())
            finally:
                os._exit(125)
        for handle in {in_read, out_write, err_write, say_write}:
            os.close(handle)
        theirs.close()
        failure = os.read(say_read, 4096).decode("utf-8", "replace")
        os.close(say_read)
        os.set_blocking(in_write, False)
        self.in_write = in_write
        self.watch(out_read, frames.OUTPUT)
        if spec["apart"]:
            self.watch(err_read, frames.ERRORS)
        if spec["report"]:
            self.watch(ours.detach(), frames.REPORT)
        return pid, failure

    def watch(self, handle, kind):
        os.set_blocking(handle, False)
        self.sources[handle] = kind
        self.selector.register(handle, selectors.EVENT_READ, lambda: self.pass_on(handle))

    def pass_on(self, handle):
        """Pass on one piece of what the command said; return whether there was one."""
        try:
            data = os.read(handle, _PIECE)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            data = b""
        if not data:
            self.selector.unregister(handle)
            os.close(handle)
            del self.sources[handle]
            return False
        kind = self.sources[handle]
        if kind == frames.REPORT:
            data = data[: self.reported]
            self.reported -= len(data)
        else:
            self.left[kind] -= len(data)
            if self.left[kind] < 0:
                self.why = self.why or "output_flood"
        if data:
            say(kind, data)
        return True

    def on_host(self):
        """Take what the host sends; when it is gone, so are we and everything in here."""
        data = os.read(0, 1 << 20)
        if not data:
            os._exit(0)
        for kind, content in self.reader.feed(data):
            self.take(kind, content)

    def take(self, kind, data):
        if kind == frames.INPUT:
            self.input += data
            self.no_more_input = self.no_more_input or not data
            self.give_input()

    def give_input(self):
        """Write to the command's standard input what it takes now; one that reads none is no failure."""
        if self.in_write < 0:
            return
        try:
            while self.input:
                del self.input[: os.write(self.in_write, self.input[:_PIECE])]
        except BlockingIOError:
            if self.in_write not in self.selector.get_map():
                self.selector.register(self.in_write, selectors.EVENT_WRITE, self.give_input)
            return
        except OSError:  # it closed it, or is gone
            self.input.clear()
            self.no_more_input = True
        if self.in_write in self.selector.get_map():
            self.selector.unregister(self.in_write)
        if self.no_more_input:
            os.close(self.in_write)
            self.in_write = -1

    def reap(self):
        """Collect all that ended, orphans too; return the command's status once it has."""
        status = None
        while True:
            try:
                pid, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return status
            if pid == 0:
                return status
            if pid == self.child:
                status = code

    def end_all(self):
        """Kill every other process of the container, and wait until they are gone."""
        deadline = time.monotonic() + _DRAIN_S
        while _processes() and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            self.reap()
            time.sleep(0.002)

    def drain(self):
        """Pass on what is left in the streams: nobody writes to them any more."""
        for handle in list(self.sources):
            while handle in self.sources and self.why != "output_flood" and self.pass_on(handle):
                pass


def _become(spec, streams, report, env):
    """Make of a forked process the command: its streams, its user, its limits."""
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
    if report >= 0:
        os.dup2(report, _REPORT)
        env[b"WORKTRIAL_REPORT_FD"] = b"%d" % _REPORT
    os.setsid()
    os.umask(0o022)
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    if os.getuid() != spec["uid"]:
        os.setgroups([])
        os.setresgid(spec["gid"], spec["gid"], spec["gid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    # Root would keep them; and as the container may gain no privileges, starting a program does not bring them back.
    if ctypes.CDLL(None, use_errno=True).capset(struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)):
        raise OSError(ctypes.get_errno(), "could not drop capabilities")
    os.chdir(spec["cwd"])
    if seccomp.known():  # on top of the runtime's own filter, which podman's root, for one, has less in
        seccomp.install()


def _is_full(folders):
    """Return whether one of some bounded file systems has no room left."""
    for folder in folders:
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        if found.f_bavail * found.f_frsize < 1024 * 1024 or (found.f_files and not found.f_favail):
            return True
    return False
