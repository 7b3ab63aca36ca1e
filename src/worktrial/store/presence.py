"""Whether somebody is at work in a folder: a lock that the kernel lets go of however its holder ends.

The lock is POSIX's and not `flock`'s. Asking for it takes nothing, so that whoever looks never stands in the way of
whoever begins; it is not inherited by processes that are forked, so that none of them can outlive its meaning; and NFS
knows it. Its one trap: a process gives it up when it closes the file, however often it had opened it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from worktrial.errors import UsageError
from worktrial.store.files import writing

NAME = "at-work"
BEAT_S = 5.0
"""Between two signs of life."""
_FLOCK = "hhqqi"
"""`struct flock` of fcntl(2): type, whence, start, length, process."""


@dataclass(frozen=True)
class Presence:
    """What there is to see of whoever works, or worked, in a folder."""

    held: bool
    """A process has it now."""
    host: str
    """The machine it runs on, or ran on."""
    seen_at: datetime
    """Its last sign of life, to the second."""

    @property
    def at_work(self) -> bool:
        """Whether it goes on. Of a machine whose locks may not be seen from here, a fresh sign of life counts."""
        if self.held or self.host == platform.node():
            return self.held
        return (datetime.now(UTC) - self.seen_at).total_seconds() < 4 * BEAT_S


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[Path]:
    """Be the one who works in `folder` until the block ends; yields the file to `beat` on.

    Raises `UsageError` when somebody else is, `StorageError` when nothing can be written there.
    """
    path = folder / NAME
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            file.seek(0)
            raise UsageError(
                f"another process is at work in {folder}",
                cause=f"it was begun on {file.read().strip() or 'this machine'}",
                hint="wait for it, or end it first",
            ) from error
        with writing(path):
            file.truncate(0)
            file.write(f"{platform.node()}\n")
            file.flush()
        yield path


async def beat(path: Path) -> None:
    """Give a sign of life every few seconds, for ever."""
    while True:
        with contextlib.suppress(OSError):  # the work itself will say what is wrong with the disk
            os.utime(path)
        await asyncio.sleep(BEAT_S)


def presence(folder: Path) -> Presence | None:
    """Return what there is to see of whoever works in `folder`; None when nobody ever did, or it can't be read."""
    try:
        with (folder / NAME).open() as file:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            found = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
            seen_at = datetime.fromtimestamp(int(os.fstat(file.fileno()).st_mtime), UTC)
            return Presence(found[0] != fcntl.F_UNLCK, file.read(256).strip(), seen_at)
    except (OSError, ValueError):
        return None
