"""The tools of the basic agent: what the model is told of them, and running them inside the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worktrial.agents.basic.messages import Call, Result, ToolSpec
from worktrial.sandboxes.protocol import Command, Finished, Mount, Workspace

LAYERS = ("language_server", "tree_sitter", "plain")
"""What can serve a question about code, the one that understands most first."""
MALFORMED = "(malformed)"
"""The name under which calls are counted that name no tool of ours or have arguments it does not take."""

_MAX_OUTPUT = 30_000
"""Characters of a tool's output that the model gets."""
_MAX_COMMAND = 100_000
"""Bytes: Linux refuses to start a program with an argument of 128 KiB or more."""
_FILE_TOOL_S = 60.0
_INSIDE = Path(__file__).with_name("inside")
_SHELL = 'command -v bash >/dev/null 2>&1 && exec bash -c "$0"; exec sh -c "$0"'
# -I: nothing of the workspace and no variable can put another module in the place of one the script imports.
_PYTHON = (
    'for python in python3 python /usr/bin/python3; do command -v "$python" >/dev/null 2>&1 && '
    'exec "$python" -I -S -B "$0"; done; echo "there is no python3 in the sandbox" >&2; exit 127'
)


class Arguments(BaseModel):
    """The arguments of a tool; the docstring of a subclass is what the model is told of it."""

    model_config = ConfigDict(extra="forbid")


class _Shell(Arguments):
    """Run a command with bash in the repository's folder and get its exit code and output.

    Each call is a new shell: `cd` and variables do not carry over, and background processes end with it.
    There is no network.
    """

    command: str
    timeout_s: float = Field(default=120, gt=0, le=1800, description="Seconds until it is killed.")


class _Read(Arguments):
    """Read a text file, with line numbers; or list a folder."""

    path: str = Field(description="Relative to the repository's folder.")
    offset: int = Field(default=1, ge=1, description="First line, from 1.")
    limit: int = Field(default=2000, ge=1, description="Number of lines.")


class _Edit(Arguments):
    """Replace text in a file.

    `old` must stand in the file exactly once, character by character, without line numbers. An empty `old` makes a new
    file with `new` as its content.
    """

    path: str = Field(description="Relative to the repository's folder.")
    old: str
    new: str


class _Search(Arguments):
    """Find lines by a Python regular expression; gives path:line:text."""

    pattern: str
    path: str = Field(default=".", description="File or folder to search.")
    glob: str = Field(default="*", description="Only files whose name or path matches, e.g. `*.py`.")


class Tools(Protocol):
    """What a harness lets a model do."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return what the model is told."""
        ...

    async def run(self, call: Call, left_s: float) -> tuple[Result, str]:
        """Run one call within `left_s` seconds; return its result and the name to count it under.

        A call that makes no sense is answered with what is wrong about it. Raises `SandboxError`.
        """
        ...


class Toolbox:
    """The tools in one workspace; a subclass adds to `TOOLS` and `do`."""

    TOOLS: ClassVar[Mapping[str, type[Arguments]]] = {"shell": _Shell, "read": _Read, "edit": _Edit, "search": _Search}

    def __init__(self, workspace: Workspace, env: Mapping[str, str], mounts: tuple[Mount, ...]) -> None:
        self._workspace = workspace
        self._env = env
        self._mounts = mounts

    @classmethod
    def specs(cls) -> tuple[ToolSpec, ...]:
        """Return what the model is told."""
        return tuple(
            ToolSpec(name, " ".join((model.__doc__ or "").split()), _schema(model)) for name, model in cls.TOOLS.items()
        )

    async def run(self, call: Call, left_s: float) -> tuple[Result, str]:
        """Run one call within `left_s` seconds; return its result and the name to count it under.

        A call that makes no sense is answered with what is wrong about it. Raises `SandboxError`.
        """
        model = self.TOOLS.get(call.name)
        if model is None:
            return failed(call, f"there is no tool {call.name!r}; there are: {', '.join(self.TOOLS)}"), MALFORMED
        if call.problem:
            return failed(call, call.problem), MALFORMED
        try:
            arguments = model.model_validate(call.arguments)
        except ValidationError as error:
            return failed(call, _complaints(error)), MALFORMED
        return await self.do(call, arguments, left_s), call.name

    async def do(self, call: Call, arguments: Arguments, left_s: float) -> Result:
        """Run one call whose arguments are checked."""
        if isinstance(arguments, _Shell):
            if "\0" in arguments.command or len(arguments.command.encode()) > _MAX_COMMAND:
                why = f"the command has a NUL or is longer than {_MAX_COMMAND} bytes; write files with edit"
                return failed(call, why)
            argv = ("/bin/sh", "-c", _SHELL, arguments.command)
            return await self.program(call, argv, min(arguments.timeout_s, left_s))
        asked = {"tool": call.name, "arguments": arguments.model_dump()}
        argv = ("/bin/sh", "-c", _PYTHON, str(_INSIDE / "files.py"))
        return await self.script(call, argv, asked, timeout_s=min(_FILE_TOOL_S, left_s), mounts=(Mount(_INSIDE),))

    async def program(
        self, call: Call, argv: tuple[str, ...], timeout_s: float, *, mounts: tuple[Mount, ...] = ()
    ) -> Result:
        """Run a program and return its exit code and output, as the model is shown them."""
        finished = await self._start(argv, timeout_s, mounts=mounts)
        output = cut_middle(finished.output.decode("utf-8", "replace"))
        return Result(call.id, f"{_ending(finished)}\n{output}", failed=finished.ended != "completed")

    async def script(
        self,
        call: Call,
        argv: tuple[str, ...],
        asked: Mapping[str, Any],
        *,
        timeout_s: float,
        mounts: tuple[Mount, ...],
    ) -> Result:
        """Run a script of ours that is asked and answers in JSON: `ok`, `text`, and `layer` if there are several."""
        finished = await self._start(argv, timeout_s, stdin=json.dumps(asked).encode(), mounts=mounts)
        answer = _answer(finished)
        if answer is None:
            said = cut_middle(finished.output.decode("utf-8", "replace"))
            return failed(call, f"{call.name} could not be run: {_ending(finished)}\n{said}")
        layer = answer.get("layer")
        served = layer if isinstance(layer, str) and layer in LAYERS else ""
        return Result(call.id, cut_middle(str(answer.get("text"))), failed=not answer.get("ok"), served_by=served)

    async def _start(
        self, argv: tuple[str, ...], timeout_s: float, *, stdin: bytes = b"", mounts: tuple[Mount, ...] = ()
    ) -> Finished:
        return await self._workspace.run(
            Command(argv, timeout_s=timeout_s, env=self._env, stdin=stdin, mounts=(*self._mounts, *mounts))
        )


def cut_middle(text: str) -> str:
    """Return `text`, or its beginning and end with a remark between when it is too long for the model."""
    if len(text) <= _MAX_OUTPUT:
        return text
    half = _MAX_OUTPUT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters cut …]\n{text[-half:]}"


def _schema(model: type[Arguments]) -> dict[str, Any]:
    """Return the JSON Schema of a tool's arguments without the titles and texts that only cost tokens."""
    schema = model.model_json_schema()
    properties = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in schema["properties"].items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }


def failed(call: Call, why: str) -> Result:
    """Return the result of a call that could not be done."""
    return Result(call.id, f"error: {why}", failed=True)


def _complaints(error: ValidationError) -> str:
    """Return what is wrong with a call's arguments, in words a model can act on."""
    problems = [
        f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return "wrong arguments: " + "; ".join(problems[:10])


def _answer(finished: Finished) -> dict[str, Any] | None:
    """Return what the script said in its last line, or None when it said nothing."""
    lines = finished.output.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines and finished.ended == "completed" else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _ending(finished: Finished) -> str:
    if finished.ended == "completed":
        return f"exit code: {finished.exit_code}"
    if finished.ended == "timeout":
        return f"killed after {finished.wall_s:.0f} s: it took too long"
    return f"killed: {finished.ended.replace('_', ' ')}"
