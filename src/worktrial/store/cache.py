"""The cache folder: checked-out trees, environments and tools that suites share. Safe to delete at any time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from worktrial.store.files import writing


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
    the block ends and is removed when it fails. Other processes wait meanwhile.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        yield None
        return
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            yield None
            return
        with writing(target):
            part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield part
            part.chmod(0o755)
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
