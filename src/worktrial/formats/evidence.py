"""Evidence: everything that was run to accept or reject a candidate, one JSON line each, appended as it happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.redaction import Redaction
from worktrial.formats.task import Mode

State = Literal["base", "tests", "solution"]
"""*base*: the change backed out whole. *tests*: its tests put back. *solution*: tests and solution put back."""

Status = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed", "timeout", "uncollected"]
"""Of one test in one run. *uncollected*: its file could not be imported, so it counts as failing.
*timeout*: it was running when the time limit ended the run."""

Ended = Literal[
    "completed", "timeout", "cpu_exhausted", "out_of_memory", "process_flood", "output_flood", "disk_full", "crashed"
]
"""How a test process ended. *completed*: the runner reported its own end, whatever the tests said."""


Variant = Literal["default", "reversed", "shuffled", "alone", "parallel", "shifted"]
"""How a run of a thorough check differs. *alone*: each deciding test in a process and copy of its own. *parallel*: the
files dealt over several processes at once in one copy. *shifted*: another time zone (and so, another day), hash seed
and language."""


class Started(Record):
    """The first record of a validation; records before the last of these are of earlier ones."""

    record: Literal["started"] = "started"
    input_key: str
    """Hash of all the decision depends on: candidate, head, settings. Another key means: validate again."""
    started_at: Timestamp


class PutBack(Record):
    """How the task was put back."""

    record: Literal["put_back"] = "put_back"
    mode: Mode
    head: str
    """Commit the change was reversed on (*backout*), or the change's own commit (*parent*)."""
    base_tree: str
    tests_tree: str
    solution_tree: str
    detail: str = ""
    """Why backout was not possible, when it was not."""
    redacted: tuple[Redaction, ...] = ()
    """What was replaced in added lines of the trees."""


class EnvironmentUse(Record):
    """An environment that was tried: how well the candidate's own tests do in it with the solution, or why not."""

    record: Literal["environment"] = "environment"
    key: str
    """Empty when the build failed."""
    passing: int = 0
    """Tests of the touched files that passed, of those there was time for."""
    whole: bool = False
    """Whether every touched test file could be imported."""
    wall_s: float = 0.0
    """Of the test process; 0 when another candidate's had told already."""
    error: str = ""


class Selection(Record):
    """Which tests were chosen and why."""

    record: Literal["selection"] = "selection"
    environment: str = ""
    """Key of the environment they are run in; several may have been tried."""
    touched: tuple[str, ...]
    """Test files the change touched."""
    covering: tuple[str, ...]
    """Ids of tests in other files that run a changed line of the solution."""
    same_module: tuple[str, ...]
    """Files of tests of the same module, by name."""
    dropped: int = 0
    """Covering tests left out because there were more than the limit."""
    coverage: Literal["measured", "failed", "no_lines"]
    """*failed*: the run of the whole suite did not come to its end. *no_lines*: the change has no line that a test
    could run."""


PREDICTED = 5
"""Test files that a ranking is taken to name: its first."""


class Ranked(Record):
    """A test file that was held to concern the change, before anything was run."""

    path: str
    score: float
    """Sum of 1 / (60 + place) over the signals; only the order of scores means anything."""
    signals: dict[str, float]
    """What speaks for it: *history* (share of the source's earlier changes it was part of), *name*, *imports* (number
    of changed modules), *text* (BM25 of prompt and changed lines)."""


class Relevance(Record):
    """The ranking of test files beside the coverage of the changed lines, which decides."""

    record: Literal["relevance"] = "relevance"
    ranked: tuple[Ranked, ...]
    """The likeliest first."""
    covering_files: tuple[str, ...]
    """Files of which a test ran a changed line."""
    precision: float | None
    """Share of the first five that cover; None: nothing to compare."""
    recall: float | None
    """Share of the covering files, of five at most, that are among the first five; None: nothing to compare."""
    average_precision: float | None = None
    """Mean over the covering files of the share of covering files down to each place, 0..1; None: no such file."""

    @property
    def possible_precision(self) -> float | None:
        """The precision of a ranking without fault, 0..1: files that cover are often fewer than five; None as there."""
        if self.precision is None:
            return None
        predicted = min(len(self.ranked), PREDICTED)
        return min(len(self.covering_files), predicted) / predicted


class TestRun(Record):
    """One run of the selected tests in one state, in a fresh copy."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    record: Literal["test_run"] = "test_run"
    state: State
    index: int
    """From 0 within the state, and within the variant."""
    variant: Variant | None = None
    """Of a thorough check; None: of the validation before it."""
    shuffle_seed: int | None
    """None: the runner's own order."""
    started_at: Timestamp
    wall_s: float
    ended: Ended
    exit_code: int | None
    """None when the process was killed."""
    outcomes: dict[Status, tuple[str, ...]]
    output_tail: str = ""
    """The end of what the runner printed; kept for runs that did not pass."""
    unproven: tuple[str, ...] = ()
    """Passed tests of which it was not seen that their body came to its end."""
    evidence: tuple[str, ...] = ()
    """What was seen that can be a sign of tampering (see `worktrial.languages.protocol.TestReport`)."""

    def statuses(self) -> dict[str, Status]:
        """Return the status of every test seen, by id."""
        return {test: status for status, tests in self.outcomes.items() for test in tests}


class CoverageRun(Record):
    """The run of the whole suite on the solution that told which tests run which lines."""

    record: Literal["coverage_run"] = "coverage_run"
    wall_s: float
    """0 when an earlier candidate's run on the same tree was used."""
    ended: Ended
    tests: int
    """Number of tests that ran."""


class Leak(Record):
    """Something within an agent's reach that gives the solution away."""

    path: str
    """Of the file, as an agent sees it; members of archives after `!`."""
    what: str
    """For people: what it is and what of it was found."""


class LeakProof(Record):
    """What was looked at to show that a task's workspace holds no answer. Kept as `tasks/<id>/leaks.json` too."""

    record: Literal["leaks"] = "leaks"
    base_tree: str
    tests_tree: str
    solution_tree: str
    environment: str
    """Key of the environment that was in the agent's reach."""
    method: str
    """Version of the search."""
    sandbox: str
    """Tier of isolation it was made in."""
    sought: dict[str, int]
    """Number of whole files (`blobs`), lines and functions (`bodies`) of solution and hidden tests looked for."""
    workspace: dict[str, int]
    """What was read of work tree, repository, home and temporary files: files, bytes, archives, bytecode, objects."""
    packages: dict[str, int]
    """The same of the environment and the packages beside it."""
    packages_digest: str
    """Hash over names, sizes and times of those."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read or were too large, each with the reason."""
    findings: tuple[Leak, ...] = ()
    """Empty: nothing gives the solution away."""
    wall_s: float
    proved_at: Timestamp


class Thorough(Record):
    """What a thorough check found."""

    solution_runs: int
    """Runs with the solution, those of the validation before included."""
    before_runs: int
    """Runs without it, the same."""
    clean_runs: int
    """Runs with the solution that had every test; guarding tests are not run alone."""
    flipped: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Tests that did not do what they did before, which are dropped from the expected ones, with what they did when."""
    flip_bound: float
    """95% upper bound of the flip rate of each test that is left, from `clean_runs` (Clopper-Pearson)."""


class Decision(Record):
    """The last record: accepted or rejected, and why. A candidate without one was not finished."""

    record: Literal["decision"] = "decision"
    input_key: str
    """That of the validation it ends."""
    accepted: bool
    reason: str
    """`accepted`, or a machine-readable reason from `worktrial.curate`."""
    detail: str = ""
    counts: dict[str, int] = Field(default_factory=dict)
    """Tests by class (see `worktrial.curate.classify`)."""
    unstable: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    thorough: Thorough | None = None
    """None: not checked thoroughly."""
    decided_at: Timestamp


EvidenceRecord = Annotated[
    Started | PutBack | EnvironmentUse | Selection | Relevance | CoverageRun | TestRun | LeakProof | Decision,
    Field(discriminator="record"),
]

Kind = TypeVar("Kind", bound=Record)


def newest(records: Iterable[EvidenceRecord], kind: type[Kind]) -> Kind | None:
    """Return the last record of a kind; None: there is none."""
    found = None
    for record in records:
        if isinstance(record, kind):
            found = record
    return found
