"""The contract of a language plugin."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from worktrial.formats.candidate import Role
from worktrial.formats.evidence import Ended, Status
from worktrial.formats.task import Environment
from worktrial.sandboxes.protocol import Mount, Sandbox, Workspace

ReadFile = Callable[[str], str | None]
"""Text of a file by its path in the tree; None when there is no such file."""


@dataclass(frozen=True)
class TestPlan:
    """Which tests to run, and how."""

    __test__ = False

    files: tuple[str, ...] = ()
    """Files whose tests are all run."""
    ids: tuple[str, ...] = ()
    """Single tests run besides."""
    everything: bool = False
    """Run the whole suite; `files` and `ids` are then ignored."""
    shuffle_seed: int | None = None
    reverse: bool = False
    """Run the tests in the opposite of the runner's own order; not with `shuffle_seed`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables set over the runner's usual ones, to shift what tests should not depend on."""
    lines: Mapping[str, Collection[int]] = field(default_factory=dict)
    """Lines, by path, for which to record which tests run them; empty: do not measure."""
    first: tuple[str, ...] = ()
    """Files whose tests go before all others, for when the time does not suffice."""
    stop_after_s: float | None = None
    """Seconds after which no further test is begun and the run ends as usual; None: no such limit."""


@dataclass(frozen=True)
class TestReport:
    """What one test process said and how it ended."""

    __test__ = False

    ended: Ended
    exit_code: int | None
    statuses: dict[str, Status]
    """By test id; a file that could not be imported stands under its own path as *uncollected*."""
    covering: dict[str, dict[str, tuple[int, ...]]]
    """Lines of the plan that each test ran: by test id, then path."""
    output: str
    wall_s: float
    forged: str = ""
    """What in the report cannot be the runner's own account, for people; empty when nothing contradicts it."""
    evidence: tuple[str, ...] = ()
    """Kinds of things seen that can be signs of tampering, sorted. Honest code causes some: what counts is what the
    validated solution did not cause."""
    unproven: frozenset[str] = frozenset()
    """Tests reported as passed of which it was not seen that their body came to its end."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 (hex) of the source each test module was compiled from, by path; only of modules that are watched."""
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Name of the type of the exception that ended a test, by id."""
    canaries_passed: tuple[str, ...] = ()
    """Tests of ours that must not pass and were reported as passed."""


@dataclass(frozen=True)
class TwinFile:
    """A test file in which what tests expect was changed, so that whatever passes the original fails it."""

    text: str
    tests: Mapping[str, bool]
    """Tests that were changed, by id: whether they fail by an exception of the solution's own, not by an assertion."""
    changes: tuple[str, ...]
    """What was changed, for people."""


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment on this machine."""

    key: str
    folder: Path
    additions: Path
    """Layer of files that building put into the work tree (version files, metadata, compiled extensions)."""


@dataclass(frozen=True)
class Activation:
    """Variables and mounts that put an environment in reach."""

    env: Mapping[str, str]
    mounts: tuple[Mount, ...]


@dataclass(frozen=True)
class Checks:
    """A project's own ways of checking work, as programs run in its root with its environment; paths may be added.

    Empty where the project has none.
    """

    test: tuple[str, ...] = ()
    diagnostics: tuple[str, ...] = ()
    lint: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    mounts: tuple[Path, ...] = ()
    """Files of the host that these programs are."""


class Language(Protocol):
    """One language: how its files are told apart, its environments built, and its tests run."""

    name: str
    suffixes: tuple[str, ...]
    """How the names of its files end."""
    comment: bytes
    """What begins a comment that ends with its line."""

    def role(self, path: str, content: Callable[[], str | None]) -> Role:
        """Tell what a file is to a task. `content` gives its text and is called only where the path does not tell."""
        ...

    def needs_build(self, path: str) -> bool:
        """Whether a change of this file needs a compiler before tests see it."""
        ...

    def infrastructure(self, path: str) -> bool:
        """Whether the file decides how tests run (configuration, plugins, shared fixtures), whoever wrote it."""
        ...

    def holds_tests(self, path: str) -> bool:
        """Whether the runner would look for tests in a file of this name."""
        ...

    def related_tests(self, source: Collection[str], tests: Collection[str]) -> tuple[str, ...]:
        """Return those of `tests` that by their name test one of the modules in `source`."""
        ...

    def imported(self, path: str, text: str, source: Collection[str]) -> int:
        """Return how many of the modules in `source` a test file, with `text` at `path`, imports by their name."""
        ...

    def runnable_lines(self, path: str, text: str, lines: Collection[int]) -> tuple[int, ...]:
        """Return those of `lines` that a test can run: no blank lines, comments, docstrings."""
        ...

    def same_code(self, path: str, before: str, after: str) -> bool:
        """Whether two versions of a file differ in nothing but comments; False where that cannot be told."""
        ...

    def marks(self, read: ReadFile, paths: Collection[str]) -> Collection[str]:
        """Return what is in the bytes of every file that a compiler makes of one of `paths`, comments aside.

        Empty where compiled code can be told by its functions, as Python's can, or where nothing compiled is kept.
        """
        ...

    def twin(self, text: str, tests: Collection[str], seed: int) -> TwinFile | None:
        """Return the twin of a test file that holds `tests` (ids), None where nothing can be changed.

        The same arguments give the same twin; other seeds change other places where there are any.
        """
        ...

    async def resolve(
        self, read: ReadFile, sandbox: Sandbox, tree: Path, *, as_of: date | None, wide: bool = False
    ) -> Environment:
        """Resolve what the repository declares to a recipe, with packages as of a date if one is given.

        `wide` takes every optional dependency, not only those named for tests. Raises `EnvironmentBuildError`.
        """
        ...

    async def build(self, recipe: Environment, sandbox: Sandbox, tree: Path) -> BuiltEnvironment:
        """Build the environment of a recipe, or return it from the cache. Raises `EnvironmentBuildError`."""
        ...

    def checks(self, read: ReadFile, search_path: str) -> Checks:
        """Return how the project checks its work, from its own configuration where it has any.

        `search_path` is the PATH that the environment's programs are found on.
        """
        ...

    def activation(self, environment: BuiltEnvironment, workspace: Workspace) -> Activation:
        """Return what puts the environment in reach of commands run in `workspace`."""
        ...

    async def test(
        self, workspace: Workspace, environment: BuiltEnvironment, plan: TestPlan, timeout_s: float
    ) -> TestReport:
        """Run tests in a workspace. Raises `SandboxError` when nothing could be started."""
        ...
