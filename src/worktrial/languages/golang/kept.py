"""The build cache of test runs: what they compiled of repositories, solutions among it, for other test runs alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from worktrial.store.cache import cache_dir
from worktrial.store.files import writing

_MOST_BYTES = 4 * 1024**3
"""Beyond it, the oldest files go until half of it is left."""


@contextlib.contextmanager
def build_cache() -> Iterator[Path]:
    """Yield the cache's folder, from which nothing is removed while the block runs. Raises `StorageError`.

    It must be shown to the compiler only: tests and agents would find solutions in it.
    """
    folder = cache_dir() / "go-tests"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder.parent / f".{folder.name}.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            trim(folder, _MOST_BYTES)
        except BlockingIOError:
            pass  # somebody compiles: another time
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder


def trim(folder: Path, most_bytes: int) -> None:
    """Remove the oldest files of a folder until half of `most_bytes` is left, where there is more than that."""
    found: list[tuple[float, int, str]] = []
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)  # noqa: PTH118 - tens of thousands of them
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(path)
                found.append((stat.st_mtime, stat.st_size, path))
    left = sum(size for _, size, _ in found)
    if left <= most_bytes:
        return
    for _, size, path in sorted(found):
        if left <= most_bytes // 2:
            break
        with writing(folder), contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        left -= size
