"""What the server needs to know of a wire protocol; one module each implements it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.tools.model_server.script import Turn


@dataclass(frozen=True)
class Asked:
    """What a request asks for."""

    model: str
    stream: bool
    tools: tuple[dict[str, Any], ...]
    prompt: str
    """Text of the first message of the user."""
    index: int
    """Replies that the conversation holds already."""
    wrong: str = ""
    """What a real provider would complain of; empty when nothing."""


class Wire(Protocol):
    """A wire protocol."""

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Return the key a request came with."""
        ...

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        """Read a request."""
        ...

    def answer(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
        """Return a whole answer."""
        ...

    def events(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> list[bytes]:
        """Return the events of a streamed answer, each as it goes over the wire."""
        ...

    def error(self, kind: str, message: str, status: int) -> dict[str, Any]:
        """Return the body of an error."""
        ...

    def error_event(self, message: str) -> bytes:
        """Return an error that is reported within a stream."""
        ...


def words(content: Any) -> str:
    """Return the text of a message, whether a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(block.get("text") or "" for block in content or ())


def bearer(headers: Mapping[str, str]) -> str:
    """Return the bearer token, or nothing."""
    return headers.get("Authorization", "").removeprefix("Bearer ")


def event(data: dict[str, Any], name: str = "") -> bytes:
    """Return a server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def pieces(text: str, size: int = 7) -> Iterable[str]:
    """Return a text in small pieces, as a model makes it."""
    return [text[i : i + size] for i in range(0, len(text), size)]


def runs(flags: Iterable[bool]) -> int:
    """Return the number of unbroken runs of True."""
    count, before = 0, False
    for flag in flags:
        count += flag and not before
        before = flag
    return count
