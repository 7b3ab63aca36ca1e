"""Choosing the isolation: by name, or the strongest that really works on this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import SandboxError, UsageError
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.git import last_line

TIERS = ("auto", "namespaces", "none")
"""What `--sandbox` takes."""

NONE_MEANS = (
    "none: repository code, tests and agents run as you, with your files, keys and network in reach; "
    "grading can be tampered with"
)


@dataclass(frozen=True)
class Probe:
    """Whether namespaces work here, and if not, why and what to do about it."""

    works: bool
    cause: str = ""
    hint: str = ""


def choose(name: str) -> Sandbox:
    """Return the isolation called `name`; `auto` takes the strongest that works, and never `none`.

    Raises `UsageError` for an unknown name and `SandboxError` when what was asked for does not work here.
    """
    if name == "none":
        from worktrial.sandboxes.unconfined import Unconfined

        return Unconfined()
    if name not in TIERS:
        raise UsageError(f"unknown sandbox {name!r}", hint=f"there are: {', '.join(TIERS)}")
    probe = probe_namespaces()
    if not probe.works:
        raise SandboxError(
            "no isolation works on this machine, and untrusted code is not run without",
            cause=probe.cause,
            hint=f"{probe.hint}; or accept the risk with --sandbox none ({NONE_MEANS})",
        )
    from worktrial.sandboxes.namespaces import Namespaces

    return Namespaces()


def probe_namespaces() -> Probe:
    """Try for real what a sandbox needs: a mount in a user namespace, and bubblewrap inside it."""
    missing = [tool for tool in ("unshare", "nsenter", "prlimit") if shutil.which(tool) is None]
    if missing:
        return Probe(False, f"{', '.join(missing)} not found", "install util-linux")
    if shutil.which("bwrap") is None:
        return Probe(False, "bubblewrap (bwrap) is not installed", "install it: apt-get install bubblewrap")
    outer = ["unshare", "--user", "--map-root-user", "--mount"]
    plain = subprocess.run([*outer, "true"], capture_output=True, check=False)
    if plain.returncode:
        return Probe(False, f"user namespaces do not work: {last_line(plain.stderr)}", _userns_remedy())
    inner = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    nested = subprocess.run([*outer, *inner, "true"], capture_output=True, check=False)
    if nested.returncode:
        return Probe(False, f"bubblewrap does not work: {last_line(nested.stderr)}", _userns_remedy())
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
