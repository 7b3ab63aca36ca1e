"""Parquet, by pyarrow: a file per table, written in groups of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from worktrial.errors import UsageError
from worktrial.export.tables import TABLES, TRIALS, Attempt, Cell, Table, fit

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

_GROUP = 20_000
"""Rows of a group: what is held in memory at a time."""


def available() -> None:
    """Raise `UsageError` when pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'worktrial[parquet]'"
        ) from error


def write(attempts: Iterable[Attempt], out: Path, *, one_file: bool) -> None:
    """Write a folder with a file per table, or the table of trials alone as one file."""
    tables = (TRIALS,) if one_file else TABLES
    if not one_file:
        out.mkdir()
    with contextlib.ExitStack() as stack:
        sinks = [
            stack.enter_context(_Sink(table, out if one_file else out / f"{table.name}.parquet")) for table in tables
        ]
        for attempt in attempts:
            for sink in sinks:
                sink.add(attempt)


class _Sink:
    """One file; rows are kept column by column until there are enough for a group."""

    def __init__(self, table: Table, path: Path) -> None:
        self._table = table
        self._schema = _schema(table)
        self._path = path
        self._columns: list[list[Cell]] = [[] for _ in table.columns]

    def __enter__(self) -> _Sink:
        from pyarrow import parquet

        self._writer: parquet.ParquetWriter = parquet.ParquetWriter(self._path, self._schema, compression="zstd")
        return self

    def __exit__(self, *failed: object) -> None:
        if failed[0] is None:
            self._flush()
        self._writer.close()

    def add(self, attempt: Attempt) -> None:
        for row in self._table.rows(attempt):
            for column, value in zip(self._columns, row, strict=True):
                column.append(fit(value) if isinstance(value, str) else value)
        if len(self._columns[0]) >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [pa.array(column, type=field.type) for column, field in zip(self._columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for column in self._columns:
            column.clear()


def _schema(table: Table) -> pa.Schema:
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "real": pa.float64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("ms", tz="UTC"),
    }
    return pa.schema([(name, types[kind]) for name, kind in table.columns])
