"""SQLite databases of running programs: opened to read only, nothing written beside them, torn ones survived."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from worktrial.errors import StorageError
from worktrial.sessions.reading import LONGEST_LINE, Tally

_WAIT_S = 2.0
"""Seconds to wait for a program that is just writing."""


@contextlib.contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database. One with a log of writes beside it is read with that; any other as a file that stands still.

    Raises `StorageError` when it cannot be opened or is no database.
    """
    if not path.is_file():
        raise StorageError(f"cannot read the database {path}", cause="there is no such file")
    wal = path.with_name(f"{path.name}-wal")
    try:
        live = wal.stat().st_size > 0
    except OSError:
        live = False
    connection = _connect(path, "mode=ro") if live else None
    connection = connection or _connect(path, "mode=ro&immutable=1")
    if connection is None:
        raise StorageError(f"cannot read the database {path}", cause="it is not a SQLite database, or a torn one")
    try:
        yield connection
    finally:
        connection.close()


def _connect(path: Path, how: str) -> sqlite3.Connection | None:
    connection = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, timeout=_WAIT_S)
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.execute("PRAGMA query_only = 1")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, UnicodeError):  # what it says of a damaged schema may be no text
        if connection is not None:
            connection.close()
        return None
    return connection


def rows(connection: sqlite3.Connection, tally: Tally, query: str, *values: object) -> Iterator[sqlite3.Row]:
    """Yield the rows of a query, by name, as far as they can be read; what ends them early counts as torn."""
    try:
        cursor = connection.cursor()
        cursor.row_factory = sqlite3.Row
        yield from cursor.execute(query, values)
    except (sqlite3.Error, OverflowError, UnicodeError):
        tally.torn += 1


def columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """Return the names of a table's columns; none when there is no such table."""
    return frozenset(row["name"] for row in rows(connection, Tally(), "SELECT name FROM pragma_table_info(?)", table))


def short(column: str) -> str:
    """Return SQL for a column whose value is NULL when it is longer than a line may be."""
    return f"CASE WHEN length({column}) <= {LONGEST_LINE} THEN {column} END"
