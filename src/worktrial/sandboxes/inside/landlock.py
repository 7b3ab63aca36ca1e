"""Confines one command by Landlock, seccomp and limits, and watches over it. Standard library, Python 3.8 or newer.

Started as `python -I -S landlock.py SPEC PROGRAM ARGUMENT…`; SPEC is a JSON file that `worktrial.sandboxes.landlock`
wrote, with the variables of the command in it: they are not for this process, which stays outside of the confinement.
Every descendant that loses its parent becomes its child, so that none gets away, and all are killed when the command
ends or worktrial does.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from typing import Any

if TYPE_CHECKING or __name__ != "__main__":
    from worktrial.sandboxes.inside import seccomp
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import seccomp  # this file's neighbour: worktrial is not to be had here

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION = 1
_BENEATH, _NET_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_RIGHTS_OF_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights on files a version knows; 16 from the fifth on."""
_FOR_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
_PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 28, 47, 2
_KEEP_CAPS_ON_SETUID = 1 << 2  # SECBIT_NO_SETUID_FIXUP
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63

LEAST_ABI_FOR_A_PORT = 4
"""Linux 6.7: before it Landlock cannot tell one TCP port from another."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _NetPort(ctypes.Structure):
    _fields_ = [("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """Return the version of Landlock that the kernel has switched on, 0 for none."""
    ask = (None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    return max(0, int(_libc.syscall(ctypes.c_long(_CREATE_RULESET), *ask)))


def restrict(version: int, spec: dict[str, Any]) -> None:
    """Allow this process what `spec` names of files, and nothing of what else this version can take away.

    The keys: `read` (paths), `run` (paths read and executed), `list` (folders in which names are seen), `devices` (read
    and written), `write` (paths to do anything in but make devices), `network` (keep TCP as it is), `port` (the one TCP
    port that may be connected to, or None). Paths that are not there are left out.
    """
    everything = (1 << _RIGHTS_OF_ABI.get(version, 16)) - 1
    rules = _Ruleset(everything)
    if version >= LEAST_ABI_FOR_A_PORT and not spec["network"]:
        rules.net = _BIND_TCP | _CONNECT_TCP
    if version >= 6:
        rules.scoped = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    read = _READ_FILE | _READ_DIR
    _allow(ruleset, spec["read"], read & everything)
    _allow(ruleset, spec["run"], (read | _EXECUTE) & everything)
    _allow(ruleset, spec["list"], _READ_DIR & everything)
    _allow(ruleset, spec["devices"], (_READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & everything)
    _allow(ruleset, spec["write"], everything & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV))
    if rules.net and spec["port"] is not None:
        rule = _NetPort(_CONNECT_TCP, spec["port"])
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_NET_PORT), ctypes.byref(rule), ctypes.c_uint32(0))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    rule = _PathBeneath()
    what = (ctypes.c_int(ruleset), ctypes.c_int(_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))  # once for hundreds
    for path in paths:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        rule.allowed = rights if stat.S_ISDIR(os.fstat(handle).st_mode) else rights & _FOR_A_FILE
        rule.parent = handle
        _call(_ADD_RULE, *what)
        os.close(handle)


def become(uid: int, capability: int | None) -> None:
    """Become the user `uid`, for good, without any capability but `capability`. Only for root."""
    if capability is not None:
        _prctl(_PR_SET_SECUREBITS, _KEEP_CAPS_ON_SETUID)
    for number in range(_LAST_CAPABILITY + 1):
        if number != capability:
            _libc.prctl(_PR_CAPBSET_DROP, *map(ctypes.c_ulong, (number, 0, 0, 0)))  # beyond the last: EINVAL
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    mask = 0 if capability is None else 1 << capability
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
    if _libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")
    if capability is not None:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def limit(limits: dict[str, int]) -> None:
    """Set resource limits by the kernel's names (`NPROC`, `NOFILE`, …), never above what is allowed."""
    for name, wanted in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # One second more to the hard limit of processor time: the soft one has a signal of its own to be told by.
        top = value + 1 if name == "CPU" and hard == resource.RLIM_INFINITY else value
        resource.setrlimit(kind, (value, top))


def _call(number: int, *arguments: Any) -> int:
    done = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return done


def _prctl(option: int, *arguments: int) -> None:
    if _libc.prctl(option, *map(ctypes.c_ulong, (*arguments, 0, 0, 0, 0)[:4])):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def confine(spec: dict[str, Any]) -> None:
    """Confine this process as `spec` says. Raises `OSError` when any part of it cannot be had."""
    os.umask(0o022)
    limit(spec["limits"])
    if spec["uid"] is not None:
        become(spec["uid"], spec["capability"])
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    restrict(spec["abi"], spec)
    # No unix sockets either way: Landlock does not see who connects to one by its path, and behind such a path may be
    # a session bus that starts programs, or a keeper of keys.
    families = (seccomp.AF_INET, seccomp.AF_INET6, seccomp.AF_NETLINK) if spec["network"] else ()
    to_port = spec["port"] is not None and spec["abi"] >= LEAST_ABI_FOR_A_PORT
    seccomp.install(families, allow_ipc=False, only_tcp=to_port and not spec["network"])


def watch(child: int) -> int:
    """Wait for `child`, then kill all that is left below this process; return what a shell would call its end."""
    code = None
    while code is None:
        pid, status = os.wait()
        if pid == child:
            code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    kill_below()
    return code


def kill_below() -> None:
    """Kill and reap until there is no descendant left: whose parent dies becomes ours."""
    stopped: set[int] = set()
    while found := set(_below(os.getpid())) - stopped:  # so that none starts others while we go round
        _signal(found, signal.SIGSTOP)
        stopped |= found
    while True:
        _signal(_below(os.getpid()), signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _below(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children", "rb") as children:
                    found += map(int, children.read().split())
    return found[1:]


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def main() -> None:
    """Confine and run what the arguments say, and end as it does."""
    path, argv = sys.argv[1], sys.argv[2:]
    with open(path, "rb") as file:
        spec = json.load(file)
    os.unlink(path)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _ended)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != spec["parent"]:
        sys.exit("worktrial has ended")
    child = os.fork()
    if child == 0:
        _run(spec, argv)
    # What the command reads and writes is its own: a stream ends when it lets go of it.
    os.closerange(0, 1024)
    os._exit(watch(child))


def _ended(*_: object) -> NoReturn:
    kill_below()
    os._exit(1)


def _run(spec: dict[str, Any], argv: list[str]) -> NoReturn:
    env = spec["env"]
    env.update((name, os.environ[name]) for name in spec["keep"] if name in os.environ)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        confine(spec)
    except BaseException as error:  # noqa: BLE001 - whatever it is, nothing may run unconfined
        os.write(2, f"{spec['failed']}: {error}\n".encode())
        os._exit(125)
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
        os._exit(127 if error.errno == errno.ENOENT else 126)


if __name__ == "__main__":
    main()
