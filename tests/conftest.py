"""The fixtures of all tests that call commands on real repositories; no test touches the user's cache."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings
from tests.e2e.fixtures import (  # noqa: F401
    _cache_of_the_session,
    _validated,
    isolation,
    library_repo,
    new_repository,
    session_cache,
    shell,
    strongest,
    suite,
)
from tests.e2e.groups import pytest_collection_modifyitems  # noqa: F401
from tests.sandboxes.daemons import docker_of_our_own, podman_of_our_own  # noqa: F401

# The commands under test take twice as long to start where their modules are compiled every time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says more of the machine's load than of the code.
settings.register_profile("worktrial", deadline=None)
settings.load_profile("worktrial")

# Here, and not beside it: the attacks import it too, and what is imported already cannot be rewritten.
pytest.register_assert_rewrite("tests.sandboxes.contract")


def pytest_collection_finish() -> None:
    """Let no garbage collection go through thousands of collected tests again: a library calls for one each time."""
    gc.collect()
    gc.freeze()
