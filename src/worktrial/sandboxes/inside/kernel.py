"""The system calls that sandboxes are made of, for which Python has no function. Standard library, Python 3.8 or newer.

Calls go through `PyDLL`, which keeps the interpreter's lock: a child made by `clone` is a whole Python at once. Numbers
are those of x86_64 and aarch64; those from 424 on are the same everywhere.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE, SLAVE = 1, 2, 4, 8, 0x1000, 0x4000, 1 << 18, 1 << 19
REMOUNT = 32
DETACH = 2
AT_FDCWD = -100
CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_MKNOD = 0, 1, 3, 4, 5, 27

_CLONE_TREE, _CLOEXEC, _RECURSIVE, _EMPTY_PATH = 1, 0o2000000, 0x8000, 0x1000
_PDEATHSIG, _DUMPABLE, _CAPBSET_DROP, _NO_NEW_PRIVS, _AMBIENT, _SET_SECUREBITS = 1, 4, 24, 38, 47, 28
_NO_SETUID_FIXUP = 4
_COLUMN = 0 if os.uname().machine == "x86_64" else 1
_CLONE, _PIVOT_ROOT, _CAPSET = ((56, 220)[_COLUMN], (155, 41)[_COLUMN], (126, 91)[_COLUMN])
_OPEN_TREE, _MOVE_MOUNT, _PIDFD_OPEN, _CLOSE_RANGE, _OPENAT2, _MOUNT_SETATTR = 428, 429, 434, 436, 437, 442
_CAPABILITY_VERSION = 0x20080522
_LIBC = ctypes.PyDLL(None, use_errno=True)
_LIBC.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _call(number: int, *args: object, what: str) -> int:
    given = [ctypes.c_long(value) if isinstance(value, int) else value for value in args]
    return _checked(int(_LIBC.syscall(ctypes.c_long(number), *given)), what)


def clone(flags: int) -> int:
    """Fork into new namespaces: like `os.fork`, but that the child may be the first process of its own."""
    return _call(_CLONE, flags | 17, 0, 0, 0, 0, what="clone")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; of NEWPID only children see anything."""
    _checked(_LIBC.unshare(flags), "unshare")


def setns(handle: int, kind: int = 0) -> None:
    """Enter the namespace that `handle` stands for."""
    _checked(_LIBC.setns(handle, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Call mount(2)."""
    _checked(
        _LIBC.mount(
            os.fsencode(source), os.fsencode(target), os.fsencode(kind), ctypes.c_ulong(flags), os.fsencode(data)
        ),
        f"mount {target}",
    )


def detach(target: str) -> None:
    """Take a mount and all below it out of the tree; it goes when nobody uses it any more."""
    _checked(_LIBC.umount2(os.fsencode(target), DETACH), f"umount {target}")


def open_tree(path: str, recursive: bool = False, folder: int = AT_FDCWD) -> int:
    """Return a copy of the mount at `path` (relative to `folder`), attached nowhere, as a file descriptor."""
    flags = _CLONE_TREE | _CLOEXEC | (_RECURSIVE if recursive else 0) | (0 if path else _EMPTY_PATH)
    return _call(_OPEN_TREE, folder, ctypes.c_char_p(os.fsencode(path)), flags, what=f"open_tree {path}")


def attach(tree: int, target: str, folder: int = AT_FDCWD) -> None:
    """Attach what `open_tree` returned at `target`; an empty target is `folder` itself."""
    from_empty, to_empty = 4, (0 if target else 0x40)
    to = ctypes.c_char_p(os.fsencode(target))
    _call(_MOVE_MOUNT, tree, ctypes.c_char_p(b""), folder, to, from_empty | to_empty, what=f"move_mount {target}")


def restrict(tree: int, flags: int, recursive: bool = False) -> None:
    """Set mount attributes (RDONLY, NOSUID, NODEV, NOEXEC) of a tree that is open. Needs Linux 5.12."""
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)
    how = _EMPTY_PATH | (_RECURSIVE if recursive else 0)
    _call(_MOUNT_SETATTR, tree, ctypes.c_char_p(b""), how, ctypes.c_char_p(attributes), 32, what="mount_setattr")


def bind(source: str, target: str, flags: int, recursive: bool = False) -> None:
    """Show `source` at `target` too, with these attributes."""
    tree = open_tree(source, recursive)
    try:
        bind_tree(tree, target, flags, recursive)
    finally:
        os.close(tree)


def bind_tree(tree: int, target: str, flags: int, recursive: bool = False) -> None:
    """Attach a tree at `target` with these attributes; before Linux 5.12 only its topmost mount gets them."""
    try:
        if flags:
            restrict(tree, flags, recursive)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        attach(tree, target)
        mount("", target, "", BIND | REMOUNT | flags)
    else:
        attach(tree, target)


def pivot_root(folder: str) -> None:
    """Make a mounted folder the root of this mount namespace and let go of the old one."""
    os.chdir(folder)
    dot = ctypes.c_char_p(b".")
    _call(_PIVOT_ROOT, dot, dot, what="pivot_root")
    detach(".")
    os.chdir("/")


def open_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """Open `path` below an open folder, through no symbolic link at all."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, 0x04 | 0x08)  # RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
    name = ctypes.c_char_p(os.fsencode(path))
    return _call(_OPENAT2, folder, name, ctypes.c_char_p(how), len(how), what=f"open {path}")


def pidfd_open(pid: int) -> int:
    """Return a file descriptor that stands for a process."""
    return _call(_PIDFD_OPEN, pid, 0, what="pidfd_open")


def close_others(keep: Iterable[int]) -> None:
    """Close all file descriptors but these and the first three."""
    first = 3
    for handle in sorted(keep):
        if handle > first:
            _close_range(first, handle - 1)
        first = max(first, handle + 1)
    _close_range(first, 0xFFFFFFFF)


def _close_range(first: int, last: int) -> None:
    if last < first:
        return
    try:
        _call(_CLOSE_RANGE, first, last, 0, what="close_range")
    except OSError:
        os.closerange(first, min(last, 1 << 20) + 1)


def prctl(option: int, *values: int) -> None:
    """Call prctl(2)."""
    _checked(_LIBC.prctl(option, *(*values, 0, 0, 0, 0)[:4]), "prctl")


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that made it ends."""
    prctl(_PDEATHSIG, 9)


def set_dumpable(value: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    prctl(_DUMPABLE, int(value))


def keep_capabilities(*kept: int) -> None:
    """Drop all capabilities of this process but these, which it keeps even over `execve` when they are ambient."""
    _capset(sum(1 << number for number in kept))


def drop_capabilities() -> None:
    """Drop all capabilities of this user namespace for good; programs with file capabilities give none back."""
    number = 0
    while _LIBC.prctl(_CAPBSET_DROP, number, 0, 0, 0) == 0:  # until the kernel has no more
        number += 1
    _capset(0)
    prctl(_NO_NEW_PRIVS, 1)


def become(uid: int, capabilities: Iterable[int]) -> None:
    """Go on as `uid`, of the same group number, with just these capabilities, and have programs started get them."""
    prctl(_SET_SECUREBITS, _NO_SETUID_FIXUP)  # or access(2) would go by what `uid` may do without them
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _capset(sum(1 << number for number in capabilities))
    for number in capabilities:
        prctl(_AMBIENT, 2, number)


def _capset(mask: int) -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = struct.pack("IIIIII", low, low, low, high, high, high)
    _call(_CAPSET, ctypes.c_char_p(header), ctypes.c_char_p(data), what="capset")


def loopback_up() -> None:
    """Switch on the loopback device of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def limit(kind: int, soft: int, hard: int) -> None:
    """Set a resource limit, no higher than it may be."""
    highest = resource.getrlimit(kind)[1]
    if highest != resource.RLIM_INFINITY:
        hard = min(hard, highest)
    resource.setrlimit(kind, (min(soft, hard), hard))


def new_user_namespace(inside: int, uid: int, gid: int, more: int = 0) -> None:
    """Enter a user namespace in which this process's user and group, and no other, have the number `inside`.

    `more` are namespaces that belong to it, entered at once.
    """
    set_dumpable(True)  # or its files in /proc would not be its own
    unshare(NEWUSER | more)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inside} {uid} 1")
    _write("/proc/self/gid_map", f"{inside} {gid} 1")


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)
