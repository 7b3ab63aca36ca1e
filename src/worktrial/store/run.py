"""A run on disk: what was asked, what it ran with, and every trial. The folder is the source of truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worktrial.errors import FormatError
from worktrial.formats.journal import JournalEntry
from worktrial.formats.redaction import Redaction
from worktrial.formats.run import RunLock, RunRequest
from worktrial.formats.trajectory import Trajectory
from worktrial.formats.trial import Trial
from worktrial.formats.verdict import Verdict
from worktrial.store.files import read_model, write_json, write_toml, writing
from worktrial.store.journal import Journal


class TrialDir:
    """The folder of one trial, `trials/<agent>/<task>/<n>/`."""

    def __init__(self, path: Path, agent: str, task: str, n: int) -> None:
        self.path = path
        self.agent = agent
        self.task = task
        self.n = n

    @property
    def patch_path(self) -> Path:
        """The agent's patch, `patch.diff`."""
        return self.path / "patch.diff"

    @property
    def logs(self) -> Path:
        """Folder of what agent and tests printed."""
        return self.path / "logs"

    @property
    def name(self) -> str:
        """What it is called in records."""
        return f"{self.agent}/{self.task}/{self.n}"

    @property
    def redactions(self) -> Journal[Redaction]:
        """What was replaced in its files, without its values."""
        return Journal(self.path / "redactions.jsonl", Redaction)

    def trial(self) -> Trial | None:
        """Return `trial.json`, or None when the agent's part did not come to its end."""
        path = self.path / "trial.json"
        return read_model(path, Trial, "trial") if path.exists() else None

    def folders(self) -> Iterator[Path]:
        """Yield the folder of every attempt, those that were set aside or did not come to their end included."""
        yield from (self.path, *self.path.parent.glob(f"{self.n}.attempt-*"))

    def attempts(self) -> Iterator[Trial]:
        """Yield `trial.json` of every attempt that came to its end, those that were set aside included."""
        for folder in self.folders():
            if (folder / "trial.json").exists():
                yield read_model(folder / "trial.json", Trial, "trial")

    def verdict(self) -> Verdict | None:
        """Return `verdict.json`, or None when the trial was not graded."""
        path = self.path / "verdict.json"
        return read_model(path, Verdict, "verdict") if path.exists() else None

    def trajectory(self) -> Trajectory | None:
        """Return `trajectory.json`, or None when the agent left none."""
        path = self.path / "trajectory.json"
        return read_model(path, Trajectory, "trajectory") if path.exists() else None

    def write_trial(self, trial: Trial) -> None:
        """Write `trial.json`: from here on the trial is finished."""
        write_json(self.path / "trial.json", trial)

    def write_verdict(self, verdict: Verdict) -> None:
        """Write `verdict.json`."""
        write_json(self.path / "verdict.json", verdict)

    def write_trajectory(self, trajectory: Trajectory) -> None:
        """Write `trajectory.json` without the fields that are null: ATIF readers want them absent."""
        write_json(self.path / "trajectory.json", trajectory.model_dump(mode="json", exclude_none=True))

    def set_aside(self) -> None:
        """Move an unfinished or unwanted attempt beside the trial, as `<n>.attempt-<k>`: no attempt is ever lost."""
        if not self.path.exists():
            return
        k = 1
        while (kept := self.path.with_name(f"{self.n}.attempt-{k}")).exists():
            k += 1
        with writing(kept):
            self.path.rename(kept)


class RunDir:
    """The folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def open(cls, path: Path) -> RunDir:
        """Return the run at `path`. Raises `FormatError` when it has no readable `run.toml`."""
        if not (path / "run.toml").is_file():
            raise FormatError(f"there is no run at {path}", hint="make one: worktrial run SUITE --agent NAME --out DIR")
        run = cls(path)
        run.request()
        return run

    @property
    def journal(self) -> Journal[JournalEntry]:
        """What happened when."""
        return Journal(self.path / "journal.jsonl", JournalEntry)

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.path / "run.toml").exists()

    def request(self) -> RunRequest:
        """Return what was asked."""
        return read_model(self.path / "run.toml", RunRequest, "run file")

    def lock(self) -> RunLock:
        """Return what the run ran with."""
        return read_model(self.path / "lock.json", RunLock, "run lock")

    def create(self, request: RunRequest, lock: RunLock) -> None:
        """Write `lock.json` and, last, `run.toml`."""
        write_json(self.path / "lock.json", lock)
        write_toml(self.path / "run.toml", request)

    def trial_dir(self, agent: str, task: str, n: int) -> TrialDir:
        """Return the folder of one trial, made or not."""
        return TrialDir(self.path / "trials" / agent / task / str(n), agent, task, n)

    def trial_dirs(self) -> Iterator[TrialDir]:
        """Yield the folder of every trial that was asked for, by agent, task and number; made or not."""
        request = self.request()
        for agent in request.everyone():
            for task in request.tasks:
                for n in range(1, request.trials_of(agent) + 1):
                    yield self.trial_dir(agent.name, task, n)
