"""Workspaces that are folders of the host: copied from layers, and compared with them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.sandboxes.protocol import Change
from worktrial.store.files import writing

PARTS = ("files", "home", "tmp")
"""What a command may write to: the workspace, its home and its temporary files."""

_FICLONE = 0x40049409
_CHUNK = 1024 * 1024
_LEAST = 4096
"""Bytes that any file counts, an empty one too: so that a flood of those is seen as a full disk."""


@dataclass(frozen=True)
class _Entry:
    """A file, link or folder as it came from a layer."""

    source: str
    """Its path in the layer."""
    stamp: tuple[int, ...]
    """What tells, without reading it, that the copy was not written to since; a folder's is empty."""


@dataclass(frozen=True)
class Folder:
    """The parts of a workspace on disk, and what its layers were."""

    path: Path
    layers: tuple[Path, ...]
    owner: int | None
    """User and group of all that is in it; None: ours."""
    entries: dict[str, _Entry]
    """By path relative to `files`."""

    @property
    def files(self) -> Path:
        """Where the workspace's files are."""
        return self.path / "files"

    def changes(self) -> tuple[Change, ...]:
        """Return what differs from the layers, sorted by path."""
        found: list[Change] = []
        present: set[str] = set()
        for path, entry, empty in _walk(self.files):
            present.add(path)
            if not entry.is_dir(follow_symlinks=False):
                if not self._as_it_came(path, entry.path):
                    found.append(Change(path, "written"))
            elif empty and path not in self.entries:
                found.append(Change(path, "written"))
        for path in self.entries:
            if path not in present:
                above = os.path.dirname(path)  # noqa: PTH120 - a relative path as text
                # Of what was removed with its folder only the folder is named, and nothing below a file or link.
                if not above or (above in present and stat.S_ISDIR(os.lstat(self.files / above).st_mode)):
                    found.append(Change(path, "removed"))
        return tuple(sorted(found, key=lambda change: change.path))

    def _as_it_came(self, path: str, here: str) -> bool:
        before = self.entries.get(path)
        if before is None:
            return False
        with contextlib.suppress(OSError):
            now = os.lstat(here)
            return _stamp(now) == before.stamp or _same(before.source, here, now, self.path)
        return False

    def snapshot(self, folder: Path) -> Path:
        """Write what differs from the layers to `folder` as a layer. Pipes, sockets and devices are left out."""
        with writing(folder):
            folder.mkdir(parents=True)
            for change in self.changes():
                to = folder / change.path
                self._make_parents(folder, Path(change.path).parent)
                if _is_folder(str(self.files / change.path)):
                    self._make_parents(folder, Path(change.path))
                elif change.kind == "removed":
                    os.mknod(to, stat.S_IFCHR, 0)  # a whiteout, as overlays have it
                else:
                    _copy(str(self.files / change.path), str(to), None, self.path)
        return folder

    def _make_parents(self, folder: Path, below: Path) -> None:
        for part in reversed((below, *below.parents)):
            if not (folder / part).exists():
                (folder / part).mkdir()
                (folder / part).chmod(os.lstat(self.files / part).st_mode & 0o777 | stat.S_IRWXU)

    def open(self, path: str) -> int:
        """Open a file of the folder for reading. Raises `SandboxError` when it is none, or lies elsewhere."""
        wanted = self.files / path  # an absolute path stays one
        try:
            return _open_regular(str(wanted), self.path, follow=True)
        except OSError as error:
            raise SandboxError(f"could not read {path} of a workspace", cause=error.strerror or str(error)) from error

    def used_bytes(self) -> int:
        """Return the room that all parts take on the disk, however small a file is: 4 KiB at least."""
        total = 0
        for part in PARTS:
            for _, entry, _ in _walk(self.path / part):
                with contextlib.suppress(OSError):
                    total += max(_LEAST, entry.stat(follow_symlinks=False).st_blocks * 512)
        return total

    def remove(self) -> None:
        """Remove all of it, what its owner may not read or write included."""
        remove(self.path)


@dataclass(frozen=True)
class Like:
    """What a fork has that its layers do not give it."""

    changes: Path
    """A snapshot."""
    parts: Path
    """A folder with home and temporary files to copy."""


def make(layers: tuple[Path, ...], owner: int | None = None, like: Like | None = None) -> Folder:
    """Return a fresh copy of `layers`, the topmost first, and of a workspace on them when `like` is given.

    Raises `SandboxError` when a layer is not there, and `StorageError`.
    """
    for layer in layers:
        if not layer.is_dir():
            raise SandboxError("could not copy a layer to a workspace", cause=f"there is no folder {layer}")
    with writing(Path(tempfile.gettempdir())):
        path = Path(tempfile.mkdtemp(prefix="worktrial-")).resolve()
    try:
        with writing(path):
            path.chmod(0o711 if owner is not None else 0o700)
            for name in PARTS:
                (path / name).mkdir(mode=0o700)
                _own(str(path / name), owner)
            sources: dict[str, str] = {}
            for layer in reversed(layers):
                _lay_over(layer, path / "files", owner, sources)
            entries = dict(_as_they_came(path / "files", sources))
            if like is not None:
                _lay_over(like.changes, path / "files", owner, {})
                for name in ("home", "tmp"):
                    _lay_over(like.parts / name, path / name, owner, {}, like.parts)
    except BaseException:
        remove(path)
        raise
    return Folder(path, layers, owner, entries)


def _as_they_came(files: Path, sources: dict[str, str]) -> Iterator[tuple[str, _Entry]]:
    for path, entry, _ in _walk(files):
        stamp = () if entry.is_dir(follow_symlinks=False) else _stamp(entry.stat(follow_symlinks=False))
        yield path, _Entry(sources[path], stamp)


def _stamp(now: os.stat_result) -> tuple[int, ...]:
    """Return what changes whenever a file does: the time of its last change (ctime) is nobody's to set."""
    return (now.st_ino, now.st_mode, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


def _same(source: str, here: str, now: os.stat_result, within: Path) -> bool:
    before = os.lstat(source)
    if stat.S_IFMT(before.st_mode) != stat.S_IFMT(now.st_mode):
        return False
    if stat.S_ISLNK(now.st_mode):
        return os.readlink(source) == os.readlink(here)  # noqa: PTH115
    if not stat.S_ISREG(now.st_mode) or before.st_size != now.st_size or (before.st_mode ^ now.st_mode) & 0o777:
        return False
    with open(source, "rb") as one, os.fdopen(_open_regular(here, within), "rb") as other:  # noqa: PTH123
        while (chunk := one.read(_CHUNK)) == other.read(_CHUNK):
            if not chunk:
                return True
    return False


def _walk(top: Path) -> Iterator[tuple[str, os.DirEntry[str], bool]]:
    """Yield all that is below `top`, and whether it is an empty folder; links are not followed."""
    folders = [("", str(top))]
    for above, folder in folders:
        for entry in _listed(folder):
            path = f"{above}/{entry.name}" if above else entry.name
            empty = False
            if entry.is_dir(follow_symlinks=False):
                folders.append((path, entry.path))
                empty = not _listed(entry.path)
            yield path, entry, empty


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []  # it was removed while we looked
    except PermissionError:
        os.chmod(folder, stat.S_IRWXU)  # noqa: PTH101 - its owner, who we are, took it from himself
        with os.scandir(folder) as entries:
            return list(entries)


def _lay_over(layer: Path, files: Path, owner: int | None, sources: dict[str, str], within: Path | None = None) -> None:
    """Copy a layer over what is in `files`: never through a link that is there, nor into a file.

    Whiteouts and opaque folders are what they are to overlays. `sources` learns where each path came from; `within` is
    what the files have to lie in when others may write there.
    """
    folders = [("", str(layer))]
    for above, folder in folders:
        here = str(files / above)
        if _is_opaque(folder):
            for name in os.listdir(here):  # noqa: PTH208
                _clear(os.path.join(here, name))  # noqa: PTH118
        for entry in _listed(folder):
            path, to = (f"{above}/{entry.name}" if above else entry.name), os.path.join(here, entry.name)  # noqa: PTH118
            is_folder = entry.is_dir(follow_symlinks=False)
            if not (is_folder and _is_folder(to)):
                _clear(to)
            if is_folder:
                folders.append((path, entry.path))
                if not _is_folder(to):
                    os.mkdir(to, 0o700)  # noqa: PTH102
                    _own(to, owner)
            else:
                _copy(entry.path, to, owner, within)
            sources[path] = entry.path
    for above, folder in reversed(folders):
        seen = os.lstat(folder)
        to = str(files / above)
        if above:
            os.chmod(to, stat.S_IMODE(seen.st_mode) & 0o777 | stat.S_IRWXU)  # noqa: PTH101
        os.utime(to, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _copy(source: str, to: str, owner: int | None, within: Path | None) -> None:
    """Copy a file or link with its mode and times, but no setuid bits. Whatever else it is, is left out."""
    seen = os.lstat(source)
    if stat.S_ISLNK(seen.st_mode):
        os.symlink(os.readlink(source), to)  # noqa: PTH115, PTH211
        _own(to, owner)
    elif stat.S_ISREG(seen.st_mode):
        try:
            from_ = _open_regular(source, within)
        except PermissionError:
            os.chmod(source, seen.st_mode | stat.S_IRUSR)  # noqa: PTH101 - a command took it from itself
            from_ = _open_regular(source, within)
        into = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(from_, "rb") as reading, os.fdopen(into, "wb") as made:
            _fill(reading.fileno(), made.fileno())
            if owner is not None:
                os.fchown(made.fileno(), owner, owner)
            os.fchmod(made.fileno(), seen.st_mode & 0o777)
            os.utime(made.fileno(), ns=(seen.st_atime_ns, seen.st_mtime_ns))
    elif stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0:
        _clear(to)  # a whiteout


def _fill(source: int, made: int) -> None:
    """Copy a file's content, by sharing its blocks where the file system can; what is a hole stays one."""
    try:
        fcntl.ioctl(made, _FICLONE, source)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EPERM):
            raise
        size = os.fstat(source).st_size
        os.ftruncate(made, size)
        for start, end in _data(source, size):
            at = os.lseek(made, start, os.SEEK_SET)
            while at < end and (sent := os.sendfile(made, source, at, min(64 * _CHUNK, end - at))):
                at += sent


def _data(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file that are not holes: a file of a hundred GiB may hold nothing, and must cost nothing."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nothing but a hole is left
                raise
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, min(end, size)


def _open_regular(path: str, within: Path | None = None, *, follow: bool = False) -> int:
    """Open a regular file for reading and nothing else: opening a pipe or a device may wait, or do things.

    What was opened lies below `within`: a program that moves links about meanwhile gains nothing. Raises `OSError`.
    """
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        itself = os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115
        if within is not None and not itself.startswith(f"{within}/"):
            raise OSError(errno.EXDEV, "it lies outside of the workspace")
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def _is_opaque(folder: str) -> bool:
    try:
        return os.getxattr(folder, "user.overlay.opaque") == b"y"
    except OSError:
        return False


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _clear(path: str) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108


def _own(path: str, owner: int | None) -> None:
    if owner is not None:
        os.lchown(path, owner, owner)


def remove(folder: Path) -> None:
    """Remove a folder, what the user may not read or write included; one that is gone already is no failure."""
    if os.geteuid() != 0:
        for _, entry, _ in _walk(folder):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    os.chmod(entry.path, stat.S_IRWXU)  # noqa: PTH101
    shutil.rmtree(folder, ignore_errors=True)
