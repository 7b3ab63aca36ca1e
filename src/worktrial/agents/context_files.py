"""Files of a repository with instructions for agents: kept, taken away, or replaced for one attempt.

Whatever is done is undone when the attempt is over, so that it is no part of the agent's patch.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from worktrial.agents.protocol import Attempt
from worktrial.agents.real.inside_python import inside, inside_mounts
from worktrial.errors import SandboxError
from worktrial.sandboxes.protocol import Command
from worktrial.store.files import read_text

_SCRIPT_S = 120.0


@contextlib.asynccontextmanager
async def switched(attempt: Attempt, context: str, name: str) -> AsyncIterator[str]:
    """Hold an attempt's context files as `context` says: `keep`, `none`, or the path of a file to have instead.

    The file's text is put at `name` in the repository's root; before the prompt when that is empty, for an agent that
    reads none by itself. Yields the prompt. Raises `SandboxError`, and `FormatError` for a file that cannot be read.
    """
    if context == "keep":
        yield attempt.prompt
        return
    text = "" if context == "none" else read_text(Path(context), "context file")
    taken = await _script(attempt, {"do": "take", "write": {name: text} if name and text else {}})
    try:
        yield attempt.prompt if name or not text else f"{text.rstrip()}\n\n{attempt.prompt}"
    finally:
        await _script(attempt, {"do": "give back", "taken": taken["taken"], "wrote": taken["wrote"]})


async def _script(attempt: Attempt, asked: dict[str, Any]) -> dict[str, Any]:
    finished = await attempt.workspace.run(
        Command(
            inside("context.py"),
            timeout_s=_SCRIPT_S,
            env=attempt.env,
            stdin=json.dumps(asked).encode(),
            mounts=tuple(dict.fromkeys([*attempt.mounts, *inside_mounts()])),
            report=True,
        )
    )
    try:
        answer = json.loads(finished.report)
    except ValueError:
        answer = None
    if finished.exit_code != 0 or not isinstance(answer, dict):
        said = finished.output.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise SandboxError("could not switch the context files", cause=" ".join(said) or finished.ended)
    return answer
