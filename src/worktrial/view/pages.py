"""The pages of a run as it is now, made by the report's own templates when they are asked for."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from worktrial.formats.config import Configuration
from worktrial.report.asjson import report_json
from worktrial.report.landed import Landed
from worktrial.report.overview import index_page
from worktrial.report.pages import Shown, task_page, trial_page
from worktrial.report.reckoning import Reckoning, reckon
from worktrial.report.site import check_names
from worktrial.store.run import RunDir

REST = 4.0
"""Reckoning anew waits at least so many times as long as it took: a large run must not keep the machine busy."""


@dataclass(frozen=True)
class State:
    """How far a run is."""

    done: int
    """Trials that came to their end."""
    asked: int
    going: bool
    """False when the journal ends with the end of a run. A run that was killed looks as if it went on."""


class Pages:
    """A run's pages. Methods may be called from any thread."""

    def __init__(self, run: RunDir, configuration: Configuration) -> None:
        """Read what was asked. Raises `FormatError` for names that are none for addresses."""
        self._run = run
        self._configuration = configuration
        request = run.request()
        check_names(request)
        self._landed = Landed(Path(request.suite), run.lock().suite_digest)
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._found: Reckoning | None = None
        self._not_before = 0.0

    def version(self) -> tuple[int, int]:
        """Return what changes whenever the run moves: its journal has a line for every trial."""
        try:
            found = self._run.journal.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_size, found.st_mtime_ns)

    def state(self) -> State:
        """Return how far the run is."""
        request = self._run.request()
        trials = [
            self._run.trial_dir(config.name, task, n)
            for config in request.everyone()
            for task in request.tasks
            for n in range(1, request.trials_of(config) + 1)
        ]
        done = sum((trial.path / "trial.json").exists() for trial in trials)
        last = ""
        for entry in self._run.journal:
            if entry.event != "graded":
                last = entry.event
        return State(done, len(trials), going=last not in ("", "drained", "finished"))

    def index(self) -> str:
        """Return the first page."""
        return index_page(self._reckoned(), self._landed, live=True)

    def json(self) -> str:
        """Return `report.json`."""
        return json.dumps(report_json(self._reckoned(), self._landed), indent=1) + "\n"

    def task(self, task: str) -> str | None:
        """Return the page of a task; None when the run has no such task."""
        summary = self._reckoned().summary
        if task not in summary.request.tasks:
            return None
        rows = [row for row in summary.rows if row.task == task]
        return task_page(Shown.of(self._landed.task(task), rows), summary, live=True)

    def trial(self, agent: str, task: str, n: str) -> str | None:
        """Return the page of a finished trial; None when the run has no such trial, or not yet."""
        summary = self._reckoned().summary
        rows = [row for row in summary.rows if row.task == task]
        for row in rows:
            # Compared with what there is, and never made a path of: an address may hold anything.
            if (row.agent, str(row.n)) == (agent, n) and row.outcome != "unfinished":
                folder = self._run.trial_dir(row.agent, row.task, row.n)
                return trial_page(Shown.of(self._landed.task(task), rows), summary, row, folder)
        return None

    def _reckoned(self) -> Reckoning:
        """Return the run's figures, of now or of a moment ago."""
        with self._lock:
            version = self.version()
            if self._found is None or (version != self._version and time.monotonic() >= self._not_before):
                started = time.monotonic()
                self._found, self._version = reckon(self._run, self._configuration), version
                self._not_before = time.monotonic() + REST * (time.monotonic() - started)
            return self._found
