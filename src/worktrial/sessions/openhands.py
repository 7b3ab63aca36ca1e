"""OpenHands: a folder for each conversation, `~/.openhands/conversations/<id>/`, with a file for each event.

Seen: the CLI 1.16 by running it. The log of a conversation is its folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worktrial.errors import StorageError
from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import (
    LONGEST_LINE,
    Tally,
    as_count,
    as_dict,
    as_text,
    as_time,
    joined,
    parsed,
)

_FROM_FILE = re.compile(
    r"Starting this session with file context\.\n\nFile path: [^\n]*\n\nFile contents:\n-{20}\n(.*)\n-{20}\n?",
    re.DOTALL,
)
"""What it makes of a prompt that is given as a file."""
_IDLE = frozenset({
    "SystemPromptEvent", "ConversationStateUpdateEvent", "PauseEvent", "Condensation", "CondensationRequest",
    "CondensationSummaryEvent", "ConversationErrorEvent", "LLMCompletionLogEvent", "TokenEvent", "InterruptEvent",
})  # fmt: skip


class OpenHands:
    """`~/.openhands/conversations`."""

    name = "openhands"
    title = "OpenHands"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """By the working directory in the conversation's state."""
        places = Places.of(repository)
        for path in below(home / ".openhands/conversations", "*/base_state.json"):
            if places.holds(_cwd(_content(path, Tally()))):
                yield path.parent

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """One session a folder."""
        tally = Tally()
        if not path.is_dir():
            raise StorageError(f"cannot read the conversation {path}", cause="it is not a folder")
        building = Building(self.name, path, tally)
        building.id = path.name
        state = _content(path / "base_state.json", Tally()) if (path / "base_state.json").is_file() else {}
        building.cwd = _cwd(state)
        building.model = as_text(as_dict(as_dict(state.get("agent")).get("llm")).get("model"))
        reading = _Reading(building)
        for event in below(path / "events", "event-*.json"):
            reading.event(_content(event, tally))
        for name, metrics in as_dict(as_dict(state.get("stats")).get("usage_to_metrics")).items():
            building.used(str(name), _usage(as_dict(as_dict(metrics).get("accumulated_token_usage"))))
        if session := building.session():
            yield session


def _content(path: Path, tally: Tally) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return parsed(file.read(LONGEST_LINE), tally)
    except OSError:
        tally.torn += 1
        return {}


def _cwd(state: dict[str, Any]) -> str:
    return as_text(as_dict(state.get("workspace")).get("working_dir"))


class _Reading:
    def __init__(self, building: Building) -> None:
        self.building = building
        self._made: dict[str, list[Edit] | Run] = {}

    def event(self, event: dict[str, Any]) -> None:
        building, at, kind = self.building, as_time(event.get("timestamp")), as_text(event.get("kind"))
        building.seen(at)
        if kind == "MessageEvent":
            if event.get("source") == "user":
                text = joined(as_dict(event.get("llm_message")).get("content"))
                wrapped = _FROM_FILE.fullmatch(text)
                building.prompt(wrapped[1] if wrapped else text, at)
        elif kind == "ActionEvent":
            building.used_model(building.model)
            given = {**as_dict(event.get("action")), **_arguments(event)}
            if made := calls.add(building, as_text(event.get("tool_name")), given, at):
                self._made[as_text(event.get("tool_call_id"))] = made
        elif kind in ("ObservationEvent", "AgentErrorEvent", "UserRejectObservation"):
            self._gave(event, kind, at)
        elif event and kind not in _IDLE:
            building.tally.unknown += 1

    def _gave(self, event: dict[str, Any], kind: str, at: Any) -> None:
        made = self._made.pop(as_text(event.get("tool_call_id")), None)
        seen = as_dict(event.get("observation"))
        if isinstance(made, Run):
            code = seen.get("exit_code", as_dict(seen.get("metadata")).get("exit_code"))
            made.exit_code = code if isinstance(code, int) and not isinstance(code, bool) and code >= 0 else None
            self.building.printed(made, joined(seen.get("content")) or as_text(seen.get("output")), at)
        failed = kind == "AgentErrorEvent" or seen.get("is_error") is True
        for edit in made if isinstance(made, list) else ():
            edit.outcome = "rejected" if kind == "UserRejectObservation" else "failed" if failed else "accepted"


def _arguments(event: dict[str, Any]) -> dict[str, Any]:
    call = as_dict(event.get("tool_call"))
    given = call.get("arguments") or as_dict(call.get("function")).get("arguments")
    return parsed(given, Tally()) if isinstance(given, str) else as_dict(given)


def _usage(raw: dict[str, Any]) -> SessionUsage:
    return SessionUsage(
        input_tokens=as_count(raw.get("prompt_tokens")),
        output_tokens=as_count(raw.get("completion_tokens")),
        cache_read_tokens=as_count(raw.get("cache_read_tokens")),
        cache_write_tokens=as_count(raw.get("cache_write_tokens")),
    )
