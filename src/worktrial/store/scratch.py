"""Scratch folders: temporary repositories and indexes, swept up even after a kill."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from worktrial.errors import StorageError
from worktrial.store.files import writing

_PREFIX = "worktrial-"
_LOCK = "lock"
_LEAST_ROOM = 64 * 1024


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that is removed when the block ends. Raises `StorageError`.

    It is made in `parent`; None is where temporary files go here.

    A killed process cannot remove its own, so those that are left are removed here: a folder is in use as long as its
    lock file is held, and the kernel lets go of that when a process ends, however it ends.
    """
    with writing(parent or Path(os.environ.get("TMPDIR", "/tmp"))):  # noqa: S108 - only to name it in the error
        parent = parent or Path(tempfile.gettempdir())
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            lock = (folder / ".lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / ".lock").rename(folder / _LOCK)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for lock_path in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            if lock_path.parent.is_symlink() or lock_path.lstat().st_uid != os.geteuid():
                continue
            with lock_path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock_path.parent, ignore_errors=True)


def check_room(*folders: Path | None) -> None:
    """Raise `StorageError` if the disk of any of `folders` is full: what just failed there failed because of that."""
    for folder in folders:
        with contextlib.suppress(OSError):
            if folder is not None and shutil.disk_usage(folder).free < _LEAST_ROOM:
                raise StorageError(
                    f"could not write in {folder}",
                    cause="the disk is full",
                    hint="free some room, then give the same command again: finished work is kept",
                )
