"""Qwen Code: `~/.qwen/projects/<folder>/chats/<session>.jsonl`, lines as Claude Code's with parts as Gemini's.

Seen: 0.15 by running it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.gemini_cli import came_of, output, prompt_of
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import (
    Tally,
    as_count,
    as_dict,
    as_list,
    as_text,
    as_time,
    cut,
    ends,
    first_value,
    lines,
    opened,
    parsed,
)

_IDLE = re.compile(rb'"type"\s*:\s*"system"\s*,\s*"cwd"')
_PEEK = 256 * 1024


class QwenCode:
    """`~/.qwen/projects`."""

    name = "qwen_code"
    title = "Qwen Code"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """By the project folder's name, which is ambiguous, and then by the first working directory in the log."""
        places = Places.of(repository)
        wanted = tuple(re.sub(r"[^A-Za-z0-9]", "-", str(root)) for root in places.roots)
        for path in below(home / ".qwen/projects", "*/chats/*.jsonl"):
            if path.parent.parent.name.lower().startswith(tuple(one.lower() for one in wanted)) and places.holds(
                first_value(path, _PEEK, "cwd")
            ):
                yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """One session a file."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a log that is open already."""
        tally = Tally()
        reading = _Reading(Building(self.name, log, tally))
        for line in lines(file, tally):
            if _IDLE.search(line, 0, 1000):
                tally.torn += cut(line)
            else:
                reading.line(parsed(line, tally))
        if session := reading.building.session():
            yield session


class _Reading:
    def __init__(self, building: Building) -> None:
        self.building = building
        self._made: dict[str, list[Edit] | Run] = {}

    def line(self, value: dict[str, Any]) -> None:
        if not value:
            return
        building, at = self.building, as_time(value.get("timestamp"))
        building.seen(at)
        building.id = building.id or as_text(value.get("sessionId"))
        building.version = building.version or as_text(value.get("version"))
        building.cwd = building.cwd or as_text(value.get("cwd"))
        building.branch = building.branch or as_text(value.get("gitBranch"))
        parts = as_list(as_dict(value.get("message")).get("parts"))
        kind = value.get("type")
        if kind == "user":
            if not value.get("isSidechain") and (text := prompt_of(parts)) and not text.startswith("<system-reminder>"):
                building.prompt(text, at, "command" if text.startswith("/") else "typed")
        elif kind == "assistant":
            self._assistant(value, parts, at)
        elif kind == "tool_result":
            self._gave(value, parts, at)
        elif kind != "system":
            building.tally.unknown += 1

    def _assistant(self, value: dict[str, Any], parts: list[Any], at: Any) -> None:
        self.building.used_model(as_text(value.get("model")))
        if raw := as_dict(value.get("usageMetadata")):
            self.building.used(as_text(value.get("uuid")), _usage(raw))
        for part in map(as_dict, parts):
            call = as_dict(part.get("functionCall"))
            key = as_text(call.get("id"))
            if call and key not in self._made:
                made = calls.add(self.building, as_text(call.get("name")), as_dict(call.get("args")), at)
                if made:
                    self._made[key] = made

    def _gave(self, value: dict[str, Any], parts: list[Any], at: Any) -> None:
        told = as_dict(value.get("toolCallResult"))
        responses = [as_dict(as_dict(part).get("functionResponse")) for part in parts]
        key = as_text(told.get("callId")) or next((as_text(one.get("id")) for one in responses), "")
        shown = told.get("resultDisplay")
        text = output({"result": parts}) or as_text(shown)
        failed = any("error" in as_dict(one.get("response")) for one in responses)
        call = {
            "status": as_text(told.get("status")) or ("error" if failed else "success"),
            "display": as_dict(shown),
            "output": ends(text),
        }
        came_of(self.building, self._made.pop(key, None), call, at)


def _usage(raw: dict[str, Any]) -> SessionUsage:
    told, thoughts = as_count(raw.get("candidatesTokenCount")), as_count(raw.get("thoughtsTokenCount")) or 0
    return SessionUsage(
        input_tokens=as_count(raw.get("promptTokenCount")),
        output_tokens=None if told is None else told + thoughts,
        cache_read_tokens=as_count(raw.get("cachedContentTokenCount")),
    )
