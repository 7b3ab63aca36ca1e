"""Progress of long work: a live line where somebody looks, a line per finished thing where nobody does."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from worktrial.cli.output import talk


class Work:
    """A piece of long work with a known number of things to do."""

    def __init__(self, bar: Progress | None, task: TaskID | None) -> None:
        self._bar = bar
        self._task = task

    def now(self, text: str) -> None:
        """Show what stands so far: counts by outcome, cost."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, state=text)

    def done(self, line: str | None) -> None:
        """Count one thing as done; `line` says how it ended, None says nothing."""
        if line is not None:
            talk.print(line, markup=False, soft_wrap=True)
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)


@contextlib.contextmanager
def working(title: str, total: int, done: int = 0) -> Iterator[Work]:
    """Show the progress of `total` things of which `done` were finished before. The estimate is of the rest."""
    if not talk.is_terminal:
        yield Work(None, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=talk, transient=True) as bar:
        yield Work(bar, bar.add_task(title, total=total, completed=done, state=""))


def same_command() -> str:
    """Return the command line that was given, to show as the one that resumes."""
    program = Path(sys.argv[0]).name
    return shlex.join([*(["python", "-m", "worktrial"] if program == "__main__.py" else [program]), *sys.argv[1:]])
