"""GitHub Copilot CLI: `~/.copilot/session-state/<id>/events.jsonl`, a JSON line for each event.

Seen: 1.0 in checkpoints of others. The same events, fewer of them, are in the transcripts that Copilot keeps in VS
Code: see `vscode_copilot`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import (
    Tally,
    as_count,
    as_dict,
    as_list,
    as_text,
    as_time,
    cut,
    first_value,
    joined,
    lines,
    opened,
    parsed,
)

_TYPE = re.compile(rb'\{\s*"type"\s*:\s*"([a-z_.]+)"')
_CALL = re.compile(rb'"toolCallId"\s*:\s*"([^"\\]{1,200})"')
_EXITED = re.compile(r"<(?:exited|command exited|shell .{0,40}) with exit code (-?\d{1,4})>|<exit_code>(-?\d{1,4})")
_PEEK = 256 * 1024
_READ = frozenset({
    b"session.start", b"session.resume", b"session.model_change", b"user.message", b"assistant.message",
    b"tool.execution_start", b"tool.execution_complete", b"permission.completed", b"session.context_changed",
})  # fmt: skip
_IDLE = ("session.", "hook.", "system.", "assistant.", "permission.", "subagent.", "skill.", "tool.", "abort", "mcp.",
         "user_input.", "elicitation.", "exit_plan_mode.", "command.", "pending_messages.")  # fmt: skip
_INJECTED = ("<system_notification", "<system_reminder", "<skill-context")


class CopilotCli:
    """`~/.copilot/session-state`."""

    name = "copilot_cli"
    title = "Copilot CLI"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """By the directory in the first event."""
        places = Places.of(repository)
        for path in below(home / ".copilot/session-state", "*/events.jsonl", "*.jsonl"):
            if places.holds(first_value(path, _PEEK, "cwd", "gitRoot")):
                yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """One session a file."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a log that is open already."""
        yield from events(Building(self.name, log, Tally()), file)


def events(building: Building, file: IO[bytes]) -> Iterator[Session]:
    """Read events into a session that was begun."""
    reading = _Reading(building)
    for line in lines(file, building.tally):
        reading.line(line)
    if session := building.session():
        yield session


class _Reading:
    def __init__(self, building: Building) -> None:
        self.building = building
        self._made: dict[str, list[Edit] | Run] = {}

    def line(self, line: bytes) -> None:
        head = _TYPE.match(line)
        if head and head[1] not in _READ and head[1].decode().startswith(_IDLE):
            self.building.tally.torn += cut(line)
            return
        complete = head is not None and head[1] == b"tool.execution_complete"
        found = _CALL.search(line) if complete else None
        if found and found[1].decode("utf-8", "replace") not in self._made:
            self.building.tally.torn += cut(line)
            return
        value = parsed(line, self.building.tally)
        data, kind, at = as_dict(value.get("data")), as_text(value.get("type")), as_time(value.get("timestamp"))
        self.building.seen(at)
        if kind in ("session.start", "session.resume", "session.context_changed"):
            self._context(data)
        elif kind == "session.model_change":
            self.building.model = as_text(data.get("newModel")) or self.building.model
        elif kind == "user.message":
            text = as_text(data.get("content"))
            if text.strip() and not text.startswith(_INJECTED) and not data.get("isAutopilotContinuation"):
                self.building.prompt(text, at, "command" if text.startswith("/") and "\n" not in text else "typed")
        elif kind == "assistant.message":
            self._said(data, as_text(value.get("id")), at)
        elif kind == "tool.execution_start":
            self._called(data, at)
        elif kind == "tool.execution_complete":
            self._gave(data, at)
        elif kind == "permission.completed":
            self._permitted(data)
        elif value and not kind.startswith(_IDLE):
            self.building.tally.unknown += 1

    def _context(self, data: dict[str, Any]) -> None:
        building, context = self.building, as_dict(data.get("context")) or data
        building.id = building.id or as_text(data.get("sessionId"))
        building.version = building.version or as_text(data.get("copilotVersion"))
        building.cwd = building.cwd or as_text(context.get("cwd") or context.get("gitRoot"))
        building.branch = building.branch or as_text(context.get("branch"))
        building.base_commit = building.base_commit or as_text(context.get("headCommit") or context.get("baseCommit"))

    def _said(self, data: dict[str, Any], key: str, at: Any) -> None:
        self.building.used_model(as_text(data.get("model")))
        if (told := as_count(data.get("outputTokens"))) is not None:
            self.building.used(as_text(data.get("messageId")) or key, SessionUsage(output_tokens=told))
        for call in map(as_dict, as_list(data.get("toolRequests"))):
            self._called({**call, "toolName": call.get("name")}, at)

    def _called(self, data: dict[str, Any], at: Any) -> None:
        key = as_text(data.get("toolCallId"))
        if not key or key in self._made:
            return
        given = data.get("arguments")
        given = (parsed(given, Tally()) or {"input": given}) if isinstance(given, str) else as_dict(given)
        if made := calls.add(self.building, as_text(data.get("toolName")), given, at):
            self._made[key] = made

    def _gave(self, data: dict[str, Any], at: Any) -> None:
        made = self._made.get(as_text(data.get("toolCallId")))
        result, error = as_dict(data.get("result")), as_dict(data.get("error"))
        text = joined(result.get("content")) or as_text(error.get("message"))
        if isinstance(made, Run):
            found = _EXITED.search(text[-300:])
            made.exit_code = int(found[1] or found[2]) if found else None
            self.building.printed(made, text, at)
        for edit in made if isinstance(made, list) else ():
            refused = edit.outcome == "rejected" or as_text(error.get("code")) in ("rejected", "denied")
            edit.outcome = "accepted" if data.get("success") is True else "rejected" if refused else "failed"

    def _permitted(self, data: dict[str, Any]) -> None:
        made = self._made.get(as_text(data.get("toolCallId")))
        if as_text(as_dict(data.get("result")).get("kind")).startswith(("denied", "rejected")):
            for edit in made if isinstance(made, list) else ():
                edit.outcome = "rejected"
