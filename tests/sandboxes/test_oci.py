"""docker and podman keep the contract, and what is theirs alone holds too."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.sandboxes.contract import LIMITS, SandboxContract, make, open_files, python, shell
from tests.sandboxes.daemons import own_dockerd, own_podman_storage, working

from worktrial.errors import SandboxError
from worktrial.sandboxes.oci import Oci
from worktrial.sandboxes.process import descendants
from worktrial.sandboxes.protocol import Change, Command, Mount, Sandbox, Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def docker() -> Iterator[None]:
    """A docker that works: a daemon of our own where we may start one, else the machine's."""
    with pytest.MonkeyPatch.context() as patch:
        if os.geteuid() == 0 and shutil.which("dockerd") and shutil.which("docker"):
            with own_dockerd() as env:
                patch.setenv("DOCKER_HOST", env["DOCKER_HOST"])
                _, cause = working("docker", None)
                if cause:
                    pytest.skip(f"no docker here: {cause}")
                yield
        else:
            _, cause = working("docker", None)
            if cause:
                pytest.skip(f"no docker here: {cause}")
            yield


@pytest.fixture(scope="session")
def podman() -> Iterator[str | None]:
    """The runtime that podman works with; its storage is ours where we are root."""
    with pytest.MonkeyPatch.context() as patch:
        if os.geteuid() == 0 and shutil.which("podman"):
            with own_podman_storage() as env:
                for name, value in env.items():
                    patch.setenv(name, value)
                yield _runtime_of_podman()
        else:
            yield _runtime_of_podman()


def _runtime_of_podman() -> str | None:
    runtime, cause = working("podman", None, "runc")
    if cause:
        pytest.skip(f"no podman here: {cause}")
    return runtime


class OciContract(SandboxContract):
    """What holds for containers: the contract of all, and what only they promise."""

    async def test_opening_and_closing_leaks_neither_files_nor_processes(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """As in the contract, fewer times: containers take their time."""
        layer = make(tmp_path / "layer", {"a": "x"})

        async def cycle() -> None:
            workspace = await sandbox.open((layer,), LIMITS)
            await workspace.run(shell("echo x > b", report=True))
            await workspace.close()

        await cycle()
        files, processes = open_files(), len(descendants(os.getpid()))
        for _ in range(2):
            await asyncio.gather(*(cycle() for _ in range(3)))
        assert open_files() <= files
        assert len(descendants(os.getpid())) <= processes


@pytest.mark.xdist_group("docker")
class TestDocker(OciContract):
    """Containers by docker."""

    @pytest.fixture
    def sandbox(self, docker: None) -> Sandbox:
        return Oci("docker")


@pytest.mark.xdist_group("podman")
class TestPodman(OciContract):
    """Containers by podman."""

    @pytest.fixture
    def sandbox(self, podman: str | None) -> Sandbox:
        return Oci("podman", podman)
