"""The docker and podman tiers, and whether they work on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import pageout
from worktrial.sandboxes.oci.client import Client, Tool, find_client
from worktrial.sandboxes.oci.image import base_image
from worktrial.sandboxes.oci.machine import Machine
from worktrial.sandboxes.oci.workspace import Wanted, open_workspace
from worktrial.sandboxes.protocol import Command, Mount, Workspace
from worktrial.sandboxes.select import Probe
from worktrial.sandboxes.standby import Standby
from worktrial.store.cache import cache_dir
from worktrial.store.files import writing
from worktrial.store.git import last_line

IMAGE = "WORKTRIAL_IMAGE"
"""Variable that names an image to use in the place of the host's own root. It needs glibc and `sh`, and Python 3.8 or
newer where worktrial itself runs on the system's Python."""


class Oci:
    """Sandboxes made of containers, by `docker` or `podman`."""

    def __init__(self, tool: Tool, runtime: str | None = None) -> None:
        """Ask the tool what it is. Raises `SandboxError` when it is not installed or its daemon does not answer."""
        self.tier: str = tool
        client = find_client(tool, runtime)
        self._image = os.environ.get(IMAGE, "")
        facts = _facts(client)
        self._client = Client(tool, client.path, runtime, facts.cgroups, client.env)
        self._us = 0 if facts.rootless else os.getuid()
        self._means, memory = pageout.probe(groups=False)
        self._standby = Standby()
        self._machine: Machine | None = None
        self._preparing = asyncio.Lock()
        bounds = "cgroups" if facts.cgroups else "no cgroups: memory and processes are looked at ten times a second"
        parts = [
            facts.version,
            f"runtime {runtime or facts.runtime}",
            *(["rootless"] if facts.rootless else []),
            bounds,
            memory,
        ]
        self.detail = "; ".join([*parts, f"image {self._image}" if self._image else "the host's /usr"])

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Return a fresh workspace over `layers`. Raises `SandboxError`."""
        return await open_workspace(Wanted(await self._prepared(), self.tier, layers, limits, self._standby))

    async def _prepared(self) -> Machine:
        """Return what containers are made of, importing the image when it is not there."""
        if self._machine is None:  # in the first event loop; a lock could not be taken to another
            async with self._preparing:
                if self._machine is None:
                    image = self._image or await base_image(self._client)
                    self._machine = Machine(self._client, image, not self._image, self._means, self._us)
        return self._machine


@dataclass(frozen=True)
class _Facts:
    """What a tool says of itself."""

    version: str
    runtime: str
    rootless: bool
    cgroups: bool


def _facts(client: Client) -> _Facts:
    """Ask the tool. Raises `SandboxError`."""
    argv = client.argv("info", "--format", "{{json .}}" if client.tool == "docker" else "json")
    try:
        asked = subprocess.run(argv, env=client.env, capture_output=True, timeout=60, check=False)
        info = json.loads(asked.stdout or b"{}")
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise SandboxError(f"{client.tool} does not answer", cause=str(error), hint=_START[client.tool]) from error
    errors = info.get("ServerErrors") or ([] if asked.returncode == 0 else [last_line(asked.stderr)])
    if errors:
        raise SandboxError(f"{client.tool} does not work", cause=str(errors[0]), hint=_START[client.tool])
    return _docker_facts(info) if client.tool == "docker" else _podman_facts(info)


def _docker_facts(info: dict[str, Any]) -> _Facts:
    rootless = any("name=rootless" in option for option in info.get("SecurityOptions") or [])
    cgroups = bool(info.get("MemoryLimit") and info.get("PidsLimit", True))
    return _Facts(f"docker {info['ServerVersion']}", info["DefaultRuntime"], rootless, cgroups)


def _podman_facts(info: dict[str, Any]) -> _Facts:
    host = info["host"]
    rootless = bool(host["security"]["rootless"])
    # As root it lists none on cgroups v1, and has them all.
    cgroups = not rootless or {"memory", "pids"} <= set(host.get("cgroupControllers") or [])
    runtime = host["ociRuntime"]["name"]
    return _Facts(f"podman {info['version']['Version']}", runtime, rootless, cgroups)


_START = {
    "docker": "start its daemon (systemctl start docker), or name the one to use in DOCKER_HOST",
    "podman": "see: podman info",
}


def probe(tool: Tool, runtime: str | None = None) -> Probe:
    """Run a container to its end, with everything that a trial needs of it."""
    try:
        sandbox = Oci(tool, runtime)
        # In a thread of its own: whoever asks may have an event loop that runs.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _try(sandbox)).result()
    except SandboxError as error:
        return Probe(False, error.cause or error.message, error.hint or _hint(tool, error.cause))


async def _try(sandbox: Oci) -> Probe:
    """Open a workspace over a layer, and run a command in it that is shown a folder and reports."""
    with writing(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".probe-", dir=cache_dir())
    with scratch as folder:
        layer = Path(folder)
        layer.chmod(0o755)
        (layer / "seen").write_text("seen")
        workspace = await sandbox.open((layer,), TrialLimits(disk_mib=16, memory_mib=256))
        try:
            command = ("sh", "-c", f'cat seen {layer}/seen && echo said >&"$WORKTRIAL_REPORT_FD" && touch new')
            done = await workspace.run(Command(command, 30, mounts=(Mount(layer),), report=True))
            if (done.exit_code, done.output, done.report) != (0, b"seenseen", b"said\n"):
                return Probe(False, f"a container did not do as it was told: {done.ended}, {last_line(done.output)}",
                             "worktrial and the daemon must be on the same machine, with the same files")  # fmt: skip
            await workspace.host(["test", "-f", "{workspace}/new"], env=os.environ)
            (layer / "out").mkdir()
            mounts = (Mount(layer), Mount(layer / "out", writable=True))
            await workspace.run(Command(("sh", "-c", f": > {layer}/seen"), 30, mounts=mounts))
            if (layer / "seen").read_text() != "seen":  # gVisor of 2024 does so: it opens, and then looks at the mount
                return Probe(False, "this runtime lets files be emptied that are mounted read-only", _GOFER)
        finally:
            await workspace.close()
    return Probe(True)


_GOFER = 'give runsc "--directfs=false" in the "runtimeArgs" of the daemon\'s configuration'


def _hint(tool: Tool, cause: str) -> str:
    """Return what most likely helps."""
    if "volume-opt" in cause:
        return "this runtime works under docker: --sandbox docker --runtime runsc"
    if "hybrid mode" in cause or ("cgroup" in cause and tool == "podman"):
        return "take another runtime: apt-get install runc, then --runtime runc"
    if "unknown or invalid runtime" in cause.lower() or "unknown runtime" in cause.lower():
        return 'tell the daemon of it: "runtimes" in /etc/docker/daemon.json'
    if "root network namespace" in cause:
        return 'give runsc "runtimeArgs": ["--network=none"] in the daemon\'s configuration'
    if "no such file or directory" in cause and "bind" in cause:
        return "worktrial and the daemon must be on the same machine, with the same files"
    return f"try: {tool} run --rm --network none IMAGE true"
