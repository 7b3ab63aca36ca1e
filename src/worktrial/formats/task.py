"""Tasks: what an agent is asked to do, on which tree, and which tests say whether it was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.provenance import PromptKind, Provenance, Work

_CONSOLIDATED = (
    "What follows are {count} messages that were written one after the other in one conversation about this work. "
    "Later ones may correct earlier ones. Do what they ask for in all."
)

Mode = Literal["backout", "parent"]
"""*backout*: the change reversed on the head of the day. *parent*: the tree before it, in an environment of then."""


class ExpectedTests(Record):
    """The exact test ids a solution must pass. Ids are those of the language's runner, e.g. pytest node ids."""

    fail_to_pass: tuple[str, ...] = ()
    """Failed with the tests alone, pass with the solution."""
    missing_to_pass: tuple[str, ...] = ()
    """Did not exist without the solution."""
    skip_to_pass: tuple[str, ...] = ()
    """Were skipped without the solution."""
    pass_to_pass: tuple[str, ...] = ()
    """Passed before and after: they guard against breaking what worked."""

    def deciding(self, most: int = 60) -> tuple[str, ...]:
        """Return the first `most` of the tests that do not pass without a solution."""
        return (self.fail_to_pass + self.missing_to_pass + self.skip_to_pass)[:most]

    def all(self) -> tuple[str, ...]:
        """Return every expected id, the deciding ones first."""
        return self.fail_to_pass + self.missing_to_pass + self.skip_to_pass + self.pass_to_pass


class Twin(Record):
    """A test file of which what some tests expect was changed: the validated solution fails it, as any solution must.

    Its text is made again from the task's own test file and `seed`.
    """

    file: str
    seed: int
    sha256: str
    """Of the changed file; another text is not the one that was tried and is not used."""
    tests: tuple[str, ...]
    """Deciding tests that failed it, by an assertion, in every run with the solution."""
    changes: tuple[str, ...]
    """What was changed in which test, for people."""


class Task(Record):
    """An accepted task. Prompt, solution and tests lie beside it as `prompt.md`, `solution.patch`, `tests.patch`."""

    format: Literal["worktrial/task@1"] = "worktrial/task@1"
    id: str
    language: str
    mode: Mode
    commit: str
    landed_at: Timestamp
    base_tree: str
    """Git tree id of what the agent starts from; a parentless commit in `store.git` holds it."""
    tests_tree: str
    """Git tree id of the base with the hidden tests over it."""
    solution_tree: str
    """Git tree id of the base with hidden tests and solution over it: what was validated."""
    environment: str
    """Key of the environment recipe in `environments/`."""
    source_files: tuple[str, ...]
    """Paths the landed change touched outside of its tests."""
    test_files: tuple[str, ...]
    """Files the expected tests live in: what the runner is pointed at."""
    tests: ExpectedTests
    test_timeout_s: float
    """Wall-clock limit for one grading run, from the validated runs' durations; more of it on a crowded machine."""
    unproven: tuple[str, ...] = ()
    """Expected tests of which the end of the body could not be seen with the solution either."""
    evidence: tuple[str, ...] = ()
    """Signs of tampering that the validated solution causes too, so that they say nothing."""
    twins: tuple[Twin, ...] = ()
    """Changed copies of its test files, which no honest solution passes."""
    prompt_kind: PromptKind = "message"
    prompts: tuple[str, ...] = ()
    """What is asked turn by turn, for a *conversation*; `prompt.md` then holds the first. Empty for all other kinds."""
    provenance: Provenance | None = None
    work: Work | None = None


def consolidated(prompts: Sequence[str]) -> str:
    """Return several prompts as one text that says it is made of several; one prompt stays as it is."""
    if len(prompts) < 2:
        return "".join(prompts)
    parts = [f"[Message {number} of {len(prompts)}]\n{prompt}" for number, prompt in enumerate(prompts, 1)]
    return "\n\n".join([_CONSOLIDATED.format(count=len(prompts)), *parts])


class Environment(Record):
    """The recipe of an environment: enough to build the same one again on another machine."""

    format: Literal["worktrial/environment@1"] = "worktrial/environment@1"
    key: str
    """Hash of all that follows."""
    language: str
    interpreter: str
    """Version the environment was resolved for, e.g. `3.12`; for Go that of the toolchain, e.g. `1.26.8`."""
    requirements: tuple[str, ...]
    """Pinned requirements, one per line as the installer takes them; the project itself is not among them. For Go the
    lines of the module files, after a line `-- NAME --` for each."""
    project_digest: str
    """Hash of the build settings of the project installed into it; empty when the project is not installable."""
    as_of: str | None
    """Date (ISO) up to which packages were considered; None: no limit."""
    sources: tuple[str, ...]
    """Where the requirements were declared, e.g. `pyproject.toml [dependency-groups] tests`."""
