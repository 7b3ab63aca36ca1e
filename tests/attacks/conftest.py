"""One validated task for all attacks on the grader, and every isolation there is for these and those on sandboxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.attacks.grading import Target, validated_suite
from tests.attacks.tiers import opened, sandbox  # noqa: F401

from worktrial.errors import SandboxError
from worktrial.sandboxes.protocol import Sandbox


@pytest.fixture(scope="session")
def money_suite(session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return validated_suite(session_cache, tmp_path_factory.mktemp("money"))


@pytest.fixture
def target(money_suite: Path, tmp_path: Path) -> Target:
    """Return the task that is attacked."""
    return Target(money_suite, tmp_path)


@pytest.fixture(params=["namespaces", "none"])
def tier(request: pytest.FixtureRequest, isolation: Callable[[str], Sandbox]) -> Sandbox:
    """Return each isolation that works here, the same for all attacks, as a run grades all trials with one."""
    try:
        return isolation(request.param)
    except SandboxError as error:
        pytest.skip(f"no {request.param} here: {error}")
