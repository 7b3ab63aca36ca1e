"""SQLite: a file with a table per table, indexed by agent and task."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from worktrial.errors import StorageError
from worktrial.export.tables import TABLES, Attempt, Cell, fit

_TYPES = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "boolean": "INTEGER", "time": "TEXT"}
_BATCH = 2000


def write(attempts: Iterable[Attempt], out: Path) -> None:
    """Write a database. Raises `StorageError` when the disk is full."""
    try:
        with closing(sqlite3.connect(out, isolation_level=None)) as database:
            _fill(database, attempts)
    except sqlite3.OperationalError as error:
        raise StorageError(f"could not write {out.name}", cause=str(error), hint="free some room") from error


def _fill(database: sqlite3.Connection, attempts: Iterable[Attempt]) -> None:
    # The file is new and takes its place only when it is whole: nothing to journal.
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("BEGIN")
    inserts = []
    for table in TABLES:
        columns = ", ".join(f'"{name}" {_TYPES[kind]}' for name, kind in table.columns)
        database.execute(f'CREATE TABLE "{table.name}" ({columns}) STRICT')
        inserts.append(f'INSERT INTO "{table.name}" VALUES ({", ".join("?" * len(table.columns))})')  # noqa: S608
    waiting: list[list[list[str | int | float | None]]] = [[] for _ in TABLES]
    for attempt in attempts:
        for table, insert, rows in zip(TABLES, inserts, waiting, strict=True):
            rows.extend([_cell(value) for value in row] for row in table.rows(attempt))
            if len(rows) >= _BATCH:
                database.executemany(insert, rows)
                rows.clear()
    for table, insert, rows in zip(TABLES, inserts, waiting, strict=True):
        database.executemany(insert, rows)
        database.execute(f'CREATE INDEX "{table.name}_key" ON "{table.name}" (agent, task, n)')
    database.execute("COMMIT")


def _cell(value: Cell) -> str | int | float | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return fit(value) if isinstance(value, str) else value
