"""The contract of a reader of session logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from worktrial.formats.session import Session


class Source(Protocol):
    """One kind of log. Logs are hostile input, may be torn, and may be written to while they are read."""

    @property
    def name(self) -> str:
        """What sessions name as their source."""
        ...

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """Yield the logs that concern a repository, in a stable order.

        Of logs of other repositories no more is read than tells that they are such: a folder's name, or the lines at
        the beginning that hold the working directory. `home` is where the tools' folders are looked for; variables
        that move such a folder count only when `home` is the user's own.
        """
        ...

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """Yield the sessions of one log, each in bounded memory, whatever is torn or unknown in it counted.

        Some logs hold sessions of several repositories; `repository` confines to one. None: all of them.
        Raises `StorageError` when the log cannot be opened at all, and nothing else.
        """
        ...
