"""The normal form of a conversation with a model, whatever the wire format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from worktrial.errors import InfrastructureError
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage

Stop = Literal["end", "length", "refused"]
"""Why the model stopped. *length*: its answer was cut at the output limit. *refused*: it, or a filter, declined."""

_MAX_DEPTH = 50


@dataclass(frozen=True)
class Call:
    """A tool call the model asked for."""

    id: str
    """Unique within the conversation."""
    name: str
    arguments: dict[str, Any]
    problem: str = ""
    """Why the arguments could not be read; empty when they could."""


@dataclass(frozen=True)
class Asked:
    """What the model is told by us."""

    text: str


@dataclass(frozen=True)
class Reply:
    """What the model said."""

    text: str
    calls: tuple[Call, ...] = ()
    stop: Stop = "end"
    reasoning: str = ""
    usage: Usage | None = None
    """Of this one request; None when the server did not say."""
    blocks: tuple[dict[str, Any], ...] = ()
    """The answer in the wire's own form, where that must be sent back unchanged."""


@dataclass(frozen=True)
class Result:
    """What one tool call gave."""

    call_id: str
    text: str
    failed: bool = False
    served_by: str = ""
    """Which layer answered a question about code (see `tools.LAYERS`); empty for all other calls."""


@dataclass(frozen=True)
class Results:
    """The results of all calls of the reply before, in its order."""

    results: tuple[Result, ...]


Message: TypeAlias = Asked | Reply | Results


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a model is told of it."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=dict)
    """JSON Schema of its arguments."""


class MalformedReply(Exception):  # noqa: N818 - it never leaves the client
    """The server's answer is not what its protocol says."""


class ProviderError(InfrastructureError):
    """The model server gave no usable answer: not the agent's failure. `code` is the machine-readable cause."""

    def __init__(self, code: str, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.code = code


class ContextOverflow(Exception):  # noqa: N818 - it never leaves the loop
    """The server says that the conversation is longer than the model's window."""


def count(value: object) -> int:
    """Return a number of tokens as a server gave it; 0 for what is no such number."""
    return value if isinstance(value, int) and 0 < value < 10**12 else 0


def parse_json(text: str) -> Any:
    """Parse what a model or a server wrote. Raises `ValueError`, also for what could not be written down again.

    Lone surrogates, which no file and no other server takes, become question marks.
    """
    try:
        return _writable(json.loads(text, parse_constant=_no_constant), depth=0)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _writable(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_writable(part, depth + 1) for part in value]
    if isinstance(value, dict):
        return {_writable(key, depth + 1): _writable(part, depth + 1) for key, part in value.items()}
    return value


class Wire(Protocol):
    """A wire protocol: from the normal form to a request's JSON and back."""

    def url(self, base_url: str) -> str:
        """Return the address requests are posted to."""
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers that carry the key and the version."""
        ...

    def body(
        self, config: AgentConfig, system: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> dict[str, Any]:
        """Return a request's body."""
        ...

    def reply(self, body: dict[str, Any]) -> Reply:
        """Read an answer's body. Raises `MalformedReply`."""
        ...

    def adapt(self, problem: str) -> bool:
        """Change what `body` makes after the server refused it with `problem`; False: there is nothing to change."""
        ...
