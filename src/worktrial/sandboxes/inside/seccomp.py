"""The filter on system calls that sandboxed programs run under. Standard library only, Python 3.8 or newer.

It takes away what a test suite, a compiler or an agent has no use for and what sandboxes have been broken with:
tracing, mounting, new namespaces, keys, bpf, io_uring, kernel modules, the clock. Where programs probe for something
and have a way without it (clone3, io_uring, the new mount calls), the answer is ENOSYS, as of an older kernel; a socket
family that is not wanted does not exist (EAFNOSUPPORT); everything else is EPERM.

A filter is a program for the kernel's classic BPF machine: see seccomp(2) and `struct seccomp_data`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import os
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple

    Table = dict[str, tuple[int, int | None]]
    """Of system calls their numbers on x86_64 and on aarch64; None: it has no such call."""

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
PRIVATE_NETWORK = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
"""Families that are safe to have in a network namespace of one's own."""

if TYPE_CHECKING:

    class Instruction(NamedTuple):
        """An operation, the instructions to skip when it holds and when it does not, and its constant."""

        code: int
        jt: int
        jf: int
        k: int

else:
    Instruction = namedtuple("Instruction", "code jt jf k")

LOAD, JUMP_EQUAL, JUMP_GE, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; of an argument, which has 64 bits, the lower half comes first."""

_FARTHEST = 255
"""Instructions that a conditional jump can pass over."""
_FEW = 4
_NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET. CLONE_NEWTIME is one of the signal's bits to clone, not to unshare."""
_NEW_TIME = 0x80
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_MSG_FASTOPEN = 0x20000000
_SAME_PERSONALITY, _DEFAULT_PERSONALITY = 0xFFFFFFFF, 0
_SOCK_TYPE, _SOCK_STREAM, _SOCK_SEQPACKET = 0xF, 1, 5
_ANY_PROTOCOL, _TCP = 0, 6

_CHECKED = {
    "ioctl": (16, 29),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "unshare": (272, 97),
    "personality": (135, 92),
}
_SENDING = {"sendto": (44, 206, 3), "sendmsg": (46, 211, 2), "sendmmsg": (307, 269, 3)}
"""Numbers on both, and which argument has the flags."""
_LISTENING: Table = {"listen": (50, 201)}
_NOT_PERMITTED: Table = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "create_module": (174, None),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "iopl": (172, None),
    "ioperm": (173, None),
    "syslog": (103, 116),
    "vhangup": (153, 58),
}
_NOT_THERE: Table = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "lookup_dcookie": (212, 18),
}
_MOUNTING: Table = {"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41)}
_MOUNTING_ANEW: Table = {
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
}
_NAMED_IPC: Table = {
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
}
_COLUMN = {"x86_64": 0, "aarch64": 1}


class SeccompError(OSError):
    """The kernel does not take the filter, or nobody knows the numbers of this machine's system calls."""


def program(
    machine: str,
    families: Iterable[int] = PRIVATE_NETWORK,
    allow_mounts: bool = False,
    allow_ipc: bool = True,
    only_tcp: bool = False,
) -> list[Instruction]:
    """Return the filter for `machine` (`x86_64` or `aarch64`): see `install`. Raises `KeyError` for any other."""
    column = _COLUMN[machine]
    lines = [_load(_ARCH), Instruction(JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]), _give(KILL), _load(_NUMBER)]
    if machine == "x86_64":
        lines += [Instruction(JUMP_GE, 0, 1, X32_BIT), _refuse(errno.ENOSYS)]
    families = tuple(families)
    bodies = {
        "ioctl": [_load(_argument(1)), *_on((_TIOCSTI, _TIOCLINUX), errno.EPERM), _give(ALLOW)],
        "clone": _without_bits(_NEW_NAMESPACES),
        "socket": _tcp_socket() if only_tcp else _socket(families),
        "socketpair": _socketpair(AF_UNIX in families),
        "unshare": _without_bits(_NEW_NAMESPACES | _NEW_TIME),
        "personality": [
            _load(_argument(0)),
            *_on((_SAME_PERSONALITY, _DEFAULT_PERSONALITY), 0),
            _refuse(errno.EPERM),
        ],
    }
    cases = {_CHECKED[name][column]: body for name, body in bodies.items()}
    if only_tcp:
        for *sending, flags in _SENDING.values():
            body = [_load(_argument(flags)), Instruction(JUMP_ANY_BIT, 0, 1, _MSG_FASTOPEN)]
            cases[sending[column]] = [*body, _refuse(errno.EOPNOTSUPP), _give(ALLOW)]
    for table, code in _refused(allow_mounts, allow_ipc, only_tcp):
        for pair in table.values():
            if (number := pair[column]) is not None:
                cases.setdefault(number, [_refuse(code)])
    return lines + _search(sorted(cases.items()))


def _search(cases: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Return lines that look for the number loaded among `cases`, sorted, and do what is said there; else allow it.

    By halves: to install a filter the kernel goes through it once for every system call there is.
    """
    if len(cases) <= _FEW:
        found = [[Instruction(JUMP_EQUAL, 0, len(body), number), *body] for number, body in cases]
        return [*itertools.chain.from_iterable(found), _give(ALLOW)]
    middle = len(cases) // 2
    lower, upper = _search(cases[:middle]), _search(cases[middle:])
    if len(lower) > _FARTHEST:
        raise AssertionError("one jump does not get over so many lines")
    return [Instruction(JUMP_GE, len(lower), 0, cases[middle][0]), *lower, *upper]


def _refused(allow_mounts: bool, allow_ipc: bool, only_tcp: bool) -> list[tuple[Table, int]]:
    tables = [(_NOT_PERMITTED, errno.EPERM), (_NOT_THERE, errno.ENOSYS)]
    if not allow_mounts:
        tables += [(_MOUNTING, errno.EPERM), (_MOUNTING_ANEW, errno.ENOSYS)]
    if not allow_ipc:
        tables += [(_NAMED_IPC, errno.ENOSYS)]
    if only_tcp:
        tables += [(_LISTENING, errno.EPERM)]
    return tables


def _load(offset: int) -> Instruction:
    return Instruction(LOAD, 0, 0, offset)


def _argument(number: int) -> int:
    """Return the offset of an argument's lower half: all that are looked at are int or unsigned int to the kernel."""
    return _ARGUMENTS + 8 * number


def _give(action: int) -> Instruction:
    return Instruction(RETURN, 0, 0, action)


def _refuse(code: int) -> Instruction:
    return _give(ERRNO | code)


def _on(values: Iterable[int], code: int) -> list[Instruction]:
    """Return lines that end with error `code` (0: allow) when the value loaded is one of these."""
    end = _refuse(code) if code else _give(ALLOW)
    return [line for value in values for line in (Instruction(JUMP_EQUAL, 0, 1, value), end)]


def _without_bits(bits: int) -> list[Instruction]:
    return [_load(_argument(0)), Instruction(JUMP_ANY_BIT, 0, 1, bits), _refuse(errno.EPERM), _give(ALLOW)]


def _socket(families: tuple[int, ...]) -> list[Instruction]:
    lines = [_load(_argument(0)), *_on((family for family in families if family != AF_NETLINK), 0)]
    if AF_NETLINK in families:
        # Addresses and routes (protocol 0), which libc asks for; not audit, netfilter and the like.
        route = [_load(_argument(2)), *_on((0,), 0), _refuse(errno.EPROTONOSUPPORT)]
        lines += [Instruction(JUMP_EQUAL, 0, len(route), AF_NETLINK), *route]
    return [*lines, _refuse(errno.EAFNOSUPPORT)]


def _tcp_socket() -> list[Instruction]:
    """Return lines for socket where Landlock says which port is reached: it sees plain TCP, and nothing else of IP."""
    families = [_load(_argument(0)), Instruction(JUMP_EQUAL, 1, 0, AF_INET), _refuse(errno.EAFNOSUPPORT)]
    types = [_load(_argument(1)), Instruction(AND, 0, 0, _SOCK_TYPE), Instruction(JUMP_EQUAL, 1, 0, _SOCK_STREAM)]
    protocols = [_load(_argument(2)), *_on((_ANY_PROTOCOL, _TCP), 0), _refuse(errno.EPROTONOSUPPORT)]
    return [*families, *types, _refuse(errno.EPROTONOSUPPORT), *protocols]


def _socketpair(any_type: bool) -> list[Instruction]:
    """Return lines for socketpair: a connected pair reaches nobody else, but one for datagrams can be pointed anew."""
    lines = [_load(_argument(0)), Instruction(JUMP_EQUAL, 1, 0, AF_UNIX), _refuse(errno.EAFNOSUPPORT)]
    if any_type:
        return [*lines, _give(ALLOW)]
    connected = _on((_SOCK_STREAM, _SOCK_SEQPACKET), 0)
    return [*lines, _load(_argument(1)), Instruction(AND, 0, 0, _SOCK_TYPE), *connected, _refuse(errno.EAFNOSUPPORT)]


class _Line(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("lines", ctypes.POINTER(_Line))]


_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1
_ALL_THREADS, _SPECULATION_ALLOWED = 1, 4
_PR_SET_NO_NEW_PRIVS = 38


def known() -> bool:
    """Return whether there is a filter for this machine."""
    return os.uname().machine in _COLUMN and ctypes.sizeof(ctypes.c_void_p) == 8


def install(
    families: Iterable[int] = PRIVATE_NETWORK,
    allow_mounts: bool = False,
    allow_ipc: bool = True,
    only_tcp: bool = False,
) -> None:
    """Put this process, all its threads and whatever it starts under the filter, for good.

    `families` are those that `socket` gives; of AF_NETLINK only addresses and routes. Without AF_UNIX there are still
    connected pairs. `allow_mounts` leaves mount, umount, pivot_root and the new mount calls, for one who still sets up
    his view and installs a second filter then. `allow_ipc=False` takes System V and POSIX queues, semaphores and shared
    memory away where there is no IPC namespace to keep them apart. `only_tcp`, instead of `families`, gives sockets
    that can do nothing but connect by TCP over IPv4, where Landlock says to which port: no listening, and no data
    with the connection's first packet, which Landlock does not see. Sets no_new_privs. Raises `SeccompError`.
    """
    machine, whole = assembled(families, allow_mounts, allow_ipc, only_tcp)
    libc = _libc()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        raise _failed("no_new_privs")
    number, mode = ctypes.c_long(_SECCOMP[machine]), ctypes.c_uint(_SET_MODE_FILTER)
    for flags in (_ALL_THREADS | _SPECULATION_ALLOWED, _ALL_THREADS):
        done = libc.syscall(number, mode, ctypes.c_uint(flags), ctypes.byref(whole))
        if done >= 0 or ctypes.get_errno() != errno.EINVAL:  # gVisor knows nothing of speculation
            break
    if done < 0:
        raise _failed("seccomp")
    if done:
        raise SeccompError(errno.EBUSY, f"thread {done} has a filter of its own")


def assembled(
    families: Iterable[int] = PRIVATE_NETWORK,
    allow_mounts: bool = False,
    allow_ipc: bool = True,
    only_tcp: bool = False,
) -> tuple[str, _Program]:
    """Return this machine's name and the filter that `install` puts in force with the same arguments.

    That takes half a millisecond the first time: who is going to fork many that install it calls this before.
    """
    return _assembled(tuple(families), allow_mounts, allow_ipc, only_tcp)


@functools.cache
def _assembled(families: tuple[int, ...], allow_mounts: bool, allow_ipc: bool, only_tcp: bool) -> tuple[str, _Program]:
    machine = os.uname().machine
    if not known():
        raise SeccompError(errno.ENOSYS, "there is no system call filter for " + machine)
    lines = program(machine, families, allow_mounts, allow_ipc, only_tcp)
    _libc()
    return machine, _Program(len(lines), (_Line * len(lines))(*(_Line(*line) for line in lines)))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _failed(what: str) -> SeccompError:
    code = ctypes.get_errno()
    return SeccompError(code, what + ": " + os.strerror(code))
