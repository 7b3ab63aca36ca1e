"""What containers are made of: the client, the image, what is mounted into it, and our own program inside."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from worktrial.sandboxes import packages
from worktrial.sandboxes.inside import seccomp
from worktrial.sandboxes.oci.client import Client, Tool, mounting
from worktrial.sandboxes.oci.contained import Attached
from worktrial.sandboxes.oci.image import root_folders
from worktrial.sandboxes.pageout import Means
from worktrial.sandboxes.protocol import Mount

INSIDE = "/.worktrial"
"""Where our own program lies in every container."""
HOLDER = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID")
"""Capabilities of our program where it holds files: to give them to the user that commands run as."""
RUNNER = ("SETUID", "SETGID", "KILL")
"""Where it runs a command: to become that user, and to end what it leaves behind. The command itself has none."""

_PROGRAM = Path(__file__).parent / "inside"
_SHARED = Path(seccomp.__file__).parent
"""What it has in common with the insides of other tiers, shown beside it."""


@dataclass(frozen=True)
class Shown:
    """Something mounted into a container."""

    source: str
    """A path of the host, a volume's name, or nothing: a new one."""
    writable: bool = False
    kind: Literal["bind", "volume", "tmpfs"] = "bind"
    options: tuple[str, ...] = ()

    def arguments(self, target: str, tool: Tool) -> list[str]:
        """Return the client's arguments for it."""
        options = [*self.options, *([] if self.writable else ["ro=true"])]
        if self.kind == "volume" and tool == "docker":  # or an empty one is given the image's owner and mode again
            options.append("volume-nocopy")
        if self.kind == "tmpfs" and tool == "podman":  # or it is filled with what it covers
            options.append("notmpcopyup")
        return mounting(self.kind, target, self.source, *options)


NOTHING = Shown("", writable=True, kind="tmpfs", options=("tmpfs-mode=0755", "tmpfs-size=64k"))
"""What covers a folder that is not to be seen: an empty one of root's, in which other mounts get their points."""


def shown_by(mounts: Iterable[Mount]) -> dict[str, Shown]:
    """Return what is mounted for `mounts`, by path: them, and what covers the parts that they are shown without."""
    wanted = {mount.path: mount for mount in mounts}
    shown = {str(path): NOTHING for mount in wanted.values() for path in mount.without}
    return shown | {str(path): Shown(str(path), writable=mount.writable) for path, mount in wanted.items()}


@dataclass(frozen=True)
class Machine:
    """A client that works here, and how a container is made with it."""

    client: Client
    image: str
    own_root: bool
    """Whether the image is empty, and the host's programs are mounted into it."""
    means: Means | None
    """How the memory of what is frozen can be handed back; None: not at all."""
    us: int
    """Our own user as it is called inside: who can write to what is mounted writable."""

    @property
    def agent(self) -> int:
        """The user that commands run as, and its group: never root."""
        return self.us or 1000

    def ours(self) -> Machine:
        """Return the same for containers in which nothing runs but our own program.

        They need no gVisor, which is slower with many files and lets nobody make a whiteout.
        """
        if self.client.tool == "docker" and self.client.is_gvisor:
            return replace(self, client=replace(self.client, runtime=None))
        return self

    async def run(self, name: str, capabilities: tuple[str, ...], spec: dict[str, Any], shown: dict[str, Shown],
                  *options: str, open_files: int = 4096, network: bool = False) -> Attached:  # fmt: skip
        """Start a container with our program in it and tell it `spec`. Raises `SandboxError`."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # a daemon as poor in rights as we could not give more
        files = open_files if most == resource.RLIM_INFINITY else min(open_files, most)
        arguments = [*options, "--ulimit", f"nofile={files}:{files}"]
        arguments += ["--network", "host" if network else "none", "--user", "0:0", "--cap-drop", "ALL"]
        arguments += [part for capability in capabilities for part in ("--cap-add", capability)]
        python, mounts = self._program(whole=network)
        for target, what in {**mounts, **shown}.items():
            arguments += what.arguments(target, self.client.tool)
        arguments += ["--entrypoint", python, self.image, "-I", "-S", "-B", f"{INSIDE}/main.py"]
        return await Attached.run(self.client, name, arguments, spec, network=network)

    def _program(self, *, whole: bool) -> tuple[str, dict[str, Shown]]:
        """Return the interpreter of our program, and what is mounted for it to run: `whole`, or without packages.

        It is the interpreter that we ourselves run on, unless that is the system's and the image has a system of its
        own: then the image must have one.
        """
        mounts = {INSIDE: Shown(str(_PROGRAM)), f"{INSIDE}-shared": Shown(str(_SHARED))}
        if self.own_root:
            mounts |= {folder: Shown(folder) for folder in root_folders()}
            mounts |= {} if whole else {str(path): NOTHING for path in packages.of_system()}
        prefix = os.path.realpath(sys.base_prefix)
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        if Path(prefix).is_relative_to("/usr") and not Path(prefix).is_relative_to("/usr/local"):
            return (python if self.own_root else "python3"), mounts
        return python, mounts | shown_by(packages.installation(Path(prefix)))
