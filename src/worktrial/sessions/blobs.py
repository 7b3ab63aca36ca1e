"""Contents of git objects as files, from one `git cat-file --batch` and without holding them."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, cast

from worktrial.store.git import Git


class Blobs:
    """Opens blobs one after the other; the next only when the one before is closed."""

    def __init__(self, git: Git) -> None:
        self._process = git.popen("cat-file", "--batch", stdin=subprocess.PIPE)

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def open(self, oid: str) -> Iterator[io.BufferedReader[Any] | None]:
        """Open a blob; None when the repository lacks it, as a partial clone may."""
        asked, told = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        try:
            asked.write(f"{oid}\n".encode())
            asked.flush()
            head = told.readline().split()
        except OSError:
            head = []
        if len(head) != 3 or not head[2].isdigit():
            yield None
            return
        blob = _Blob(told, int(head[2]))
        reader = io.BufferedReader(blob, 1 << 16)
        try:
            yield reader
        finally:
            while blob.read(1 << 20):
                pass
            told.read(1)

    def content(self, oid: str, most: int) -> bytes:
        """Return at most so many bytes of a blob; nothing of one that is lacking."""
        with self.open(oid) as file:
            return b"" if file is None else file.read(most)


class _Blob(io.RawIOBase):
    """The next `left` bytes of a pipe."""

    def __init__(self, pipe: IO[bytes], left: int) -> None:
        super().__init__()
        self._pipe = pipe
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        got = self._pipe.read(min(len(buffer), self._left))
        buffer[: len(got)] = got
        self._left = self._left - len(got) if got else 0
        return len(got)
