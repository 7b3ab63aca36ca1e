"""Starting a program inside with its model in reach: behind the bridge to the trial's endpoint at the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from worktrial.agents.protocol import Attempt, Endpoint
from worktrial.agents.real.contract import Launch
from worktrial.agents.real.inside_python import inside, inside_mounts
from worktrial.sandboxes.protocol import Command, Mount


def bridged(
    attempt: Attempt,
    endpoint: Endpoint,
    launch: Launch,
    *,
    env: Mapping[str, str],
    prompt: str,
    mounts: Iterable[Mount],
) -> Command:
    """Return the command that runs `launch` inside, with `env` besides that of the attempt; in both, `@URL@` and the
    like are filled in there (see `inside/launch.py`)."""
    spec = {
        "socket": str(endpoint.socket),
        "port": endpoint.port,
        "path": endpoint.path,
        "argv": launch.argv,
        "env": dict(env),
        "files": dict(launch.files),
        "prompt": prompt,
        "stdin": launch.stdin,
        "capture": launch.capture,
    }
    return Command(
        inside("launch.py", "run"),
        timeout_s=attempt.limits.timeout_s,
        env=attempt.env,
        stdin=json.dumps(spec).encode(),
        mounts=tuple(dict.fromkeys([*attempt.mounts, *mounts, *inside_mounts(), Mount(endpoint.socket)])),
        port=endpoint.port,
    )
