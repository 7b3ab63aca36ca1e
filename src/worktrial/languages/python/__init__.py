"""Python: pytest (and unittest through it), environments by uv."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

from worktrial.formats.candidate import Role
from worktrial.formats.task import Environment
from worktrial.languages.protocol import (
    Activation,
    BuiltEnvironment,
    Checks,
    Language,
    ReadFile,
    TestPlan,
    TestReport,
    TwinFile,
)
from worktrial.languages.python import paths, syntax
from worktrial.sandboxes.protocol import Sandbox, Workspace


class _Python:
    """The plugin: each method is explained in `Language`. What runs things is imported when it is first needed."""

    name = "python"
    suffixes: tuple[str, ...] = (".py", ".pyi")
    comment = b"#"

    def role(self, path: str, content: Callable[[], str | None]) -> Role:
        return paths.role(path, content)

    def needs_build(self, path: str) -> bool:
        return paths.needs_build(path)

    def infrastructure(self, path: str) -> bool:
        return paths.infrastructure(path)

    def holds_tests(self, path: str) -> bool:
        return paths.holds_tests(path)

    def related_tests(self, source: Collection[str], tests: Collection[str]) -> tuple[str, ...]:
        return paths.related_tests(source, tests)

    def imported(self, path: str, text: str, source: Collection[str]) -> int:
        return syntax.imported(path, text, source)

    def runnable_lines(self, path: str, text: str, lines: Collection[int]) -> tuple[int, ...]:
        return syntax.runnable_lines(path, text, lines)

    def same_code(self, path: str, before: str, after: str) -> bool:
        return syntax.same_code(path, before, after)

    def marks(self, read: ReadFile, paths: Collection[str]) -> Collection[str]:
        del read, paths
        return ()

    def twin(self, text: str, tests: Collection[str], seed: int) -> TwinFile | None:
        from worktrial.languages.python import twins

        return twins.twin_file(text, tests, seed)

    async def resolve(
        self, read: ReadFile, sandbox: Sandbox, tree: Path, *, as_of: date | None, wide: bool = False
    ) -> Environment:
        from worktrial.languages.python import environment

        return await environment.resolve(read, sandbox, tree, as_of=as_of, wide=wide)

    async def build(self, recipe: Environment, sandbox: Sandbox, tree: Path) -> BuiltEnvironment:
        from worktrial.languages.python import environment

        return await environment.build(recipe, sandbox, tree)

    def checks(self, read: ReadFile, search_path: str) -> Checks:
        from worktrial.languages.python import checks

        return checks.checks(read, search_path)

    def activation(self, environment: BuiltEnvironment, workspace: Workspace) -> Activation:
        from worktrial.languages.python import testing

        return testing.activation(environment, workspace)

    async def test(
        self, workspace: Workspace, environment: BuiltEnvironment, plan: TestPlan, timeout_s: float
    ) -> TestReport:
        from worktrial.languages.python import testing

        return await testing.test(workspace, environment, plan, timeout_s)


PYTHON: Language = _Python()
