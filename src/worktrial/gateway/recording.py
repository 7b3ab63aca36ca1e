"""The record of one trial on disk: `gateway.jsonl`, its bodies beside it, and what is under way.

    gateway.jsonl    one line a request, written when it is over
    gateway.open     one line a request, written before it is sent on; gone once the trial is closed
    gateway.bodies   what was said, see `bodies`

Every line is one write to a file opened for appending: a killed gateway leaves whole lines and at most one torn one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from worktrial.errors import FormatError
from worktrial.formats.gateway import GatewayRecord, RequestBegun
from worktrial.gateway.bodies import BodyStore, read_bodies
from worktrial.store.files import explain, writing

RECORDS = "gateway.jsonl"
OPEN = "gateway.open"
BODIES = "gateway.bodies"

Line = TypeVar("Line", GatewayRecord, RequestBegun)


class Recorder:
    """Writes the record of one trial. One recorder a folder at a time."""

    def __init__(self, folder: Path, trial: str) -> None:
        """Go on with what is there: requests that were under way when a gateway died are recorded as such."""
        self.folder = folder
        self.trial = trial
        self.bodies = BodyStore(folder / BODIES)
        self._records = _Lines(folder / RECORDS)
        self._open = _Lines(folder / OPEN)
        self.earlier = tuple(read_records(folder))
        self.earlier += tuple(self._bury())
        self._next = len(self.earlier)

    def next_id(self) -> str:
        """Return the id of a request that arrives now."""
        self._next += 1
        return f"r{self._next:05d}"

    def begin(self, begun: RequestBegun) -> None:
        """Note that a request is about to be sent on. Raises `StorageError`."""
        self._open.append(begun.model_dump_json(by_alias=True, exclude_defaults=True).encode())

    def end(self, record: GatewayRecord) -> None:
        """Write the record of a request that is over. Raises `StorageError`."""
        self._records.append(record.model_dump_json(by_alias=True, exclude_defaults=True).encode())

    def close(self) -> None:
        """Close the files; nothing is under way any more."""
        self._records.close()
        self._open.close()
        self.bodies.close()
        with contextlib.suppress(OSError):  # left behind it does no harm: all it names is recorded
            (self.folder / OPEN).unlink()

    def _bury(self) -> Iterator[GatewayRecord]:
        """Record the requests that a gateway began and never finished, and return what was recorded."""
        done = {record.id for record in self.earlier}
        for begun in _read(self.folder / OPEN, RequestBegun):
            if begun.id in done:
                continue
            record = GatewayRecord(
                format="worktrial/gateway@1",
                id=begun.id,
                at=begun.at,
                trial=self.trial,
                agent=self.trial.partition("/")[0],
                api=begun.api,
                operation=begun.operation,
                path=begun.path,
                upstream=begun.upstream,
                provider=begun.provider,
                request_model=begun.request_model,
                stream=begun.stream,
                tools_offered=begun.tools_offered,
                outcome="gateway_killed",
                error="the gateway was killed while this was under way; what it cost is not known",
            )
            self.end(record)
            yield record


def read_records(folder: Path) -> Iterator[GatewayRecord]:
    """Yield the records of a trial's folder, in the order the requests ended. Raises `FormatError`."""
    return _read(folder / RECORDS, GatewayRecord)


def read_trial(folder: Path) -> tuple[list[GatewayRecord], dict[str, bytes]]:
    """Return a trial's records in the order the requests arrived, and the bodies by hash. Raises `FormatError`."""
    return sorted(read_records(folder), key=lambda record: record.id), read_bodies(folder / BODIES)


class _Lines:
    """A file that lines are appended to; a torn last line, left by a kill, is cut off first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def append(self, line: bytes) -> None:
        """Write one line with one write."""
        with writing(self._path):
            if self._handle is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                data = os.pread(self._handle, os.fstat(self._handle).st_size, 0)
                if data and not data.endswith(b"\n"):
                    os.ftruncate(self._handle, data.rfind(b"\n") + 1)
            rest = line + b"\n"
            while rest:
                rest = rest[os.write(self._handle, rest) :]

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _read(path: Path, model: type[Line]) -> Iterator[Line]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise FormatError(f"could not read {path}", cause=error.strerror or str(error)) from error
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield model.model_validate_json(line)
        except ValidationError as error:
            raise FormatError(f"{path} line {number} is not a valid record", cause=explain(error)) from error
