"""Test runs of Go trees, in an environment that is built once a session and needs no network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.languages.golang.go import needs_go  # noqa: F401 - so that what uses these fixtures finds it here

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.languages.golang import GO, toolchains
from worktrial.languages.protocol import TestPlan, TestReport
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import choose

RunGo = Callable[..., Awaitable[TestReport]]
MODULE = "module example.com/shop\n\ngo 1.24\n"


@pytest.fixture
def sandbox() -> Sandbox:
    """Return the strongest isolation this machine has."""
    try:
        return choose("auto")
    except SandboxError:
        return choose("none")


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files and return their folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def run_go(sandbox: Sandbox, tmp_path: Path) -> RunGo:
    """Return a function that runs the tests of a module given as files, by default all of them."""
    if not toolchains.installed():
        pytest.skip("no usable Go is installed")

    async def run(
        files: dict[str, str],
        plan: TestPlan | None = None,
        *,
        on: Sandbox = sandbox,
        timeout_s: float = 120,
        limits: TrialLimits | None = None,
    ) -> TestReport:
        count = len(list(tmp_path.iterdir()))
        bare = write(tmp_path / f"module-{count}", {"go.mod": MODULE})
        recipe = await GO.resolve({"go.mod": MODULE}.get, on, bare, as_of=None)
        built = await GO.build(recipe, on, bare)
        layer = write(tmp_path / f"files-{count}", {"go.mod": MODULE, **files})
        workspace = await on.open((built.additions, layer), limits or TrialLimits())
        try:
            return await GO.test(workspace, built, plan or TestPlan(everything=True), timeout_s)
        finally:
            await workspace.close()

    return run
