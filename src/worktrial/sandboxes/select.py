"""Choosing the isolation: by name, or the strongest that really works on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from worktrial.errors import SandboxError, UsageError
from worktrial.sandboxes.protocol import Sandbox

NONE_MEANS = (
    "none: repository code, tests and agents run as you, with your files, keys and network in reach; "
    "grading can be tampered with"
)


@dataclass(frozen=True)
class Probe:
    """Whether a kind of isolation works here, and if not, why and what to do about it."""

    works: bool
    cause: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Backend:
    """A kind of isolation; its module is loaded when it is asked for."""

    tier: str
    module: str
    sandbox: str
    """Name in `module` of what makes a `Sandbox`; raises `SandboxError`. `probe` there tries it for real."""
    arguments: tuple[str, ...] = ()
    """Given to both."""
    takes_runtime: bool = False
    """Whether both take the name of a runtime too."""


BACKENDS = (
    Backend("namespaces", "worktrial.sandboxes.namespaces", "Namespaces"),
    Backend("podman", "worktrial.sandboxes.oci", "Oci", ("podman",), takes_runtime=True),
    Backend("docker", "worktrial.sandboxes.oci", "Oci", ("docker",), takes_runtime=True),
    Backend("landlock", "worktrial.sandboxes.landlock", "Landlock"),
)
"""The strongest first. `none` is not among them: it is never taken unless it is named."""

TIERS = ("auto", *(backend.tier for backend in BACKENDS), "none")
"""What `--sandbox` takes."""


def choose(name: str, runtime: str | None = None) -> Sandbox:
    """Return the isolation called `name`; `auto` takes the strongest that works, and never `none`.

    `runtime` is for those made of containers, and has to be asked for together with one of them.

    Raises `UsageError` for an unknown name and `SandboxError` when what was asked for does not work here.
    """
    if name == "none" and not runtime:
        from worktrial.sandboxes.unconfined import Unconfined

        return Unconfined()
    if name not in TIERS:
        raise UsageError(f"unknown sandbox {name!r}", hint=f"there are: {', '.join(TIERS)}")
    if runtime and name not in (takers := [backend.tier for backend in BACKENDS if backend.takes_runtime]):
        raise UsageError(f"the sandbox {name!r} takes no runtime", hint=f"give --sandbox too: {' or '.join(takers)}")
    failed = []
    for backend, probe in _tried(name, runtime):
        if probe.works:
            made: Sandbox = getattr(import_module(backend.module), backend.sandbox)(*_arguments(backend, runtime))
            return made
        failed.append((backend.tier, probe))
    risk = f"or accept the risk with --sandbox none ({NONE_MEANS})"
    if name != "auto":
        raise SandboxError(
            f"the isolation {name!r} does not work on this machine",
            cause=failed[0][1].cause,
            hint=f"{failed[0][1].hint}; or let worktrial choose with --sandbox auto; {risk}",
        )
    raise SandboxError(
        "no isolation works on this machine, and untrusted code is not run without",
        cause="; ".join(f"{tier}: {probe.cause}" for tier, probe in failed),
        hint=f"{failed[0][1].hint}; {risk}",
    )


def _arguments(backend: Backend, runtime: str | None) -> tuple[str, ...]:
    return (*backend.arguments, *([runtime] if runtime else []))


def _tried(name: str, runtime: str | None) -> Iterator[tuple[Backend, Probe]]:
    for backend in BACKENDS:
        if name in ("auto", backend.tier):
            yield backend, probe(backend, runtime)


def probe(backend: Backend, runtime: str | None = None) -> Probe:
    """Try a kind of isolation for real."""
    if backend.tier == "namespaces":
        return probe_namespaces()
    found: Probe = import_module(backend.module).probe(*_arguments(backend, runtime))
    return found


def probe_namespaces() -> Probe:
    """Try for real what a sandbox needs: mounts in a user namespace, and a command in namespaces below it."""
    from worktrial.sandboxes.namespaces import try_once

    try:
        try_once()
    except SandboxError as error:
        return Probe(False, f"namespaces do not work: {error.cause or error.message}", _userns_remedy())
    return Probe(True)


def _userns_remedy() -> str:
    """Return what most likely makes user namespaces work on this machine."""
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor forbids them: install the profile bwrap-userns-restrict from "
            "/usr/share/apparmor/extra-profiles and reload AppArmor"
        )
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "allow them: sysctl -w kernel.unprivileged_userns_clone=1"
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return "allow them: sysctl -w user.max_user_namespaces=10000"
    return "in a container, start it with user namespaces and mounts allowed (for Docker: --privileged)"


def _setting(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:
        return ""
