"""A suite on disk: where its files lie, and reading and writing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter

from worktrial.errors import FormatError
from worktrial.formats.candidate import Candidate, Rejection
from worktrial.formats.classification import Classification, RelevanceJudged
from worktrial.formats.evidence import Decision, EvidenceRecord, LeakProof, TestRun
from worktrial.formats.ledger import LedgerEntry
from worktrial.formats.redaction import Redaction
from worktrial.formats.review import ReviewEntry
from worktrial.formats.suite import SuiteChange, SuiteInfo
from worktrial.formats.task import Environment, Task
from worktrial.store.cache import digest
from worktrial.store.files import read_model, write_bytes, write_json, write_text, write_toml
from worktrial.store.git import Git, objects_dir, scratch_repository
from worktrial.store.journal import Journal

_EVIDENCE: TypeAdapter[EvidenceRecord] = TypeAdapter(EvidenceRecord)
_LEDGER: TypeAdapter[LedgerEntry] = TypeAdapter(LedgerEntry)
_REVIEWS: TypeAdapter[ReviewEntry] = TypeAdapter(ReviewEntry)


class Suite:
    """The folder of a suite. Reading never writes; every write is whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def open(cls, path: Path) -> Suite:
        """Return the suite at `path`. Raises `FormatError` when it has no readable `suite.toml`."""
        if not path.is_dir():
            raise FormatError(f"there is no suite at {path}", hint="make one: worktrial mine REPO --suite DIR")
        suite = cls(path)
        suite.info()
        return suite

    # -- mining --

    def info(self) -> SuiteInfo:
        """Return what the suite was made from."""
        return read_model(self.path / "suite.toml", SuiteInfo, "suite file")

    def write_info(self, info: SuiteInfo) -> None:
        """Write `suite.toml`."""
        write_toml(self.path / "suite.toml", info)

    @property
    def candidates(self) -> Journal[Candidate]:
        """Candidates, newest first."""
        return Journal(self.path / "candidates.jsonl", Candidate)

    @property
    def rejections(self) -> Journal[Rejection]:
        """Commits that mining turned down, newest first."""
        return Journal(self.path / "rejections.jsonl", Rejection)

    @property
    def redactions(self) -> Journal[Redaction]:
        """What was replaced by placeholders in candidates and rejections, without its values."""
        return Journal(self.path / "redactions.jsonl", Redaction)

    @property
    def classification(self) -> Journal[Classification]:
        """What rules and a model say of the candidates' prompts, in the order it was asked."""
        return Journal(self.path / "classification.jsonl", Classification)

    @property
    def judged_relevance(self) -> Journal[RelevanceJudged]:
        """What a model says of the test files of candidates, in the order it was asked."""
        return Journal(self.path / "relevance.jsonl", RelevanceJudged)

    # -- evidence --

    def evidence(self, candidate: str) -> Journal[EvidenceRecord]:
        """Return the records of one candidate, oldest first."""
        return Journal(self.path / "evidence" / f"{candidate}.jsonl", _EVIDENCE)

    def decision(self, candidate: str) -> Decision | None:
        """Return the decision on a candidate, or None when it has not been validated to the end."""
        last = None
        for record in self.evidence(candidate):
            if isinstance(record, Decision):
                last = record
            elif not (isinstance(record, TestRun) and record.variant):
                last = None  # runs of a thorough check follow a decision that stands until they are all there
        return last

    @property
    def ledger(self) -> Journal[LedgerEntry]:
        """What the expected tests did with the landed solution, run by run."""
        return Journal(self.path / "ledger.jsonl", _LEDGER)

    # -- people and versions --

    @property
    def reviews(self) -> Journal[ReviewEntry]:
        """What people said of tasks and candidates, oldest first; several may add to it at the same time."""
        return Journal(self.path / "reviews.jsonl", _REVIEWS)

    @property
    def history(self) -> Journal[SuiteChange]:
        """The suite's versions, oldest first; empty for a suite that was never refreshed."""
        return Journal(self.path / "history.jsonl", SuiteChange)

    def retired_dir(self, task: str, version: int) -> Path:
        """Return the folder of a task as it was when version `version` of the suite came without it."""
        return self.path / "retired" / task / str(version)

    # -- tasks --

    def task_dir(self, task: str) -> Path:
        """Return the folder of a task."""
        return self.path / "tasks" / task

    def task_ids(self) -> list[str]:
        """Return the ids of all accepted tasks, sorted."""
        return sorted(found.parent.name for found in self.path.glob("tasks/*/task.toml"))

    def task(self, task: str) -> Task:
        """Return one task."""
        return read_model(self.task_dir(task) / "task.toml", Task, "task file")

    def tasks(self) -> list[Task]:
        """Return all tasks, newest change first."""
        return sorted(
            (self.task(task) for task in self.task_ids()),
            key=lambda task: (task.landed_at, task.id),
            reverse=True,
        )

    def prompt(self, task: str) -> str:
        """Return what the agent is asked."""
        path = self.task_dir(task) / "prompt.md"
        try:
            return path.read_bytes().decode()  # line ends as they were typed
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"could not read the prompt of task {task}", cause=str(error)) from error

    def patch(self, task: str, which: str) -> bytes:
        """Return the task's `solution` or `tests` patch, as `git apply` takes it."""
        path = self.task_dir(task) / f"{which}.patch"
        try:
            return path.read_bytes()
        except OSError as error:
            raise FormatError(f"could not read the {which} patch of task {task}", cause=str(error)) from error

    def write_task(self, task: Task, *, prompt: str, solution: bytes, tests: bytes) -> None:
        """Write a task; `task.toml` comes last, so that a task with one is complete."""
        folder = self.task_dir(task.id)
        write_text(folder / "prompt.md", prompt)
        write_bytes(folder / "solution.patch", solution)
        write_bytes(folder / "tests.patch", tests)
        write_toml(folder / "task.toml", task)

    def leak_proof(self, task: str) -> LeakProof | None:
        """Return the proof that a task's workspace holds no answer, or None when none was made."""
        path = self.task_dir(task) / "leaks.json"
        return read_model(path, LeakProof, "leak proof") if path.exists() else None

    def write_leak_proof(self, task: str, proof: LeakProof) -> None:
        """Write `leaks.json`, which is of the task but not of what it asks: `digest` leaves it out."""
        write_json(self.task_dir(task) / "leaks.json", proof)

    def environment(self, key: str) -> Environment:
        """Return the recipe of an environment."""
        return read_model(self.path / "environments" / f"{key}.json", Environment, "environment recipe")

    def write_environment(self, environment: Environment) -> None:
        """Write the recipe of an environment."""
        write_json(self.path / "environments" / f"{environment.key}.json", environment)

    # -- objects --

    @property
    def store(self) -> Path:
        """The bare repository with one parentless commit per base tree."""
        return self.path / "store.git"

    def keep_tree(self, git: Git, tree: str) -> None:
        """Copy `tree` from `git` into the store, under a parentless commit of its own, and nothing else."""
        if not (self.store / "HEAD").exists():
            scratch_repository(self.store)
        store = Git(self.store)
        ref = f"refs/trees/{tree}"
        if store.succeeds("rev-parse", "--verify", "--quiet", ref):
            return
        commit = git.run("commit-tree", tree, "-m", "base").decode().strip()
        listed = git.run("rev-list", "--objects", "--no-object-names", commit)
        packed = git.run("pack-objects", "--stdout", "-q", "--delta-base-offset", data=listed)
        store.run("unpack-objects", "-q", data=packed)
        store.run("update-ref", ref, commit)

    def open_store(self, scratch: Path) -> Git:
        """Return a scratch repository in `scratch` that can read the suite's trees."""
        if not (self.store / "HEAD").exists():
            raise FormatError(
                f"the suite at {self.path} has no tree store",
                hint="validate it first: worktrial validate SUITE",
            )
        return scratch_repository(scratch, objects_dir(Git(self.store)))

    def digest(self) -> str:
        """Return a hash over what all tasks are made of: two suites with the same digest ask the same."""
        return digest(*(part for task in self.task_ids() for part in self._parts(task)))

    def _parts(self, task: str) -> Iterator[str | bytes]:
        for path in sorted(self.task_dir(task).iterdir()):
            if path.name != "leaks.json":
                yield from (task, path.name, path.read_bytes())
