"""Progress of long work: a live line where somebody looks, a line per finished thing where nobody does."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from worktrial.cli.output import talk


class _Left(ProgressColumn):
    """The time left, if the rest takes as long as what this call has done.

    rich's own looks back half a minute, in which nothing ends where a single thing takes longer.
    """

    def __init__(self, before: int) -> None:
        """`before` are the things that were done already when it began."""
        super().__init__()
        self._before = before
        self._done = 0.0
        self._at_s = 0.0
        """When the last of them was."""

    def render(self, task: Task) -> Text:
        """Return the words for the line."""
        elapsed_s, done = task.elapsed or 0.0, task.completed - self._before
        if done != self._done:
            self._done, self._at_s = done, elapsed_s
        if not done:
            return Text("-:--:--")
        left_s = self._at_s / done * (task.remaining or 0) - (elapsed_s - self._at_s)
        return Text(str(timedelta(seconds=round(max(0.0, left_s)))))


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
        _Left(done),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=talk, transient=True) as bar:
        yield Work(bar, bar.add_task(title, total=total, completed=done, state=""))


def command(*argv: object) -> str:
    """Return a command line of worktrial's, to copy."""
    return shlex.join(["worktrial", *map(str, argv)])


def same_command() -> str:
    """Return the command line that was given, to show as the one that resumes."""
    program = Path(sys.argv[0]).name
    return shlex.join([*(["python", "-m", "worktrial"] if program == "__main__.py" else [program]), *sys.argv[1:]])
