"""A validated suite, and a cache for the agents that a later run of the tests may find again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.fixtures import (  # noqa: F401
    _cache_of_the_session,
    _validated,
    isolation,
    library_repo,
    shell,
    strongest,
    suite,
)

from worktrial.errors import SandboxError
from worktrial.sandboxes.protocol import Sandbox


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache for the session, or the one that $WORKTRIAL_TEST_CACHE names: agents are large."""
    if named := os.environ.get("WORKTRIAL_TEST_CACHE"):
        Path(named).mkdir(parents=True, exist_ok=True)
        return Path(named)
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-gw") else base
    (shared / "worktrial-cache").mkdir(exist_ok=True)
    return shared / "worktrial-cache"


@pytest.fixture
def sandbox(_cache_of_the_session: None, isolation: Callable[[str], Sandbox]) -> Sandbox:  # noqa: F811
    """Return the isolation by namespaces: what is shown here is that nothing else of the network is needed."""
    try:
        return isolation("namespaces")
    except SandboxError as error:
        pytest.skip(f"no namespaces here: {error}")
