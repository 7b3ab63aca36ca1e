"""CSV, for spreadsheets: RFC 4180 in UTF-8, and no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from worktrial.export.tables import TABLES, TRIALS, Attempt, Cell, fit

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that spreadsheets evaluate, the wide forms included (OWASP, "CSV Injection")."""


def write(attempts: Iterable[Attempt], out: Path, *, one_file: bool) -> None:
    """Write a folder with a file per table, or the table of trials alone as one file."""
    tables = (TRIALS,) if one_file else TABLES
    if not one_file:
        out.mkdir()
    with contextlib.ExitStack() as stack:
        writers = []
        for table in tables:
            path = out if one_file else out / f"{table.name}.csv"
            file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
            writers.append(csv.writer(file))
            writers[-1].writerow(name for name, _ in table.columns)
        for attempt in attempts:
            for table, writer in zip(tables, writers, strict=True):
                writer.writerows([cell(value) for value in row] for row in table.rows(attempt))


def cell(value: Cell) -> str | int | float | None:
    """Return a cell; a quote before a formula keeps it text. Unknown is an empty cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        text = fit(value)
        return f"'{text}" if text.startswith("\t") or text.lstrip().startswith(_FORMULA) else text
    return value
