"""Cursor: a SQLite database for all folders, `User/globalStorage/state.vscdb`, table `cursorDiskKV`.

After readers that others wrote; not yet seen to be read from a real one. A conversation is `composerData:<id>`, its
messages are `bubbleId:<id>:<bubble>`. Which folder it was held in is told by the storage of workspaces alone.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls, editors, edits
from worktrial.sessions.building import Building, Run
from worktrial.sessions.databases import database, rows, short
from worktrial.sessions.places import Places
from worktrial.sessions.reading import Tally, as_count, as_dict, as_list, as_text, as_time, parsed

_USER, _AGENT = 1, 2
_EXIT = re.compile(r'"exitCode(?:V2)?"\s*:\s*(-?\d{1,4})')


class Cursor:
    """The database of the editor's `User` folder."""

    name = "cursor"
    title = "Cursor"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """The databases of editors in which the repository was open."""
        found = {user / "globalStorage/state.vscdb" for user, _ in editors.of(home, Places.of(repository), "Cursor")}
        yield from sorted(path for path in found if path.is_file())

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """A conversation at a time; with `repository` those that a workspace of it names."""
        places = Places.of(repository) if repository else None
        with database(path) as connection:
            folders = _folders(path)
            query = (
                f"SELECT key, {short('value')} AS value FROM cursorDiskKV WHERE key LIKE 'composerData:%' ORDER BY key"  # noqa: S608 - names of our own
            )
            for row in rows(connection, Tally(), query):
                name = as_text(row["key"]).partition(":")[2]
                if places is None or places.holds(folders.get(name, "")):
                    yield from _session(connection, path, name, folders.get(name, ""), row["value"])


def _folders(path: Path) -> dict[str, str]:
    """Return the folder of each conversation that a workspace names."""
    found: dict[str, str] = {}
    for storage, folder in editors.workspaces(path.parents[1]) if len(path.parents) > 1 else ():
        if not (storage / "state.vscdb").is_file():
            continue
        with database(storage / "state.vscdb") as connection:
            asked = "SELECT value FROM ItemTable WHERE key = 'composer.composerData'"
            for row in rows(connection, Tally(), asked):
                told = parsed(_text(row["value"]), Tally())
                names = [as_text(as_dict(one).get("composerId")) for one in as_list(told.get("allComposers"))]
                names += [as_text(one) for one in as_list(told.get("selectedComposerIds"))]
                found.update(dict.fromkeys(filter(None, names), folder))
    return found


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else as_text(value) or "{}"


def _session(connection: sqlite3.Connection, path: Path, name: str, folder: str, raw: object) -> Iterator[Session]:
    building = Building(Cursor.name, path, Tally())
    building.id, building.cwd = name, folder
    told = parsed(_text(raw), building.tally)
    building.seen(as_time(told.get("createdAt")))
    building.model = as_text(as_dict(told.get("modelConfig")).get("modelName"))
    heads = [as_dict(one) for one in as_list(told.get("fullConversationHeadersOnly"))]
    asked = f"SELECT {short('value')} AS value FROM cursorDiskKV WHERE key = ?"  # noqa: S608 - names of our own
    for head in heads:
        for row in rows(connection, building.tally, asked, f"bubbleId:{name}:{as_text(head.get('bubbleId'))}"):
            _bubble(building, parsed(_text(row["value"]), building.tally))
    for bubble in as_list(told.get("conversation")) if not heads else ():
        _bubble(building, as_dict(bubble))
    building.seen(as_time(told.get("lastUpdatedAt")))
    if session := building.session():
        yield session


def _bubble(building: Building, bubble: dict[str, Any]) -> None:
    at = as_time(bubble.get("createdAt"))
    building.seen(at)
    if bubble.get("type") == _USER:
        if (text := as_text(bubble.get("text"))).strip():
            building.prompt(text, at)
        return
    if bubble.get("type") != _AGENT:
        building.tally.unknown += bool(bubble)
        return
    building.used_model(as_text(as_dict(bubble.get("modelInfo")).get("modelName")) or building.model)
    tokens = as_dict(bubble.get("tokenCount"))
    told = (as_count(tokens.get("inputTokens")), as_count(tokens.get("outputTokens")))
    if any(told):
        building.used(as_text(bubble.get("bubbleId")), SessionUsage(input_tokens=told[0], output_tokens=told[1]))
    if call := as_dict(bubble.get("toolFormerData")):
        _called(building, call, at)


def _called(building: Building, call: dict[str, Any], at: Any) -> None:
    given = {**_object(call.get("params")), **_object(call.get("rawArgs"))}
    made = calls.add(building, as_text(call.get("name")), given, at)
    result, status = as_text(call.get("result")), as_text(call.get("status"))
    refused = as_text(call.get("userDecision")) == "rejected" or status == "cancelled"
    if isinstance(made, Run):
        found = _EXIT.search(result)
        made.exit_code = int(found[1]) if found else None
        building.printed(made, as_text(_object(result).get("output")), at)
        return
    chunks = as_list(as_dict(_object(result).get("diff")).get("chunks"))
    diff = "\n".join(as_text(as_dict(chunk).get("diffString")) for chunk in chunks)
    for edit in made or ():
        if diff and made and len(made) == 1:
            edit.added, edit.removed = edits.of_diff(diff)
        edit.outcome = "rejected" if refused else "failed" if status == "error" else "accepted"


def _object(value: object) -> dict[str, Any]:
    return parsed(value, Tally()) if isinstance(value, str) and value.startswith("{") else as_dict(value)
