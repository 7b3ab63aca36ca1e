"""A run read from disk once: every trial that was asked for, with all its attempts and what they are known to cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from worktrial.errors import FormatError
from worktrial.formats.gateway import UNSENT
from worktrial.formats.run import AgentConfig, RunLock, RunRequest
from worktrial.formats.trial import Trial
from worktrial.formats.verdict import Verdict
from worktrial.gateway.recording import OPEN, RECORDS
from worktrial.gateway.reliability import FAILED
from worktrial.gateway.trials import GENERATING
from worktrial.store.files import explain, read_model
from worktrial.store.run import RunDir

Source = Literal["", "metered", "reported", "estimated"]
SOURCES: tuple[Source, ...] = ("", "metered", "reported", "estimated")
"""Of an amount, the surest first; empty: no amount is known."""

_OBJECT = TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class Amount:
    """What models took in an attempt."""

    usd: float
    """As far as it is known."""
    source: Source
    whole: bool
    """Whether that is all of it; else it is a lower bound."""


@dataclass(frozen=True)
class Requests:
    """What the gateway recorded of one attempt."""

    asked: int
    """Requests for generation that went to a provider."""
    failed: int
    """Of those, the ones that the provider failed at, its limits included."""
    amount: Amount


@dataclass(frozen=True)
class AttemptFiles:
    """One attempt: its folder, and what was found there."""

    folder: Path
    trial: Trial | None
    """None: it did not come to its end."""
    verdict: Verdict | None
    """None: it was not graded."""

    @cached_property
    def requests(self) -> Requests | None:
        """What the gateway recorded; None when there is no record. Raises `FormatError` on a line that is none."""
        return _requests(self.folder)

    def amount(self, *, free: bool) -> Amount:
        """Return what models took; `free`: the agent calls none, so that one that was killed left no bill.

        What `trial.json` does not say, since the attempt was killed or failed, the gateway's record may.
        """
        if self.trial and self.trial.usage.cost_usd is not None:
            return Amount(self.trial.usage.cost_usd, self.trial.usage.cost_source or "", whole=True)
        if free:
            return Amount(0.0, "", whole=True)
        return self.requests.amount if self.requests else Amount(0.0, "", whole=False)


@dataclass(frozen=True)
class TrialFiles:
    """One trial that was asked for, made or not."""

    config: AgentConfig
    task: str
    n: int
    attempts: tuple[AttemptFiles, ...]
    """Every attempt that was begun, by the name of its folder."""
    last: AttemptFiles | None
    """The attempt that counts; None: it did not come to its end, or none was begun."""


@dataclass(frozen=True)
class RunFiles:
    """A run as it is on disk."""

    run: RunDir
    request: RunRequest
    lock: RunLock
    trials: tuple[TrialFiles, ...]
    """All that were asked for, by agent, task and number."""


def read_run(run: RunDir) -> RunFiles:
    """Read every trial that was asked of a run.

    Raises `FormatError` naming the file when one is torn or is not of the trial whose folder it lies in.
    """
    request = run.request()
    return RunFiles(run, request, run.lock(), tuple(_trials(run, request)))


def _trials(run: RunDir, request: RunRequest) -> Iterator[TrialFiles]:
    for config in request.everyone():
        for task in request.tasks:
            folders = _folders(run.trial_dir(config.name, task, 1).path.parent)
            for n in range(1, request.trials_of(config) + 1):
                own = run.trial_dir(config.name, task, n).path
                attempts = tuple(_attempt(folder) for folder in folders.get(n, []))
                last = next((one for one in attempts if one.folder == own and one.trial), None)
                if last and last.trial and (last.trial.agent, last.trial.task, last.trial.n) != (config.name, task, n):
                    raise FormatError(
                        f"{own / 'trial.json'} is not of this trial",
                        cause=f"it says {last.trial.agent}/{last.trial.task}/{last.trial.n}",
                        hint="put the folder back where it was, or delete it and run again",
                    )
                yield TrialFiles(config, task, n, attempts, last)


def _folders(parent: Path) -> dict[int, list[Path]]:
    """Return the folders of all attempts at a task by the number of the trial; one listing in place of many globs."""
    found: dict[int, list[Path]] = {}
    for path in sorted(parent.iterdir()) if parent.is_dir() else []:
        number = path.name.partition(".attempt-")[0]
        if number.isdecimal():
            found.setdefault(int(number), []).append(path)
    return found


def _attempt(folder: Path) -> AttemptFiles:
    trial, verdict = folder / "trial.json", folder / "verdict.json"
    return AttemptFiles(
        folder,
        read_model(trial, Trial, "trial") if trial.exists() else None,
        read_model(verdict, Verdict, "verdict") if verdict.exists() else None,
    )


def _requests(folder: Path) -> Requests | None:
    path = folder / RECORDS
    if not path.exists():
        return None
    asked, failed, usd, source, whole = 0, 0, 0.0, 0, True
    done = set()
    for record in _lines(path):
        done.add(record.get("id"))
        outcome, cost = record.get("outcome"), record.get("cost_usd")
        if record.get("gen_ai.operation.name") not in GENERATING or outcome in UNSENT:
            continue
        if not record.get("replayed"):
            asked += 1
            failed += outcome in FAILED
        whole = whole and cost is not None
        usd += cost or 0.0
        if cost is not None:
            source = max(source, SOURCES.index(record.get("cost_source") or ""))
    # What was under way when the gateway died has been sent, and nobody knows what it took.
    if (folder / OPEN).exists():
        whole = whole and all(begun.get("id") in done for begun in _lines(folder / OPEN))
    return Requests(asked, failed, Amount(usd, SOURCES[source], whole))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a file as they are; the models that check every field would take most of the time."""
    data = path.read_bytes()
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            record: dict[str, Any] = _OBJECT.validate_json(line)
        except ValidationError as error:
            raise FormatError(f"{path} line {number} is not a valid record", cause=explain(error)) from error
        yield record
