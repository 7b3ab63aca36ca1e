"""The project's own checks as tools of the built-in harnesses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from worktrial.agents.basic.messages import Call, Result
from worktrial.agents.basic.tools import Arguments, Toolbox, failed
from worktrial.languages.protocol import Checks
from worktrial.sandboxes.protocol import Mount, Workspace

_CHECK_S = 300.0
_TESTS_S = 600.0


class RunTests(Arguments):
    """Run tests with the project's runner; the end of its output tells what failed."""

    targets: list[str] = Field(default_factory=list, description="Files, folders or test ids; empty: all tests.")
    timeout_s: float = Field(default=300, gt=0, le=_TESTS_S, description="Seconds until they are killed.")


class _Paths(Arguments):
    paths: list[str] = Field(default_factory=list, description="Files or folders; empty: the whole project.")


class _Diagnostics(_Paths):
    """Find type errors, unknown names and the like."""


class _Lint(_Paths):
    """Run the project's linter."""


class _Build(Arguments):
    """Build or compile the project."""


class CheckTools(Toolbox):
    """What both kinds of tools on a project's checks share: running them."""

    def __init__(self, workspace: Workspace, env: Mapping[str, str], mounts: tuple[Mount, ...], checks: Checks) -> None:
        super().__init__(workspace, env, mounts)
        self.checks = checks

    async def check(self, call: Call, argv: tuple[str, ...], words: list[str], timeout_s: float) -> Result:
        """Run one of the checks; one that the project does not have is said to be missing."""
        if not argv:
            return failed(call, f"this project has nothing to {call.name.replace('_', ' ')} with")
        mounts = tuple(Mount(path) for path in self.checks.mounts)
        return await self.program(call, (*argv, *words), timeout_s, mounts=mounts)


class VerifyTools(CheckTools):
    """The tools of `basic`, and the project's checks: what the verification server offers to others."""

    TOOLS: ClassVar[Mapping[str, type[Arguments]]] = {
        **Toolbox.TOOLS,
        "run_tests": RunTests,
        "diagnostics": _Diagnostics,
        "lint": _Lint,
        "build": _Build,
    }

    async def do(self, call: Call, arguments: Arguments, left_s: float) -> Result:
        """Run one call whose arguments are checked."""
        checks = self.checks
        if isinstance(arguments, RunTests):
            return await self.check(call, checks.test, arguments.targets, min(arguments.timeout_s, left_s))
        if isinstance(arguments, _Build):
            return await self.check(call, checks.build, [], min(_CHECK_S, left_s))
        if isinstance(arguments, _Paths):
            argv = checks.lint if call.name == "lint" else checks.diagnostics
            return await self.check(call, argv, arguments.paths, min(_CHECK_S, left_s))
        return await super().do(call, arguments, left_s)
