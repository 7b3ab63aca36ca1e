"""Every tier that is present, and what the weaker ones are known to let through.

Attacks are Python scripts that print `REACHED` and what they reached. Where it is safe, the same script is run without
isolation first: what it does not reach there it proves nothing about.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from _pytest.mark import ParameterSet

from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.inside.landlock import abi
from worktrial.sandboxes.protocol import Command, Finished, Mount, Sandbox, Workspace
from worktrial.sandboxes.select import BACKENDS, probe
from worktrial.sandboxes.unconfined import Unconfined

LIMITS = TrialLimits(memory_mib=256, disk_mib=32, output_mib=1, processes=40, cpu_s=60)
Opener = Callable[..., Awaitable[Workspace]]


@dataclass(frozen=True)
class Weakness:
    """An attack that a tier lets through."""

    tier: str
    attack: str
    """Name of the test."""
    said: str
    """As `docs/isolation.md` has it."""
    only_as_user: bool = False
    """Whether root is safe from it: there every workspace has a user of its own."""
    before_abi: int | None = None
    """Version of Landlock that puts an end to it."""


KNOWN = (
    Weakness("landlock", "the_host_s_processes_cannot_be_seen", "Command lines of the host's processes can be read."),
    Weakness(
        "landlock",
        "modes_and_times_of_the_host_s_files_cannot_be_changed",
        "Modes and times of files that belong to you can be changed, wherever they are.",
        only_as_user=True,
    ),
    Weakness(
        "landlock",
        "the_host_s_processes_can_be_neither_killed_nor_traced_nor_slowed",
        "Before Linux 6.12 your processes can be sent signals; on any, they can be given a lower priority.",
        only_as_user=True,
        before_abi=6,
    ),
)


def let_through(sandbox: Sandbox, attack: str) -> bool:
    """Return whether this tier is known to let an attack through, for the user who runs the tests."""
    return any(
        known.tier == sandbox.tier
        and known.attack == attack
        and not (known.only_as_user and os.geteuid() == 0)
        and (known.before_abi is None or abi() < known.before_abi)
        for known in KNOWN
    )


@functools.cache
def _runtime(tier: str) -> str | None:
    """Return the runtime that a tier of containers works with, None for its own; skip where none does."""
    backend = next(backend for backend in BACKENDS if backend.tier == tier)
    for runtime in (None, "runc") if tier == "podman" else (None,):
        if (found := probe(backend, runtime)).works:
            return runtime
    pytest.skip(f"no {tier} here: {found.cause}")


_CONTAINERS = {"docker": "docker_of_our_own", "podman": "podman_of_our_own"}


def _marked(tier: str) -> ParameterSet:
    """Containers take their time, and their daemon serves one worker."""
    marks = [pytest.mark.xdist_group(tier), pytest.mark.slow] if tier in _CONTAINERS else []
    return pytest.param(tier, marks=marks)


@pytest.fixture(params=[_marked(backend.tier) for backend in BACKENDS])
def sandbox(request: pytest.FixtureRequest, isolation: Callable[..., Sandbox]) -> Sandbox:
    """Return each tier that works here, one for all attacks: so what an attack leaves is there for the next."""
    tier: str = request.param
    if tier in _CONTAINERS:
        request.getfixturevalue(_CONTAINERS[tier])
    return isolation(tier, _runtime(tier))


@pytest_asyncio.fixture
async def opened(sandbox: Sandbox) -> AsyncIterator[Opener]:
    """Return what opens workspaces of the tier, or of another."""
    workspaces: list[Workspace] = []

    async def open_one(*layers: Path, limits: TrialLimits = LIMITS, tier: Sandbox = sandbox) -> Workspace:
        workspaces.append(await tier.open(layers, limits))
        return workspaces[-1]

    yield open_one
    for workspace in workspaces:
        await workspace.close()


PRELUDE = """
import contextlib, ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def reached(*what):
    print("REACHED", *what, flush=True)
@contextlib.contextmanager
def attempt():
    try:
        yield
    except (OSError, ValueError, EOFError):
        pass
"""


def attack(script: str, *arguments: object, timeout_s: float = 60, mounts: tuple[Mount, ...] = ()) -> Command:
    """Return the command that runs an attack."""
    argv = ("/usr/bin/python3", "-c", PRELUDE + script, *map(str, arguments))
    return Command(argv, timeout_s, mounts=mounts)


def reached(done: Finished) -> set[str]:
    """Return what an attack says it reached. One that broke down on its own proves nothing."""
    assert b"Traceback" not in done.output, done.output.decode("utf-8", "replace")
    lines = done.output.decode("utf-8", "replace").splitlines()
    return {line.removeprefix("REACHED ") for line in lines if line.startswith("REACHED ")}


async def unconfined(command: Command, *layers: Path) -> set[str]:
    """Return what an attack reaches when nothing is in its way."""
    workspace = await Unconfined().open(layers, LIMITS)
    try:
        return reached(await workspace.run(command))
    finally:
        await workspace.close()
