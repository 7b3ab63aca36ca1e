"""What every format writes to: a place that is whole once the export is done, and as it was before until then."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from worktrial.errors import UsageError
from worktrial.export.tables import Attempt
from worktrial.store.files import writing


class Writer(Protocol):
    """Writes attempts, one after another."""

    def __call__(self, attempts: Iterable[Attempt], out: Path) -> None:
        """Write `attempts` to `out`, a path that does not exist; make a file or folder of it."""


@contextlib.contextmanager
def replacing(out: Path, *, folder: bool) -> Iterator[Path]:
    """Give a path to write to, that takes the place of `out` when the block ends well.

    Raises `UsageError` when `out` is a folder that holds anything but an old export, or is the wrong kind of thing;
    `StorageError` when it cannot be written.
    """
    _check(out, folder=folder)
    with writing(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name[:40]}.", dir=out.absolute().parent))
    try:
        with writing(out):
            fresh = scratch / "new"
            yield fresh
            if folder and out.exists():
                out.rename(scratch / "old")
            fresh.replace(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_OURS = {".csv", ".parquet", ".eval"}


def _check(out: Path, *, folder: bool) -> None:
    if not out.exists():
        return
    if out.is_dir() != folder or out.is_symlink():
        what = "a folder" if out.is_dir() else "a file"
        raise UsageError(f"{out} is {what}", hint=f"name another place with --out: a {'folder' if folder else 'file'}")
    if not folder and out.suffix not in _OURS and not _is_database(out):
        raise UsageError(f"won't write over {out}", cause="it is no database", hint="name a new file")
    if folder and (other := [path.name for path in out.iterdir() if path.suffix not in _OURS or path.is_dir()]):
        raise UsageError(
            f"won't write over {out}", cause=f"it holds {other[0]}, which is no export", hint="name a new folder"
        )


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) in (b"SQLite format 3\0", b"")
