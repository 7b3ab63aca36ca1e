"""Where runs were made on this machine, so that the next one can be planned from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worktrial.errors import WorktrialError
from worktrial.formats.base import Record, Timestamp, now
from worktrial.store.cache import cache_dir
from worktrial.store.journal import Journal
from worktrial.store.run import RunDir


class PastRun(Record):
    """A run that was started or resumed."""

    path: str
    """Absolute."""
    at: Timestamp


def note_run(run: RunDir) -> None:
    """Remember that a run was made. Raises `StorageError`."""
    known = _journal()
    path = str(run.path)
    if all(past.path != path for past in known):
        known.append(PastRun(path=path, at=now()))


def past_runs() -> Iterator[RunDir]:
    """Yield the runs made on this machine that are still there and readable, newest first."""
    for past in reversed(list(_journal())):
        run = RunDir(Path(past.path))
        try:
            if run.exists:
                run.request()
                yield run
        except WorktrialError:
            continue  # of an older version, or torn: nothing to plan from


def _journal() -> Journal[PastRun]:
    return Journal(cache_dir() / "runs.jsonl", PastRun)
