"""All tiers that need no daemon keep the contract."""

from __future__ import annotations

import pytest
from tests.sandboxes.contract import SandboxContract

from worktrial.sandboxes import landlock
from worktrial.sandboxes.landlock import Landlock
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import probe_namespaces
from worktrial.sandboxes.unconfined import Unconfined


class TestNamespaces(SandboxContract):
    """Isolation by namespaces."""

    processes_ready = 20
    holds_read_only = True

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        probe = probe_namespaces()
        if not probe.works:
            pytest.skip(f"no namespaces here: {probe.cause}")
        return Namespaces()


class TestLandlock(SandboxContract):
    """Isolation by Landlock and seccomp."""

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        probe = landlock.probe()
        if not probe.works:
            pytest.skip(f"no Landlock here: {probe.cause}")
        return Landlock()


class TestUnconfined(SandboxContract):
    """No isolation."""

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        return Unconfined()
