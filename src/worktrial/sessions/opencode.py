"""opencode: a SQLite database, `~/.local/share/opencode/opencode.db`; its export is one JSON document of the same.

Seen: 1.18 by running it, the export of 1.2 in checkpoints of others. Before 1.2 it kept a file for each part of a
message; those are not read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls, edits
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.databases import columns, database, rows, short
from worktrial.sessions.places import Places, below, folder_of
from worktrial.sessions.reading import LONGEST_LINE, Tally, as_count, as_dict, as_list, as_text, as_time, parsed

_REFUSED = re.compile(r"reject|denied|prevents you from using|not allowed|rule which|dismissed", re.IGNORECASE)
_IDLE = frozenset({
    "step-start", "step-finish", "reasoning", "snapshot", "patch", "file", "agent", "compaction", "retry", "text",
    "subtask",
})  # fmt: skip
_Message = tuple[dict[str, Any], Iterable[dict[str, Any]]]
"""A message and its parts."""


class OpenCode:
    """`~/.local/share/opencode`, or below XDG_DATA_HOME."""

    name = "opencode"
    title = "opencode"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """The databases that hold a session in the repository's directory."""
        places = Places.of(repository)
        for base in folder_of(home, "XDG_DATA_HOME", ".local", "share"):
            for path in below(base / "opencode", "opencode*.db"):
                with database(path) as connection:
                    if any(places.holds(directory) for directory in _directories(connection)):
                        yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """A session at a time; of an export, the one."""
        if path.suffix == ".json":
            with path.open("rb") as file:
                yield from self.stream(file, path)
            return
        places = Places.of(repository) if repository else None
        with database(path) as connection:
            yield from _sessions(connection, path, places)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read an export, or a line of it, that is open already."""
        tally = Tally()
        building = Building(self.name, log, tally)
        value = parsed(file.read(LONGEST_LINE), tally)
        _head(building, as_dict(value.get("info")))
        for message in map(as_dict, as_list(value.get("messages"))):
            _told(building, as_dict(message.get("info")), map(as_dict, as_list(message.get("parts"))))
        if session := building.session():
            yield session


def _directories(connection: sqlite3.Connection) -> Iterator[str]:
    for row in rows(connection, Tally(), "SELECT DISTINCT directory FROM session"):
        yield as_text(row["directory"])


def _sessions(connection: sqlite3.Connection, path: Path, places: Places | None) -> Iterator[Session]:
    tally = Tally()
    has = columns(connection, "session")
    wanted = [
        name for name in ("id", "parent_id", "directory", "version", "time_created", "time_updated") if name in has
    ]
    if not {"id", "directory"} <= set(wanted):
        return
    order = "time_created" if "time_created" in has else "id"
    for row in rows(connection, tally, f"SELECT {', '.join(wanted)} FROM session ORDER BY {order}"):  # noqa: S608 - names from above
        if places is not None and not places.holds(as_text(row["directory"])):
            continue
        building = Building(OpenCode.name, path, Tally())
        told = dict(row)
        time = {"created": told.get("time_created"), "updated": told.get("time_updated")}
        _head(building, {**told, "parentID": told.get("parent_id"), "time": time})
        for info, parts in _messages(connection, building.tally, as_text(row["id"])):
            _told(building, info, parts)
        if session := building.session():
            yield session


def _messages(connection: sqlite3.Connection, tally: Tally, session: str) -> Iterator[_Message]:
    order = "WHERE session_id = ? ORDER BY time_created, id"
    asked = f"SELECT id, {short('data')} AS data FROM message {order}"  # noqa: S608 - names of our own
    for row in rows(connection, tally, asked, session):
        info = parsed(row["data"] or "", tally)
        info.setdefault("id", row["id"])
        yield info, _parts(connection, tally, row["id"])


def _parts(connection: sqlite3.Connection, tally: Tally, message: str) -> Iterator[dict[str, Any]]:
    asked = f"SELECT {short('data')} AS data FROM part WHERE message_id = ? ORDER BY id"  # noqa: S608 - names of our own
    for row in rows(connection, tally, asked, message):
        yield parsed(row["data"] or "", tally)


def _head(building: Building, info: dict[str, Any]) -> None:
    building.id = as_text(info.get("id"))
    building.parent = as_text(info.get("parentID")) or None
    building.cwd = as_text(info.get("directory"))
    building.version = as_text(info.get("version"))
    building.seen(as_time(as_dict(info.get("time")).get("created")))


def _told(building: Building, info: dict[str, Any], parts: Iterable[dict[str, Any]]) -> None:
    time = as_dict(info.get("time"))
    at = as_time(time.get("created"))
    if info.get("role") == "user":
        texts = [
            as_text(part.get("text"))
            for part in parts
            if part.get("type") == "text" and not part.get("synthetic") and not part.get("ignored")
        ]
        if any(text.strip() for text in texts):
            building.prompt("\n".join(texts), at, "agent" if building.parent else "typed")
        return
    building.seen(at)
    if info.get("role") != "assistant":
        building.tally.unknown += bool(info.get("role"))
        return
    building.used_model(as_text(info.get("modelID")))
    if tokens := as_dict(info.get("tokens")):
        building.used(as_text(info.get("id")), _usage(tokens))
    for part in parts:
        if part.get("type") == "tool":
            _called(building, part)
        elif part and as_text(part.get("type")) not in _IDLE:
            building.tally.unknown += 1
    building.seen(as_time(time.get("completed")))


def _called(building: Building, part: dict[str, Any]) -> None:
    state = as_dict(part.get("state"))
    metadata, at = as_dict(state.get("metadata")), as_time(as_dict(state.get("time")).get("start"))
    made = calls.add(building, as_text(part.get("tool")), as_dict(state.get("input")), at)
    status, error = as_text(state.get("status")), as_text(state.get("error"))
    if isinstance(made, Run):
        code = metadata.get("exit")
        made.exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
        building.printed(made, as_text(state.get("output")) or as_text(metadata.get("output")), at)
    for edit in made if isinstance(made, list) else ():
        _outcome(edit, status, error, metadata)


def _outcome(edit: Edit, status: str, error: str, metadata: dict[str, Any]) -> None:
    if status == "completed":
        edit.outcome = "accepted"
        if edit.kind == "write" and (diff := as_text(metadata.get("diff"))):
            edit.added, edit.removed = edits.of_diff(diff)
    elif status == "error":
        edit.outcome = "rejected" if _REFUSED.search(error[:500]) else "failed"


def _usage(raw: dict[str, Any]) -> SessionUsage:
    """It counts what came from and went to the cache apart from the input, and reasoning apart from the output."""
    cache = as_dict(raw.get("cache"))
    plain, told = as_count(raw.get("input")), as_count(raw.get("output"))
    read, written = as_count(cache.get("read")), as_count(cache.get("write"))
    return SessionUsage(
        input_tokens=None if plain is None else plain + (read or 0) + (written or 0),
        output_tokens=None if told is None else told + (as_count(raw.get("reasoning")) or 0),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
