"""The cache folder: checked-out trees, environments and tools that suites share. Safe to delete at any time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TextIO

from worktrial.store.files import writing

_POLL_S = 0.05


def cache_dir() -> Path:
    """Return the cache folder: `$WORKTRIAL_CACHE`, else `$XDG_CACHE_HOME/worktrial`, else `~/.cache/worktrial`."""
    if named := os.environ.get("WORKTRIAL_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "worktrial"


def digest(*parts: str | bytes) -> str:
    """Return a hash of `parts` in order, 24 hexadecimal digits; no two lists of parts run into each other."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:24]


@contextlib.contextmanager
def building(target: Path) -> Iterator[Path | None]:
    """Build a cached folder once, whoever else wants it at the same time.

    Yields None when `target` is already there; else an empty folder beside it to fill, which becomes `target` when
    the block ends and is removed when it fails. Others wait meanwhile, so nothing may be awaited in the block.
    """
    if _is_there(target):
        yield None
        return
    with _lock_file(target) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _filling(target) as part:
            yield part


@contextlib.asynccontextmanager
async def building_slowly(target: Path) -> AsyncIterator[Path | None]:
    """Do as `building` does for work that awaits: tasks of the same event loop may want the same folder."""
    if _is_there(target):
        yield None
        return
    with _lock_file(target) as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_POLL_S)
        with _filling(target) as part:
            yield part


def _is_there(target: Path) -> bool:
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    return target.exists()


def _lock_file(target: Path) -> TextIO:
    with writing(target):
        return (target.parent / f".{target.name}.lock").open("w")


@contextlib.contextmanager
def _filling(target: Path) -> Iterator[Path | None]:
    if target.exists():
        yield None
        return
    with writing(target):
        # Whoever holds the lock is alone: what others left behind was being filled when they were killed.
        for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
            if re.fullmatch(r"[a-z0-9_]{8}", left.suffix[1:]) and left.stem == f".{target.name}":
                shutil.rmtree(left, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield part
        with writing(target):
            part.chmod(0o755)
            part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
