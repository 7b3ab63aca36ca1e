"""Running trusted programs of the host on the files of a volume."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from worktrial.errors import InfrastructureError, SandboxError
from worktrial.sandboxes.oci.client import mounting
from worktrial.sandboxes.oci.machine import Machine
from worktrial.sandboxes.spawned import run_trusted

_NOT_SHOWN = ("proc", "sys", "dev", "run", "lost+found")
_FILES = "/.files"


async def run_on_files(
    machine: Machine, volume: tuple[str, Path], argv: list[str], *, env: Mapping[str, str], data: bytes
) -> bytes:
    """Run `argv` on the files of `volume` (its name and its place) and return its output.

    Directly where we can reach the files, as root can; else in a container that shows the whole host. Raises
    `InfrastructureError` when it fails.
    """
    name, place = volume
    if os.path.ismount(place) and os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return await run_trusted(
            [part.replace("{workspace}", str(place)) for part in argv],
            env={key: value.replace("{workspace}", str(place)) for key, value in env.items()},
            data=data,
            name=argv[0],
        )
    client = machine.client
    argv = [part.replace("{workspace}", _FILES) for part in argv]
    env = {key: value.replace("{workspace}", _FILES) for key, value in env.items()}
    container = f"worktrial-{uuid.uuid4().hex}"
    arguments = ["run", "--name", container, *client.run_arguments(), "--network", "none", "--workdir", os.getcwd()]  # noqa: PTH109
    if machine.us:
        arguments += ["--cap-drop", "ALL", "--user", f"{machine.us}:{os.getgid()}"]
    else:  # rootless: we are root inside, and reach what belongs to the users that are ours to give
        arguments += ["--user", "0:0"]
    for folder in sorted(Path("/").iterdir()):
        if folder.is_dir() and not folder.is_symlink() and folder.name not in _NOT_SHOWN:
            arguments += mounting("bind", str(folder), str(folder))
    arguments += mounting("volume", _FILES, name)
    # By name only, so that no value is seen in the list of processes.
    arguments += [part for key in env for part in ("--env", key)]
    try:
        return await client.call(*arguments, "--entrypoint", argv[0], machine.image, *argv[1:], data=data, more=env,
                                 container=container, within_s=None)  # fmt: skip
    except SandboxError as error:
        raise InfrastructureError(f"{argv[0]} failed on a workspace", cause=error.cause) from error
