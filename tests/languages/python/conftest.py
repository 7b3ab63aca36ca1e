"""Real environments, built once a session from the package index, and test runs in them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from worktrial.formats.run import TrialLimits
from worktrial.languages.protocol import BuiltEnvironment, TestPlan, TestReport
from worktrial.languages.python import environment, interpreters, testing
from worktrial.sandboxes.protocol import Sandbox

Build = Callable[..., Awaitable[BuiltEnvironment]]
RunTests = Callable[..., Awaitable[TestReport]]


@pytest.fixture(scope="session")
def _index() -> str:
    """Return why the package index is out of reach; empty when it is not."""
    argv = [str(interpreters.uv_path()), "pip", "compile", "-", "--quiet", "--no-config", "--no-cache"]
    env = interpreters.SYSTEM_CERTIFICATES | os.environ
    done = subprocess.run(argv, input=b"iniconfig", env=env, capture_output=True, check=False)
    return done.stderr.decode()[-300:] if done.returncode else ""


@pytest.fixture
def index(_index: str) -> None:
    """Skip when the package index is out of reach."""
    if _index:
        pytest.skip(f"no package index: {_index}")


@pytest.fixture
def sandbox(strongest: Sandbox) -> Sandbox:
    """Return the strongest isolation this machine has."""
    return strongest


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def build(index: None, sandbox: Sandbox, tmp_path: Path) -> Build:
    """Return a function that resolves and builds the environment of a tree given as files."""

    async def build_one(files: dict[str, str], name: str = "tree", **options: object) -> BuiltEnvironment:
        tree = write(tmp_path / name, files)
        for path in [tree, *tree.rglob("*")]:
            os.utime(path, (900_000_000, 900_000_000))  # a layer's files are old
        recipe = await environment.resolve(files.get, sandbox, tree, **{"as_of": None, **options})  # type: ignore[arg-type]
        return await environment.build(recipe, sandbox, tree)

    return build_one


@pytest.fixture
def run_tests(build: Build, sandbox: Sandbox, tmp_path: Path) -> RunTests:
    """Return a function that runs the tests of a tree given as files, by default all of them, with plain pytest."""

    async def run(
        files: dict[str, str],
        plan: TestPlan | None = None,
        *,
        needs: str = "pytest",
        python: str = "",
        on: Sandbox = sandbox,
        timeout_s: float = 60,
        limits: TrialLimits | None = None,
    ) -> TestReport:
        declared = {"requirements.txt": needs}
        if python:
            declared["setup.cfg"] = f"[options]\npython_requires = {python}\n"
        built = await build(declared, "environment")
        layer = write(tmp_path / f"files-{len(list(tmp_path.iterdir()))}", files)
        workspace = await on.open((layer,), limits or TrialLimits())
        try:
            return await testing.test(workspace, built, plan or TestPlan(everything=True), timeout_s)
        finally:
            await workspace.close()

    return run
