"""Append-only JSON Lines files that survive a kill: a torn last line is dropped, everything before it is kept."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from worktrial.errors import FormatError
from worktrial.store.files import explain, parse_json, write_bytes, writing

Item = TypeVar("Item", bound=BaseModel)


class Journal(Generic[Item]):
    """The records of one JSON Lines file, oldest first.

    One process appends at a time. Each record is one `write` to a file opened for appending, so a killed process
    leaves whole lines and at most one torn one at the end, which the next append removes.
    """

    def __init__(self, path: Path, item: TypeAdapter[Item] | type[Item]) -> None:
        self.path = path
        self._adapter = item if isinstance(item, TypeAdapter) else TypeAdapter(item)

    def __iter__(self) -> Iterator[Item]:
        """Yield every whole record. Raises `FormatError` for a line that is whole but wrong."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise FormatError(f"could not read {self.path}", cause=error.strerror or str(error)) from error
        for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
            try:
                yield parse_json(self._adapter, line)
            except ValidationError as error:
                raise FormatError(
                    f"{self.path} line {number} is not a valid record",
                    cause=explain(error),
                    hint="restore the file from a copy, or delete it and give the command that made it again",
                ) from error

    def append(self, record: Item) -> None:
        """Add one record. Raises `StorageError` when the disk is full; the file then holds what it held before."""
        line = self._line(record)
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)  # until it is closed: a thread's line is not another's torn one
                size = _drop_torn_line(handle)
                try:
                    while line:
                        line = line[os.write(handle, line) :]
                except OSError:
                    os.ftruncate(handle, size)
                    raise
            finally:
                os.close(handle)

    def replace(self, records: Iterable[Item]) -> None:
        """Write the file anew, whole or not at all."""
        write_bytes(self.path, b"".join(map(self._line, records)))

    def _line(self, record: Item) -> bytes:
        try:
            return self._adapter.dump_json(record) + b"\n"
        except PydanticSerializationError:  # lone surrogates
            return json.dumps(self._adapter.dump_python(record, mode="json")).encode("ascii") + b"\n"


def _drop_torn_line(handle: int) -> int:
    """Cut the file after its last line end and return its size, bytes."""
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return size
    whole = os.pread(handle, size, 0).rfind(b"\n") + 1
    os.ftruncate(handle, whole)
    return whole
