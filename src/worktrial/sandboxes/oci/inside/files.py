"""The files of a workspace: laying layers down, telling what differs from them, reading and writing single ones.

Layers lie below `/layers`, the topmost as `0`. They may hold overlay whiteouts (character devices 0:0) and folders
marked opaque. Runs inside a container, with the standard library of Python 3.8 or newer; nothing here follows a link
but `read` and `write`, which do so as the command's user, inside.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat

import frames
from supervise import say

_WORKSPACE = b"/workspace"
_LAYERS = b"/layers"
_OPAQUE = "user.overlay.opaque"


class Merged:
    """What a stack of layers holds: every path, relative to the root, and the layer that it is of."""

    def __init__(self, count):
        self.entries = {}
        """Path to (path below /layers, its lstat)."""
        for number in reversed(range(count)):
            self._add(os.path.join(_LAYERS, b"%d" % number), b"")

    def _add(self, folder, relative):
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = os.path.join(relative, entry.name)
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
                self._drop(path)
                continue
            below = self.entries.get(path)
            if below is not None and not (stat.S_ISDIR(below[1].st_mode) and stat.S_ISDIR(info.st_mode)):
                self._drop(path)
            if stat.S_ISDIR(info.st_mode):
                if below is not None and _is_opaque(entry.path):
                    self._drop(path)
                self.entries[path] = (entry.path, info)
                self._add(entry.path, path)
            else:
                self.entries[path] = (entry.path, info)

    def _drop(self, path):
        if self.entries.pop(path, None) is not None:
            for other in [other for other in self.entries if other.startswith(path + b"/")]:
                del self.entries[other]


def _is_opaque(path):
    try:
        return os.getxattr(path, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def hold(spec, reader, pending):
    """Lay the layers (and for a fork, other workspaces' files) into this one's, say so, and answer requests.

    Ends with standard input: with it go the container and, when nobody else has them, the files.
    """
    merged = Merged(spec["layers"])
    owner = (spec["uid"], spec["gid"])
    for folder in spec["folders"]:
        for entry in os.scandir(folder):  # a new volume may begin with what the image has there
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        os.chown(folder, *owner)
        os.chmod(folder, 0o755 if folder != "/tmp" else 0o1777)  # noqa: S108 - the sandbox's own
    try:
        if spec["forked"]:
            for folder in spec["folders"]:
                _copy_tree(b"/from" + os.fsencode(folder), os.fsencode(folder), owner)
        else:
            _lay(merged, owner)
    except OSError as error:
        say(frames.FAILURE, str(error).encode("utf-8", "surrogateescape"))
        return
    say(frames.ANSWER)
    holder = _Holder(spec, merged)
    while True:
        for kind, data in pending:
            holder.take(kind, data)
        data = os.read(0, 1 << 20)
        if not data:
            return
        pending = reader.feed(data)


def _lay(merged, owner):
    """Make the workspace what the layers hold, folders' times last."""
    folders = []
    for path, (source, info) in merged.entries.items():
        target = os.path.join(_WORKSPACE, path)
        if stat.S_ISDIR(info.st_mode):
            os.mkdir(target, 0o700)
            folders.append((target, info))
        else:
            _copy(source, info, target, owner)
    for target, info in reversed(folders):
        _dress(target, info, owner)


def _copy_tree(source, target, owner):
    for entry in os.scandir(source):
        info = entry.stat(follow_symlinks=False)
        below = os.path.join(target, entry.name)
        if stat.S_ISDIR(info.st_mode):
            os.mkdir(below, 0o700)
            _copy_tree(entry.path, below, owner)
            _dress(below, info, owner)
        else:
            _copy(entry.path, info, below, owner)


def _copy(source, info, target, owner):
    """Copy what is no folder to a path that is free; pipes and sockets are left out."""
    if stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(source), target)
    elif stat.S_ISREG(info.st_mode):
        with open(source, "rb") as old, open(target, "xb", buffering=0) as new:
            _pour(old, new, info.st_size)
    else:
        return
    _dress(target, info, owner)


def _pour(old, new, size):
    """Copy a file by sendfile, which is quicker than reading and writing the small files that most are."""
    left = size
    while left > 0:
        try:
            sent = os.sendfile(new.fileno(), old.fileno(), None, left)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
            shutil.copyfileobj(old, new)
            return
        if not sent:
            return
        left -= sent


def _dress(target, info, owner):
    """Give a copy its owner, mode (without set-id bits) and times."""
    os.chown(target, *owner, follow_symlinks=False)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(target, stat.S_IMODE(info.st_mode) & 0o1777)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=False)


def changes(merged):
    """Return what differs from the layers: pairs of a path and `written` or `removed`, sorted.

    Folders only where they are new and empty, or removed: then what was in them is not listed too.
    """
    found = _Changes(merged)
    found.compare(b"")
    for path in merged.entries.keys() - found.seen:
        if os.path.dirname(path) in found.folders:  # otherwise that is gone too, or a file now
            found.add(path, "removed")
    return sorted(found.changes)


class _Changes:
    def __init__(self, merged):
        self.entries = merged.entries
        self.changes = []
        self.seen = set()
        self.folders = {b""}

    def add(self, path, kind):
        self.changes.append((path, kind))

    def compare(self, relative):
        """Add what is new or other below a folder; return whether nothing is in it."""
        empty = True
        for entry in os.scandir(os.path.join(_WORKSPACE, relative)):
            empty = False
            path = os.path.join(relative, entry.name)
            info = entry.stat(follow_symlinks=False)
            self.seen.add(path)
            before = self.entries.get(path)
            if stat.S_ISDIR(info.st_mode):
                self.folders.add(path)
                bare = self.compare(path)
                new = before is None or not stat.S_ISDIR(before[1].st_mode)
                if before is not None and new:
                    self.add(path, "removed")
                if bare and new:
                    self.add(path, "written")
            elif not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
                if before is not None:  # pipes and sockets are in no layer
                    self.add(path, "removed")
            elif before is None or not _same(before, entry.path, info):
                self.add(path, "written")
        return empty


def _same(before, path, info):
    """Return whether a file is as its layer has it, by its content: times and sizes can be forged."""
    source, was = before
    if stat.S_IFMT(was.st_mode) != stat.S_IFMT(info.st_mode):
        return False
    if stat.S_ISLNK(info.st_mode):
        return os.readlink(source) == os.readlink(path)
    if not stat.S_ISREG(info.st_mode):
        return False
    if was.st_size != info.st_size or (stat.S_IMODE(was.st_mode) & 0o1777) != stat.S_IMODE(info.st_mode):
        return False
    with open(source, "rb") as old, open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as new:
        while True:
            one, other = old.read(1 << 20), new.read(1 << 20)
            if one != other:
                return False
            if not one:
                return True


def snapshot(spec):
    """Write what differs from the layers to `/out` as a layer: whiteouts for what was removed."""
    owner = (spec["uid"], spec["gid"])
    merged = Merged(spec["layers"])
    try:
        os.chmod(b"/out", 0o755)  # noqa: S103 - a layer is for all to read
        for path, kind in changes(merged):
            _parents(path, owner)
            target = os.path.join(b"/out", path)
            source = os.path.join(_WORKSPACE, path)
            now = stat.S_IFMT(os.lstat(source).st_mode) if os.path.lexists(source) else 0
            if kind == "removed":
                if now != stat.S_IFDIR:  # a folder hides by itself the file that was there
                    os.mknod(target, stat.S_IFCHR | 0o600, 0)
                continue
            info = os.lstat(source)
            if now == stat.S_IFDIR:
                os.mkdir(target, 0o700)
                _dress(target, info, owner)
            else:
                _copy(source, info, target, owner)
    except OSError as error:
        say(frames.FAILURE, str(error).encode("utf-8", "surrogateescape"))
        return
    say(frames.ANSWER)


def _parents(path, owner):
    """Make the folders above a path of a snapshot, with the modes they have in the workspace."""
    parts = path.split(b"/")[:-1]
    for depth in range(1, len(parts) + 1):
        folder = b"/".join(parts[:depth])
        target = os.path.join(b"/out", folder)
        if not os.path.lexists(target):
            os.mkdir(target, 0o700)
            os.chown(target, *owner)
            os.chmod(target, stat.S_IMODE(os.lstat(os.path.join(_WORKSPACE, folder)).st_mode) & 0o1777)


class _Holder:
    """Answers requests on a workspace's files, as the user that commands run as."""

    def __init__(self, spec, merged):
        self.spec = spec
        self.merged = merged
        self.writing = None

    def take(self, kind, data):
        try:
            if kind == frames.ASK:
                self.asked(json.loads(data))
            elif kind == frames.INPUT and self.writing is not None:
                path, self.writing = self.writing, None
                self.as_user(_write, path, data)
                say(frames.ANSWER)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            say(frames.FAILURE, said.encode("utf-8", "surrogateescape"))

    def asked(self, what):
        path = os.fsencode(what.get("path", ""))
        if what["do"] == "read":
            say(frames.ANSWER, self.as_user(_read, os.path.join(_WORKSPACE, path), what["most"]))
        elif what["do"] == "write":
            self.writing = os.path.join(_WORKSPACE, path)
        elif what["do"] == "changes":
            found = [(os.fsdecode(name), kind) for name, kind in changes(self.merged)]
            say(frames.ANSWER, json.dumps(found).encode())
        elif what["do"] == "own":
            _own(what["folders"], (what["uid"], what["gid"]))
            self.spec.update(uid=what["uid"], gid=what["gid"])
            say(frames.ANSWER)
        else:
            say(frames.ANSWER, json.dumps([_is_plain(os.fsencode(name)) for name in what["paths"]]).encode())

    def as_user(self, function, *arguments):
        os.setegid(self.spec["gid"])
        os.seteuid(self.spec["uid"])
        try:
            return function(*arguments)
        finally:
            os.seteuid(0)
            os.setegid(0)


def _read(path, most):
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
    return data


def _write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    with open(handle, "wb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        os.ftruncate(handle, 0)
        file.write(data)


def _own(folders, owner):
    """Give everything below some folders to a user."""
    for folder in map(os.fsencode, folders):
        for parent, names, others in os.walk(folder):
            for path in [parent, *(os.path.join(parent, name) for name in names + others)]:
                info = os.lstat(path)
                if (info.st_uid, info.st_gid) != owner:
                    os.chown(path, *owner, follow_symlinks=False)
                    if not stat.S_ISLNK(info.st_mode):  # a change of owner takes the set-id bits and nothing else
                        os.chmod(path, stat.S_IMODE(info.st_mode) & 0o1777)


def _is_plain(path):
    """Return whether a path of the workspace is a file, reached through folders only."""
    here = _WORKSPACE
    parts = path.split(b"/")
    for number, part in enumerate(parts):
        if part in (b"", b".", b".."):
            return False
        here = os.path.join(here, part)
        try:
            mode = os.lstat(here).st_mode
        except OSError:
            return False
        if not (stat.S_ISREG(mode) if number == len(parts) - 1 else stat.S_ISDIR(mode)):
            return False
    return True
