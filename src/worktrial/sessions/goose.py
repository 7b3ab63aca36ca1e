"""goose: a SQLite database, `~/.local/share/goose/sessions/sessions.db`.

After its source; not yet seen to be read from a real one. What a message holds is JSON, a list of parts.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.databases import columns, database, rows, short
from worktrial.sessions.places import Places, below, folder_of
from worktrial.sessions.reading import Tally, as_count, as_dict, as_list, as_text, as_time, joined, parsed

_WANTED = (
    "id", "working_dir", "created_at", "updated_at", "session_type", "model_config_json", "accumulated_input_tokens",
    "accumulated_output_tokens", "input_tokens", "output_tokens",
)  # fmt: skip
_REFUSED = re.compile(r"declined|denied|rejected|not approved", re.IGNORECASE)


class Goose:
    """`~/.local/share/goose/sessions`, or below XDG_DATA_HOME."""

    name = "goose"
    title = "goose"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """The databases that hold a session in the repository's directory."""
        places = Places.of(repository)
        for base in folder_of(home, "XDG_DATA_HOME", ".local", "share"):
            for path in below(base / "goose/sessions", "sessions.db"):
                with database(path) as connection:
                    found = rows(connection, Tally(), "SELECT DISTINCT working_dir FROM sessions")
                    if any(places.holds(as_text(row["working_dir"])) for row in found):
                        yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """A session at a time."""
        places = Places.of(repository) if repository else None
        tally = Tally()
        with database(path) as connection:
            has = columns(connection, "sessions")
            wanted = [name for name in _WANTED if name in has]
            if not {"id", "working_dir"} <= set(wanted):
                return
            query = f"SELECT {', '.join(wanted)} FROM sessions ORDER BY id"  # noqa: S608 - names from above
            for row in rows(connection, tally, query):
                if places is None or places.holds(as_text(row["working_dir"])):
                    yield from _session(connection, path, dict(row))


def _session(connection: sqlite3.Connection, path: Path, told: dict[str, Any]) -> Iterator[Session]:
    building = Building(Goose.name, path, Tally())
    building.id, building.cwd = str(told.get("id") or ""), as_text(told.get("working_dir"))
    building.seen(as_time(told.get("created_at")))
    if as_text(told.get("session_type")) == "sub_agent":
        building.parent = building.id
    config = parsed(as_text(told.get("model_config_json")) or "{}", Tally())
    building.model = as_text(config.get("model_name") or config.get("model"))
    usage = [as_count(told.get(f"accumulated_{name}") or told.get(name)) for name in ("input_tokens", "output_tokens")]
    building.used("all", SessionUsage(input_tokens=usage[0], output_tokens=usage[1]))
    made: dict[str, list[Edit] | Run] = {}
    time = "created_timestamp" if "created_timestamp" in columns(connection, "messages") else "NULL"
    order = f"role, {time} AS at, {short('content_json')} AS content FROM messages WHERE session_id = ? ORDER BY id"
    for row in rows(connection, building.tally, f"SELECT {order}", told.get("id")):
        parts = parsed(f'{{"parts": {row["content"] or "null"}}}', building.tally)
        _message(
            building, as_text(row["role"]), [as_dict(part) for part in as_list(parts.get("parts"))], row["at"], made
        )
    if session := building.session():
        yield session


def _message(
    building: Building, role: str, parts: list[dict[str, Any]], stamp: object, made: dict[str, list[Edit] | Run]
) -> None:
    at = as_time(stamp)
    building.seen(at)
    texts = [as_text(part.get("text")) for part in parts if part.get("type") == "text"]
    if role == "user" and any(text.strip() for text in texts):
        building.prompt("\n".join(texts), at, "agent" if building.parent else "typed")
    elif role == "assistant":
        building.used_model(building.model)
    for part in parts:
        key = as_text(part.get("id"))
        if part.get("type") == "toolRequest":
            call = as_dict(as_dict(part.get("toolCall")).get("value"))
            if one := calls.add(building, as_text(call.get("name")), as_dict(call.get("arguments")), at):
                made[key] = one
        elif part.get("type") == "toolResponse" and key in made:
            _gave(building, made.pop(key), as_dict(part.get("toolResult")), at)


def _gave(building: Building, made: list[Edit] | Run, result: dict[str, Any], at: Any) -> None:
    value = result.get("value")
    content = as_dict(value).get("content") if isinstance(value, dict) else value
    text = joined(content) or as_text(result.get("error"))
    failed = result.get("status") == "error" or as_dict(value).get("isError") is True
    if isinstance(made, Run):
        building.printed(made, text, at)
        return
    for edit in made:
        refused = "rejected" if _REFUSED.search(text[:500]) else "failed"
        edit.outcome = refused if failed else "accepted"  # type: ignore[assignment]
