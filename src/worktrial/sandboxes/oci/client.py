"""The `docker` and `podman` command lines: what both are told alike, and where they differ."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from worktrial.errors import SandboxError
from worktrial.sandboxes.spawned import end
from worktrial.store.git import last_line

Tool = Literal["docker", "podman"]

_PASSED_ON = ("DOCKER_", "CONTAINER", "XDG_", "DBUS_", "TMPDIR", "REGISTRY_AUTH_FILE", "STORAGE_")
_CALL_S = 60.0
_MOST_PROCESSES = 16384


@dataclass(frozen=True)
class Client:
    """One of the two programs, and the runtime it is to use (None: its own default)."""

    tool: Tool
    path: str
    runtime: str | None = None
    cgroups: bool = True
    """Whether containers get a cgroup of their own; without, only rlimits and looking bound what they use."""
    env: dict[str, str] = field(default_factory=dict)

    def argv(self, *args: str, network: bool = False) -> list[str]:
        """Return the whole command line for `args`; `network` is for the container that they start."""
        if self.tool == "docker":
            return [self.path, *args]
        runtime = ["--runtime", self.runtime] if self.runtime else []
        if self.is_gvisor:  # gVisor's own network stack refuses podman's way of saying "none"
            runtime += ["--runtime-flag", f"network={'host' if network else 'none'}"]
        # Without systemd its own default does not work.
        manager = [] if Path("/run/systemd/system").exists() else ["--cgroup-manager", "cgroupfs"]
        return [self.path, *manager, *runtime, *args]

    @property
    def is_gvisor(self) -> bool:
        """Whether the runtime is `runsc`, by its name: a daemon may have it as `runsc-kvm`, say."""
        return self.runtime is not None and "runsc" in Path(self.runtime).name

    def run_arguments(self) -> list[str]:
        """Return what `run` is told for every container, whatever it is for."""
        args = ["--rm", "--interactive", "--read-only", "--security-opt", "no-new-privileges"]
        # Nothing of the host may be relabelled, so SELinux's labels cannot be what keeps a container in.
        args += ["--security-opt", "label=disable", "--log-driver", "none", "--hostname", "sandbox"]
        args += ["--ipc", "private", "--ulimit", "core=0:0", "--label", "worktrial", "--pull", "never"]
        if self.tool == "docker":
            return args + (["--runtime", self.runtime] if self.runtime else [])
        args += ["--read-only-tmpfs=false", "--no-hosts", "--ulimit", f"nproc={_processes()}"]
        return args if self.cgroups else [*args, "--cgroups", "disabled"]

    async def call(
        self,
        *args: str,
        data: bytes = b"",
        more: Mapping[str, str] | None = None,
        container: str = "",
        within_s: float | None = _CALL_S,
    ) -> bytes:
        """Run a command of the client to its end and return its standard output.

        `more` is added to the client's environment. What it started, `container`, is removed when it does not end by
        itself. Raises `SandboxError` when it fails, or does not end within `within_s` seconds.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv(*args),
            env={**self.env, **(more or {})},
            cwd=tempfile.gettempdir(),  # podman's helper leaves a file called `oom` where it was started
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(within_s):
                output, errors = await process.communicate(data)
        except BaseException as error:
            await end(process)
            if container:
                await asyncio.shield(self.remove(container))
            if isinstance(error, TimeoutError):
                raise SandboxError(f"{self.tool} {args[0]} did not answer within {within_s} s") from error
            raise
        if process.returncode:
            raise SandboxError(f"{self.tool} {args[0]} failed", cause=last_line(errors))
        return output

    async def remove(self, container: str) -> None:
        """Kill a container and remove it with its unnamed volumes; one that is not there any more is no failure."""
        with contextlib.suppress(SandboxError):
            await self.call(
                "rm", "--force", "--volumes", *(["--time", "0"] if self.tool == "podman" else []), container
            )


def find_client(tool: Tool, runtime: str | None, *, cgroups: bool = True) -> Client:
    """Return the client of that name. Raises `SandboxError` when it is not installed."""
    path = shutil.which(tool)
    if path is None:
        raise SandboxError(f"{tool} is not installed", hint=f"install it: apt-get install {_PACKAGES[tool]}")
    return Client(tool, str(Path(path).absolute()), runtime, cgroups, client_environment())


_PACKAGES = {"docker": "docker.io", "podman": "podman runc"}


def client_environment() -> dict[str, str]:
    """Return the variables that the clients need: where their daemon and their storage are, and no keys."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "USER", "LANG") if name in os.environ}
    return kept | {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}


def mounting(kind: Literal["bind", "volume", "tmpfs"], target: str, source: str, *options: str) -> list[str]:
    """Return the arguments that mount `source` (none: a new one) at `target`, whatever is in their paths."""
    fields = [f"type={kind}", *([f"source={source}"] if source else []), f"target={target}", *options]
    return ["--mount", ",".join(map(_quoted, fields))]


def _quoted(field: str) -> str:
    """Return a field as both tools read it: as one of a line of comma-separated values."""
    return '"' + field.replace('"', '""') + '"' if re.search(r'[",\r\n]', field) else field


def _processes() -> str:
    """Return a limit on the processes of a user that podman may set: its own default may be beyond what we have.

    The kernel counts those of all containers together, so it is high; each container has a limit of its own beside it.
    """
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    most = _MOST_PROCESSES if hard == resource.RLIM_INFINITY else min(hard, _MOST_PROCESSES)
    return f"{most}:{most}"
