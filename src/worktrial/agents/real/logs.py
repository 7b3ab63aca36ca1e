"""Reading agents' logs: tolerant of unknown, torn and hostile lines. What is not understood is left out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from worktrial.formats.trajectory import (
    Observation,
    ObservationResult,
    Step,
    StepMetrics,
    ToolCall,
)

MAX_TEXT = 100_000
"""Characters of one message or result that a trajectory keeps; all of it is in the raw log beside."""
_MAX_STEPS = 20_000


def as_dict(value: object) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a JSON list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a string of at most `MAX_TEXT` characters; what is none is written as JSON, null as nothing."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n[… {len(text) - MAX_TEXT} characters cut …]"


def text_of(content: object) -> str:
    """Return the content of a message, which is text or a list of parts that have some."""
    if isinstance(content, list):
        return "\n".join(as_text(as_dict(part).get("text")) for part in content)
    return as_text(content)


def as_count(value: object) -> int | None:
    """Return a count of tokens, or None for what cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def as_time(value: object) -> datetime | None:
    """Return the moment of an ISO 8601 text or of a number of seconds or milliseconds since 1970."""
    with contextlib.suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    return None


def parsed(text: str | bytes) -> Any:
    """Return the JSON in `text`, or None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_lines(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects among the lines of `data`, whatever stands between them."""
    for line in data.split(b"\n"):
        if line.lstrip()[:1] == b"{" and isinstance(value := parsed(line), dict):
            yield value


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a text that also holds other things, over several lines or not."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = text.find("\n", at)
            if end < 0:
                return
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def arguments(value: object) -> dict[str, Any]:
    """Return a call's arguments: an object, the object that a text holds, or the text itself as `input`."""
    if isinstance(value, str):
        found = parsed(value)
        return found if isinstance(found, dict) else {"input": as_text(value)} if value else {}
    return as_dict(value)


def files(logs: Mapping[str, bytes], *, prefix: str = "", suffix: str = "") -> Iterator[bytes]:
    """Yield the logs whose path begins and ends so, in the order of their paths."""
    for name in sorted(logs):
        if name.startswith(prefix) and name.endswith(suffix):
            yield logs[name]


@dataclass
class _Turn:
    source: str
    message: str = ""
    reasoning: str = ""
    at: datetime | None = None
    calls: list[ToolCall] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    metrics: StepMetrics | None = None


class Steps:
    """Puts a session together step by step."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._calls: dict[str, _Turn] = {}

    def said(self, source: str, text: object, at: object = None) -> None:
        """Add what the user or the system told the agent; nothing for an empty text."""
        if message := as_text(text):
            self._add(_Turn(source, message, at=as_time(at)))

    def replied(
        self, text: object = "", *, reasoning: object = "", at: object = None, metrics: StepMetrics | None = None
    ) -> None:
        """Begin a turn of the agent."""
        self._add(_Turn("agent", as_text(text), as_text(reasoning), as_time(at), metrics=metrics))

    def more(self, text: object = "", *, reasoning: object = "") -> None:
        """Add to the agent's turn, beginning one when the last is none of its own."""
        turn = self._agent()
        turn.message = "\n".join(part for part in (turn.message, as_text(text)) if part)
        turn.reasoning = "\n".join(part for part in (turn.reasoning, as_text(reasoning)) if part)

    def called(self, call_id: object, name: object, given: object, at: object = None) -> None:
        """Add a tool call to the agent's turn."""
        turn = self._agent()
        turn.at = turn.at or as_time(at)
        key = as_text(call_id) or f"call-{len(self._calls) + 1}"
        if key not in self._calls:
            turn.calls.append(ToolCall(tool_call_id=key, function_name=as_text(name), arguments=arguments(given)))
            self._calls[key] = turn

    def gave(self, call_id: object, result: object) -> None:
        """Add what a call gave; of one that nobody made, nothing."""
        turn = self._calls.get(as_text(call_id))
        if turn is not None:
            turn.results[as_text(call_id)] = as_text(result)

    def measured(self, metrics: StepMetrics) -> None:
        """Say what the agent's last turn used."""
        self._agent().metrics = metrics

    def last_is_agents(self) -> bool:
        """Whether the last step is a turn of the agent."""
        return bool(self._turns) and self._turns[-1].source == "agent"

    def steps(self) -> tuple[Step, ...]:
        """Return all of it, numbered."""
        return tuple(_step(i, turn) for i, turn in enumerate(self._turns, 1))

    def _add(self, turn: _Turn) -> None:
        if len(self._turns) < _MAX_STEPS:
            self._turns.append(turn)

    def _agent(self) -> _Turn:
        if not self.last_is_agents():
            self._turns.append(_Turn("agent"))
        return self._turns[-1]


def _step(number: int, turn: _Turn) -> Step:
    results = tuple(
        ObservationResult(source_call_id=call.tool_call_id, content=turn.results[call.tool_call_id])
        for call in turn.calls
        if call.tool_call_id in turn.results
    )
    return Step.model_validate({
        "step_id": number,
        "timestamp": turn.at,
        "source": turn.source,
        "message": turn.message,
        "reasoning_content": turn.reasoning or None,
        "tool_calls": tuple(turn.calls) or None,
        "observation": Observation(results=results) if results else None,
        "metrics": turn.metrics,
    })  # fmt: skip
