"""The pages of tasks and trials, written by as many processes as there are processors when there are many of them.

Processes of our own, and not of `multiprocessing`: those would run the caller's script again in each.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worktrial.analyse.splits import TaskFacts
from worktrial.analyse.summary import RunSummary, TrialRow
from worktrial.errors import WorktrialError
from worktrial.report.landed import Landed
from worktrial.report.pages import Shown, task_page, trial_page
from worktrial.store.files import writing
from worktrial.store.run import RunDir

MANY_TRIALS = 1000
"""Below so many, starting another process takes longer than it saves."""
_MOST = 8


@dataclass(frozen=True)
class Share:
    """The tasks that one process writes the pages of."""

    run: Path
    folder: Path
    summary: RunSummary
    """With the rows of these tasks alone."""
    tasks: tuple[str, ...]


def write_pages(run: RunDir, folder: Path, summary: RunSummary, landed: Landed) -> None:
    """Write the pages of every task and trial to `folder`, and let `landed` know what was read of the tasks.

    Raises `FormatError` when a file of the run or the suite is torn, `StorageError` when writing fails.
    """
    number = min(_MOST, len(os.sched_getaffinity(0))) if len(summary.rows) >= MANY_TRIALS else 1
    own, *others = _shares(run, folder, summary, number)
    with contextlib.ExitStack() as stack:
        started = [(share, stack.enter_context(_started(share))) for share in others]
        write_share(own, landed)
        for share, process in started:
            assert process.stdout  # noqa: S101 - it was opened with one
            try:
                found = pickle.load(process.stdout)  # noqa: S301 - from our own process
            except EOFError:  # it was killed, for its memory perhaps: then one after the other
                write_share(share, landed)
                continue
            if isinstance(found, WorktrialError):
                raise found
            for task, title, facts in found:
                landed.note(task, title, facts)


def write_share(share: Share, landed: Landed) -> list[tuple[str, str, TaskFacts]]:
    """Write the pages of some tasks, one at a time, and return id, title and facts of each."""
    run, summary = RunDir(share.run), share.summary
    by_task: dict[str, list[TrialRow]] = defaultdict(list)
    for row in summary.rows:
        by_task[row.task].append(row)
    for task in share.tasks:
        shown = Shown.of(landed.task(task), by_task[task])
        write(share.folder / "tasks" / f"{task}.html", task_page(shown, summary))
        for row in shown.rows:
            if row.outcome != "unfinished":
                page = trial_page(shown, summary, row, run.trial_dir(row.agent, row.task, row.n))
                write(share.folder / "trials" / row.agent / task / f"{row.n}.html", page)
    return [(task, landed.title(task), landed.facts(task)) for task in share.tasks]


def write(path: Path, text: str) -> None:
    """Write a page. Its folder is made when it is missing: to ask for each of thousands takes as long as a page."""
    data = text.encode("utf-8", "replace")
    with writing(path):
        try:
            path.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _shares(run: RunDir, folder: Path, summary: RunSummary, number: int) -> list[Share]:
    shares = []
    for place in range(number):
        tasks = summary.request.tasks[place::number]
        wanted = set(tasks)
        rows = tuple(row for row in summary.rows if row.task in wanted)
        shares.append(Share(run.path, folder, _with_rows(summary, rows), tasks))
    return shares


def _with_rows(summary: RunSummary, rows: Sequence[TrialRow]) -> RunSummary:
    return RunSummary(summary.request, summary.lock, summary.agents, tuple(rows), summary.lead)


@contextlib.contextmanager
def _started(share: Share) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process at work on `share`; it ends with the block."""
    command = [sys.executable, "-c", "from worktrial.report.crew import work; work()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin  # noqa: S101 - it was opened with one
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(pickle.dumps(share))
                process.stdin.close()
            yield process
        finally:
            process.kill()


def work() -> None:
    """Write one share, given on standard input, and say on standard output what was read, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this is told too, and ends it
    share: Share = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this
    landed = Landed(Path(share.summary.request.suite), share.summary.lock.suite_digest)
    found: object
    try:
        found = write_share(share, landed)
    except WorktrialError as error:
        found = error
    pickle.dump(found, sys.stdout.buffer)
