"""What sandboxed programs see as `/`: the host's `/usr`, a small `/etc` and `/dev`, and nothing else of the host's.

The parts are put together once, in the spawner's mount namespace. A cell's own root is a small tmpfs on which they are
bound. Standard library only; runs as root of the engine's user namespace.
"""

from __future__ import annotations

import errno
import os
import stat

from worktrial.sandboxes.inside import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WORKSPACE = "/workspace"
HOME = "/home/agent"
TMP = "/tmp"  # noqa: S108 - the sandbox's own

_LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders that on most systems are links into `/usr`."""
ETC = (
    "alternatives",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "protocols",
    "services",
    "terminfo",
    # Certificates, but not the private keys beside them.
    "ca-certificates",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
)
"""What of the host's `/etc` is shown, where it is there."""
FILES = {
    "passwd": f"root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:{HOME}:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
"""What is in `/etc` besides, the same everywhere."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_PROC = ("acpi", "asound", "bus", "fs", "irq", "scsi", "sys", "sysrq-trigger")
"""Parts of /proc that speak to the kernel and not of processes. Where the sandbox's user is us, some are his."""
_CELL = "/cell"
NOTHING = ".nothing"
"""The spawner's folder that covers what is not to be seen. In it are but points for mounts to be seen there."""
_SEALED = kernel.RDONLY | kernel.NOSUID | kernel.NODEV


def build_base(folder: str, covered: Sequence[str]) -> None:
    """Put the parts together on a tmpfs at `folder` and make it the root of this mount namespace.

    Of folders that are `covered` nothing is seen: what is mounted there is the empty one that is now in `folder`.
    """
    nothing = os.open(f"{folder}/{NOTHING}", os.O_PATH | os.O_CLOEXEC)
    kernel.mount("tmpfs", folder, "tmpfs", kernel.NOSUID, "mode=0755,size=16m")
    for name in ("usr", "etc", "dev", "dev/pts", "dev/shm", "proc", _CELL[1:]):
        os.mkdir(f"{folder}/{name}")
    kernel.bind("/usr", f"{folder}/usr", _SEALED, recursive=True)
    for name in _LINKED:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{folder}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{folder}/{name}")
            kernel.bind(f"/{name}", f"{folder}/{name}", _SEALED, recursive=True)
    for path in covered:
        tree = kernel.open_tree("", folder=nothing)
        kernel.bind_tree(tree, f"{folder}{path}", _SEALED)
        os.close(tree)
    os.close(nothing)
    for name in ETC:
        _copy(f"/etc/{name}", f"{folder}/etc/{name}")
    for name, text in FILES.items():
        with open(f"{folder}/etc/{name}", "w", encoding="ascii") as file:
            file.write(text)
    mount_point(f"{folder}/etc/resolv.conf", False)  # for environments that are built
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):
            mount_point(f"{folder}/dev/{name}", False)
            kernel.bind(f"/dev/{name}", f"{folder}/dev/{name}", kernel.NOSUID)
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd")):
        os.symlink(target, f"{folder}/dev/{name}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{folder}/dev/{name}")
    # Where no /proc is to be seen, the kernel lets nobody mount one.
    kernel.bind("/proc", f"{folder}/proc", 0, recursive=True)
    kernel.pivot_root(folder)


def _copy(source: str, target: str) -> None:
    """Copy what everybody may read. Every cell starts with a copy of all mounts, so that one each would cost more."""
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
        for name in os.listdir(source):
            _copy(f"{source}/{name}", f"{target}/{name}")
    elif os.path.islink(source) and os.path.dirname(source) != "/etc":
        os.symlink(os.readlink(source), target)
    elif os.path.isfile(source) and os.stat(source).st_mode & stat.S_IROTH:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        with open(source, "rb") as original, open(target, "wb") as copy:
            copy.write(original.read())


def build_cell(masked: bool) -> None:
    """Build a cell's root on the parts, for a process that is the first in new namespaces."""
    kernel.mount("tmpfs", _CELL, "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=0755,size=4m,nr_inodes=4096")
    for name in ("usr", "etc", "dev", "proc", "tmp", "home", "workspace", "var", "var/tmp", HOME[1:]):
        os.mkdir(f"{_CELL}/{name}")
    for name in _LINKED:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{_CELL}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{_CELL}/{name}")
            kernel.bind(f"/{name}", f"{_CELL}/{name}", 0, recursive=True)
    kernel.bind("/usr", f"{_CELL}/usr", 0, recursive=True)
    kernel.bind("/etc", f"{_CELL}/etc", _SEALED, recursive=True)
    kernel.bind("/dev", f"{_CELL}/dev", kernel.RDONLY | kernel.NOSUID, recursive=True)
    own_views(_CELL, masked)


def enter_cell() -> None:
    """Make what was built the root of all processes there are."""
    kernel.pivot_root(_CELL)


def own_views(root: str, masked: bool) -> None:
    """Mount what belongs to one set of namespaces: /proc, terminals and shared memory."""
    kernel.mount("proc", f"{root}/proc", "proc", kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    kernel.mount("devpts", f"{root}/dev/pts", "devpts", kernel.NOSUID | kernel.NOEXEC, "newinstance,ptmxmode=0666")
    kernel.mount("tmpfs", f"{root}/dev/shm", "tmpfs", kernel.NOSUID | kernel.NODEV, "mode=1777,size=1m")  # noqa: S108
    if masked:
        for name in _PROC:
            if os.path.exists(f"{root}/proc/{name}"):
                kernel.bind(f"{root}/proc/{name}", f"{root}/proc/{name}", kernel.RDONLY, recursive=True)


def resize_shm(mib: int) -> None:
    """Let that much be written to shared memory."""
    options = f"size={mib}m,nr_inodes={inodes(mib)}"
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", kernel.REMOUNT | kernel.NOSUID | kernel.NODEV, options)  # noqa: S108


def inodes(mib: int) -> int:
    """Return how many files may lie on a tmpfs of a size: kernel memory is not charged for by its size."""
    return max(4096, mib * 256)


def mount_point(path: str, folder: bool) -> None:
    """Make an empty folder or file to mount on, and the folders above it, where there is none."""
    if folder:
        os.makedirs(path, 0o755, exist_ok=True)
    elif not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def seal() -> None:
    """Make the root itself read-only, when all is mounted on it."""
    tree = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        kernel.restrict(tree, kernel.RDONLY)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        kernel.mount("", "/", "", kernel.BIND | kernel.REMOUNT | _SEALED)
    finally:
        os.close(tree)


def attach_mount(tree: int, path: str, writable: bool) -> None:
    """Show a tree at a path of the cell's root."""
    mount_point(path, stat.S_ISDIR(os.fstat(tree).st_mode))
    flags = kernel.NOSUID | kernel.NODEV | (0 if writable else kernel.RDONLY)
    kernel.bind_tree(tree, path, flags, recursive=True)


def hold_read_only(paths: Sequence[str]) -> None:
    """Make files of the workspace read-only, and keep them where they are.

    A file that is mounted on itself can be neither written, renamed nor removed; the folders above it are mounted on
    themselves so that they cannot be moved away from under it. What is reached by a link, or is none, is passed over:
    there is nothing there to hold.
    """
    held = set()
    for path in sorted(paths):
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            part = "/".join(parts[:depth])
            if part in held:
                continue
            try:
                _hold(part, last=depth == len(parts))
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
            held.add(part)


def _hold(path: str, last: bool) -> None:
    folder = os.open(WORKSPACE, os.O_PATH | os.O_CLOEXEC)
    try:
        found = kernel.open_beneath(folder, path, os.O_PATH)
    finally:
        os.close(folder)
    try:
        tree = kernel.open_tree("", folder=found)
        if last:
            kernel.restrict(tree, kernel.RDONLY)
        kernel.attach(tree, "", folder=found)
        os.close(tree)
    finally:
        os.close(found)
