"""What a request asks for and what an answer says, in one form for all wire protocols."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import from_json

from worktrial.formats.gateway import Api

_LARGEST_COUNT = 10**12


@dataclass(frozen=True)
class Asked:
    """What a request asks for."""

    model: str
    stream: bool
    tools: int = 0
    """How many tools the model is offered, those run by the provider included."""
    server_tools: tuple[str, ...] = ()
    """Those that the provider would run."""


@dataclass(frozen=True)
class Tokens:
    """What the provider counted. `input` includes what came from and went to a cache, `output` the reasoning."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    """The part of `cache_write` that is kept for an hour, at a price of its own."""
    reasoning: int | None = None


@dataclass
class Call:
    """A tool call that the model asked for."""

    id: str
    name: str
    pieces: list[str] = field(default_factory=list)
    """Its arguments as text, as they came."""
    free_form: bool = False
    """The tool takes text, not JSON."""

    @property
    def arguments(self) -> str:
        """The arguments as text, whole."""
        return "".join(self.pieces)

    @property
    def malformed(self) -> bool:
        """Whether the arguments are not the JSON object they should be."""
        if self.free_form:
            return False
        try:
            return not isinstance(parse(self.arguments.encode("utf-8", "surrogatepass") or b"{}"), dict)
        except ValueError:
            return True


@dataclass
class Reading:
    """What was read of an answer so far."""

    model: str = ""
    finish_reasons: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    """What the model said, in pieces."""
    reasoning: list[str] = field(default_factory=list)
    tokens: Tokens | None = None
    """None: the answer has not said."""
    final: bool = False
    """Whether `tokens` are the last word; of a cut stream they may be those of its beginning."""
    raw_usage: dict[str, Any] | None = None
    cost_usd: float | None = None
    """What the upstream itself says the request cost; None: nothing."""
    error: str = ""
    """An error reported within a stream or within an answer of status 200."""
    complete: bool = False
    """Whether the answer came to the end its protocol has."""
    malformed: bool = False
    """Something in it is not what its protocol says."""

    def characters(self) -> int:
        """Return the length of all the model wrote."""
        texts = sum(map(len, self.text)) + sum(map(len, self.reasoning))
        return texts + sum(sum(map(len, call.pieces)) + len(call.name) for call in self.calls)


class Meter(Protocol):
    """Reads an answer as it comes in, in pieces of any size."""

    reading: Reading

    def feed(self, data: bytes) -> None:
        """Read the next bytes. Never raises, whatever they are."""
        ...

    def finish(self) -> Reading:
        """Return what was read, after the last byte."""
        ...


class Wire(Protocol):
    """A wire protocol. Nothing here ever raises for what an agent or a provider sent, but for `ask`."""

    api: Api
    provider: str
    """Whose protocol it is, by the public price list's name."""
    key_header: str

    def ask(self, body: Mapping[str, Any], path: str) -> Asked:
        """Read a request. Raises `ValueError` saying what it lacks."""
        ...

    def strip(self, body: dict[str, Any]) -> bool:
        """Take all tools that the provider would run out of a body; False: the request makes no sense without."""
        ...

    def rename(self, body: dict[str, Any], path: str, model: str) -> str:
        """Ask for another model, in the body or the path; return the path."""
        ...

    def url(self, base_url: str, path: str) -> str:
        """Return the upstream's address for a path as agents ask for it."""
        ...

    def meter(self, *, stream: bool) -> Meter:
        """Return a meter for one answer."""
        ...

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return the body of an error in the protocol's shape."""
        ...


def parse(data: bytes | str) -> Any:
    """Parse JSON. Raises `ValueError`."""
    try:
        return from_json(data)
    except ValueError:
        pass
    try:
        return json.loads(data)  # lone surrogates are JSON, but not to the fast parser
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises `ValueError`."""
    value = parse(data)
    if isinstance(value, dict):
        return value
    raise ValueError("a JSON object was expected")


def count(value: object) -> int:
    """Return a number of tokens as a server gave it; 0 for what is no such number."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST_COUNT else 0


def mapping(value: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[dict[str, Any]]:
    """Return the objects of a JSON array; an empty list for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a JSON string; an empty one for anything else."""
    return value if isinstance(value, str) else ""


def error_text(body: object) -> str:
    """Return what an error's body says, in one line of at most 300 characters."""
    error = body.get("error", body) if isinstance(body, dict) else body
    said = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(said).split())[:300]
