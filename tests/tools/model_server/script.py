"""What a scripted model server is told to answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Usage:
    """Tokens a turn says it used; `input` includes what came from and went to the cache, `output` the reasoning."""

    input: int = 100
    output: int = 10
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Fault:
    """What goes wrong before a turn is answered, or amid its answer."""

    kind: Literal["status", "cut", "malformed", "slow", "body", "drop", "stall", "endless", "error_event"]
    """*cut*: the connection ends amid the answer; of a stream, after `after` events. *malformed*: half a JSON.
    *slow*: answers after `seconds`. *body*: `message` is sent as it is, with `status`. *drop*: the connection ends
    without an answer. *stall*: amid the answer nothing comes for `seconds`. *endless*: a stream goes on and on with
    events that say nothing, for `seconds`. *error_event*: a stream reports an error with `message` and ends.
    The last three are for streams; unstreamed, *stall* and *endless* send half an answer and wait."""
    status: int = 500
    message: str = "scripted failure"
    retry_after: str = ""
    seconds: float = 0.0
    after: int = 2


@dataclass(frozen=True)
class ToolUse:
    """A tool call; arguments given as text are sent as they are, valid or not."""

    name: str
    arguments: dict[str, Any] | str
    id: str | None = None
    """None: a fresh one."""

    @property
    def text(self) -> str:
        """The arguments as they are sent where a protocol has them as text."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Turn:
    """One answer."""

    text: str = ""
    calls: tuple[ToolUse, ...] = ()
    stop: Literal["", "length", "refused"] = ""
    usage: Usage | None = Usage()
    """None: the answer does not say."""
    faults: tuple[Fault, ...] = ()

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Turn:
        """Return the turn that JSON describes: the same names, all optional."""
        usage = raw.get("usage", {})
        return cls(
            text=raw.get("text", ""),
            calls=tuple(ToolUse(**call) for call in raw.get("calls", ())),
            stop=raw.get("stop", ""),
            usage=None if usage is None else Usage(**usage),
            faults=tuple(Fault(**fault) for fault in raw.get("faults", ())),
        )


@dataclass(frozen=True)
class Script:
    """The turns of conversations whose first prompt matches."""

    turns: tuple[Turn, ...]
    match: str = ""
    """Regex, searched for in the text of the first message of the user."""
    tools: bool | None = None
    """Only for requests with (True) or without tools: titles and other side requests have none."""


def choose(scripts: Sequence[Script], prompt: str, *, tools: bool) -> Script:
    """Return the first script for a conversation; an empty one when there is none."""
    for script in scripts:
        if re.search(script.match, prompt) and script.tools in (None, tools):
            return script
    return Script(())


def load_scripts(path: Path) -> list[Script]:
    """Read a script file: turns, or scripts with a regex each."""
    raw = json.loads(path.read_text("utf-8"))
    if raw and "turns" in raw[0]:
        return [Script(tuple(map(Turn.parse, one["turns"])), one.get("match", ""), one.get("tools")) for one in raw]
    return [Script(tuple(map(Turn.parse, raw)))]
