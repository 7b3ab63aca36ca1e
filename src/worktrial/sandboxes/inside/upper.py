"""What was written in a workspace: found, copied, laid over other files. Standard library only.

A layer has the form that overlayfs gives to its upper folder: a character device 0:0 stands for something removed, and
a folder with the attribute `user.overlay.opaque` hides what is below it. Sandboxed code may change files while we look
at them, so everything is opened by name in an open folder, and never through a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OPAQUE = "user.overlay.opaque"
_DEPTH = 400
"""Folders within folders that we follow; a file descriptor each, and twice as many names as a path may have."""
_CHUNK = 1 << 20


@contextlib.contextmanager
def opened(path: str, folder: int | None = None) -> Iterator[int]:
    """Open a folder, by its path or by its name in another."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


def _stat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def is_whiteout(found: os.stat_result) -> bool:
    """Tell whether this stands for something that was removed."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(folder: int) -> bool:
    """Tell whether an open folder hides those of the same name below it."""
    try:
        return os.getxattr(folder, OPAQUE) == b"y"
    except OSError:
        return False


class Merged:
    """A folder as it is seen through layers: the open folders that make it up, the topmost first."""

    def __init__(self, folders: list[int]) -> None:
        self.folders = folders

    def find(self, name: str) -> tuple[os.stat_result, int] | None:
        """Return what `name` is, and the folder that it is in."""
        for folder in self.folders:
            found = _stat(name, folder)
            if found is not None:
                return None if is_whiteout(found) else (found, folder)
        return None

    def names(self) -> set[str]:
        """Return what is in it."""
        listed = {name for folder in self.folders for name in os.listdir(folder)}
        return {name for name in listed if self.find(name) is not None}

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[Merged]:
        """Open the folder `name`; it is an empty one when there is none."""
        with contextlib.ExitStack() as stack:
            folders: list[int] = []
            for folder in self.folders:
                found = _stat(name, folder)
                if found is not None and not stat.S_ISDIR(found.st_mode):
                    break
                if found is not None:
                    folders.append(stack.enter_context(opened(name, folder)))
                    if is_opaque(folders[-1]):
                        break
            yield Merged(folders)


@contextlib.contextmanager
def merged(layers: Sequence[str]) -> Iterator[Merged]:
    """Open layers, the topmost first."""
    with contextlib.ExitStack() as stack:
        yield Merged([stack.enter_context(opened(layer)) for layer in layers])


def changed(top: str, layers: Sequence[str], overlaid: bool) -> list[tuple[str, str]]:
    """Return paths and whether they were *written* or *removed*, sorted by path.

    `top` holds what was written (`overlaid`), or else all files of the workspace, whatever layers they came from.
    """
    found: list[tuple[str, str]] = []
    with opened(top) as folder, merged(layers) as lower:
        _compare(folder, lower, "", found, overlaid=overlaid, hides=not overlaid)
    return sorted(found)


def _compare(
    folder: int, lower: Merged, prefix: str, found: list[tuple[str, str]], *, overlaid: bool, hides: bool
) -> None:
    if prefix.count("/") > _DEPTH:
        raise OSError(errno.ELOOP, "folders are nested too deeply")
    names = os.listdir(folder)
    if hides:
        found += [(prefix + name, "removed") for name in lower.names().difference(names)]
    for name in names:
        here, below = _stat(name, folder), lower.find(name)
        if here is None:
            continue
        if is_whiteout(here) and overlaid:
            found += [(prefix + name, "removed")] if below else []
        elif stat.S_ISDIR(here.st_mode):
            if below and not stat.S_ISDIR(below[0].st_mode):
                found.append((prefix + name, "removed"))
            with opened(name, folder) as inner, lower.inside(name) as inner_lower:
                if not below and not os.listdir(inner):
                    found.append((prefix + name, "written"))
                inner_hides = hides or is_opaque(inner)
                _compare(inner, inner_lower, f"{prefix}{name}/", found, overlaid=overlaid, hides=inner_hides)
        elif (stat.S_ISREG(here.st_mode) or stat.S_ISLNK(here.st_mode)) and not (below and _same(name, folder, *below)):
            found.append((prefix + name, "written"))


def _same(name: str, folder: int, below: os.stat_result, lower: int) -> bool:
    here = _stat(name, folder)
    if here is None or here.st_mode != below.st_mode or here.st_size != below.st_size:
        return False
    if stat.S_ISLNK(here.st_mode):
        return os.readlink(name, dir_fd=folder) == os.readlink(name, dir_fd=lower)
    with _reading(name, folder) as one, _reading(name, lower) as other:
        while True:
            data = os.read(one, _CHUNK)
            if data != os.read(other, _CHUNK):
                return False
            if not data:
                return True


@contextlib.contextmanager
def _reading(name: str, folder: int) -> Iterator[int]:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)


class Copying:
    """A copy of files into an open folder, for `owner`, without what makes a program run as somebody else."""

    def __init__(self, target: int, owner: int, *, marks: bool, keep_marks: bool) -> None:
        """`marks`: what stands for removed things in the source does so; nothing but overlayfs has put it there.

        `keep_marks`: copy the marks; otherwise do what they say to what is in the target already.
        """
        self.target = target
        self.owner = owner
        self.marks = marks
        self.keep_marks = keep_marks
        self._linked: dict[tuple[int, int], str] = {}

    def folder(self, source: int, target: int, prefix: str = "") -> None:
        """Copy what is in one open folder to another, over what is there."""
        if prefix.count("/") > _DEPTH:
            raise OSError(errno.ELOOP, "folders are nested too deeply")
        for name in os.listdir(source):
            found = _stat(name, source)
            if found is None:
                continue
            if is_whiteout(found):
                self._whiteout(name, target)
            elif stat.S_ISDIR(found.st_mode):
                self._inner(name, source, target, prefix)
            elif stat.S_ISLNK(found.st_mode):
                remove(name, target)
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                self._attributes(name, target, found)
            elif stat.S_ISREG(found.st_mode):
                remove(name, target)
                self._file(name, source, target, prefix)

    def _whiteout(self, name: str, target: int) -> None:
        if self.marks:
            remove(name, target)
            if self.keep_marks:
                os.mknod(name, stat.S_IFCHR, 0, dir_fd=target)

    def _inner(self, name: str, source: int, target: int, prefix: str) -> None:
        with opened(name, source) as inner:
            hides = self.marks and is_opaque(inner)
            there = _stat(name, target)
            if there is not None and (hides or not stat.S_ISDIR(there.st_mode)):
                remove(name, target)
                there = None
            if there is None:
                os.mkdir(name, 0o700, dir_fd=target)
            with opened(name, target) as made:
                if hides and self.keep_marks:
                    os.setxattr(made, OPAQUE, b"y")
                self.folder(inner, made, f"{prefix}{name}/")
            self._attributes(name, target, os.fstat(inner))

    def _file(self, name: str, source: int, target: int, prefix: str) -> None:
        with _reading(name, source) as data:
            found = os.fstat(data)
            if not stat.S_ISREG(found.st_mode):
                return
            known = self._linked.get((found.st_dev, found.st_ino))
            if known is not None:
                os.link(known, name, src_dir_fd=self.target, dst_dir_fd=target, follow_symlinks=False)
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            made = os.open(name, flags, 0o600, dir_fd=target)
            try:
                _copy_data(data, made, found.st_size)
            finally:
                os.close(made)
            self._attributes(name, target, found)
            if found.st_nlink > 1:
                self._linked[found.st_dev, found.st_ino] = prefix + name

    def _attributes(self, name: str, target: int, found: os.stat_result) -> None:
        os.chown(name, self.owner, self.owner, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(name, stat.S_IMODE(found.st_mode) & 0o1777, dir_fd=target)
        os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_data(source: int, target: int, size: int) -> None:
    """Copy what there is of a file: its holes, which may be larger than any disk, stay holes."""
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # nothing but a hole is left
            raise
        end = min(size, os.lseek(source, at, os.SEEK_HOLE))
        os.lseek(source, at, os.SEEK_SET)
        os.lseek(target, at, os.SEEK_SET)
        while at < end:
            sent = os.sendfile(target, source, None, min(end - at, 64 * _CHUNK))
            if not sent:
                return
            at += sent


def remove(name: str, folder: int) -> None:
    """Remove a file or a whole folder, if there is one."""
    found = _stat(name, folder)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    with opened(name, folder) as inner:
        for below in os.listdir(inner):
            remove(below, inner)
    os.rmdir(name, dir_fd=folder)


def lay_over(layers: Sequence[str], files: str, owner: int) -> None:
    """Copy layers, the topmost first in the list, to an empty folder as if they were mounted over each other."""
    with opened(files) as target:
        for layer in reversed(layers):
            with opened(layer) as source:
                Copying(target, owner, marks=True, keep_marks=False).folder(source, target)
                found = os.fstat(source)
                os.chmod(target, stat.S_IMODE(found.st_mode) & 0o1777)
                os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
        os.chown(target, owner, owner)


def duplicate(top: str, copy: str, owner: int, overlaid: bool) -> None:
    """Copy a folder as it is, marks included, to an empty one."""
    with opened(top) as source, opened(copy) as target:
        Copying(target, owner, marks=overlaid, keep_marks=True).folder(source, target)
        os.chmod(target, stat.S_IMODE(os.fstat(source).st_mode) & 0o1777)


def save_layer(top: str, layers: Sequence[str], folder: str, owner: int, overlaid: bool) -> None:
    """Write what differs from `layers` to `folder`, which is made, as a layer."""
    os.mkdir(folder, 0o755)
    os.chown(folder, owner, owner)
    duplicate(top, folder, owner, overlaid)
    if overlaid:
        return
    # All files are in it: folders at its top hide those of the layers, and what is not there was removed.
    with opened(folder) as made, merged(layers) as lower:
        names = set(os.listdir(made))
        for name in lower.names() - names:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=made)
        for name in names if layers else ():
            found = _stat(name, made)
            if found is not None and stat.S_ISDIR(found.st_mode):
                with opened(name, made) as inner:
                    os.setxattr(inner, OPAQUE, b"y")
