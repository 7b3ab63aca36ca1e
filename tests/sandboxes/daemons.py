"""A dockerd and a podman storage of the tests' own, in a temporary folder, gone without a trace afterwards.

Their fixtures are those of `tests/conftest.py`: the contract and the attacks share a daemon and its image.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worktrial.errors import SandboxError
from worktrial.sandboxes.oci import probe

_START_S = 30.0
USER = 61234
"""An ordinary user's number, and that of a group that may use our daemon."""


@contextlib.contextmanager
def own_dockerd() -> Iterator[dict[str, str]]:
    """Run a daemon, and yield the variables that lead to it. Raises `SandboxError` when it does not come up.

    It has no bridge and touches no firewall. When we are killed, it is told to end.
    """
    with _folder() as folder:
        runtimes = {
            "runsc": {"path": shutil.which("runsc") or "", "runtimeArgs": ["--network=none", "--directfs=false"]}
        }
        (folder / "daemon.json").write_text(json.dumps({"runtimes": runtimes} if shutil.which("runsc") else {}))
        argv = ["setpriv", "--pdeathsig", "TERM", "dockerd", "--config-file", f"{folder}/daemon.json"]
        argv += ["--iptables=false", "--ip6tables=false", "--bridge=none", "--data-root", f"{folder}/data"]
        folder.chmod(0o711)
        argv += [
            "--group",
            str(USER),
            "--exec-root",
            f"{folder}/exec",
            "--pidfile",
            f"{folder}/pid",
            "--host",
            f"unix://{folder}/sock",
        ]
        env = {"DOCKER_HOST": f"unix://{folder}/sock"}
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            _wait_for(daemon, env, folder / "log")
            yield env
        finally:
            daemon.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(_START_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)  # containerd too, which is of its group
            daemon.wait()


def _wait_for(daemon: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while subprocess.run(["docker", "version"], env={**os.environ, **env}, capture_output=True, check=False).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise SandboxError("dockerd does not start", cause=log.read_text(errors="replace")[-300:])
        time.sleep(0.1)


@contextlib.contextmanager
def own_podman_storage() -> Iterator[dict[str, str]]:
    """Yield the variables that make podman keep everything in a folder of ours."""
    with _folder() as folder:
        storage, engine = folder / "storage.conf", folder / "containers.conf"
        storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n')
        engine.write_text(f'[engine]\ntmp_dir = "{folder}/tmp"\nlock_type = "file"\n')
        yield {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(engine)}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="worktrial-oci-"))  # short: a socket's path has 108 bytes
    try:
        yield folder
    finally:
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def working(tool: str, *runtimes: str | None) -> tuple[str | None, str]:
    """Return the first runtime with which a tool works, and an empty string; or why it works with none of them."""
    cause = ""
    for runtime in runtimes:
        found = probe("docker" if tool == "docker" else "podman", runtime)
        if found.works:
            return runtime, ""
        cause = f"{found.cause} ({found.hint})"
    return None, cause


@pytest.fixture(scope="session")
def docker_of_our_own() -> Iterator[None]:
    """Run a daemon where we may, and use the machine's where not."""
    ours = os.geteuid() == 0 and shutil.which("dockerd") and shutil.which("docker")
    yield from _with_variables(own_dockerd() if ours else contextlib.nullcontext({}))


@pytest.fixture(scope="session")
def podman_of_our_own() -> Iterator[None]:
    """Keep what podman stores to ourselves where we may."""
    ours = os.geteuid() == 0 and shutil.which("podman")
    yield from _with_variables(own_podman_storage() if ours else contextlib.nullcontext({}))


def _with_variables(variables: contextlib.AbstractContextManager[dict[str, str]]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, variables as env:
        for name, value in env.items():
            patch.setenv(name, value)
        yield
