"""All tiers that need no daemon keep the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.sandboxes.contract import SandboxContract

from worktrial.errors import SandboxError
from worktrial.sandboxes.protocol import Sandbox

Isolation = Callable[[str], Sandbox]


def made(isolation: Isolation, tier: str) -> Sandbox:
    """Return the tier that other tests have used before: what it promises is not for its first workspace alone."""
    try:
        return isolation(tier)
    except SandboxError as error:
        pytest.skip(f"no {tier} here: {error.cause}")


class TestNamespaces(SandboxContract):
    """Isolation by namespaces."""

    processes_ready = 20
    holds_read_only = True

    @pytest.fixture
    def sandbox(self, isolation: Isolation) -> Sandbox:
        return made(isolation, "namespaces")


class TestLandlock(SandboxContract):
    """Isolation by Landlock and seccomp."""

    @pytest.fixture
    def sandbox(self, isolation: Isolation) -> Sandbox:
        return made(isolation, "landlock")


class TestUnconfined(SandboxContract):
    """No isolation."""

    @pytest.fixture
    def sandbox(self, isolation: Isolation) -> Sandbox:
        return made(isolation, "none")
