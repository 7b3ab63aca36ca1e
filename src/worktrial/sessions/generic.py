"""Sessions in a form of our own, for logs that no reader knows: JSON lines, described in `docs/sessions.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, get_args

from worktrial.formats.session import EditOutcome, Session, SessionUsage
from worktrial.sessions import edits
from worktrial.sessions.building import Building, TurnKind
from worktrial.sessions.edits import Kind, Lines
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import Tally, as_count, as_list, as_text, as_time, lines, opened, parsed

_FOLDER = ".worktrial/sessions"
_SHA = re.compile(r"[0-9a-f]{7,64}")


class Generic:
    """`.worktrial/sessions/*.jsonl` in the repository, and of the same in the home those that name its directory."""

    name = "generic"
    title = "worktrial's own JSON lines"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """All of the repository's own, and those at home whose first session was held in it."""
        places = Places.of(repository)
        own = [path for root in places.roots for path in below(Path(root) / _FOLDER, "*.jsonl")]
        yield from dict.fromkeys(own)
        for path in below(home / _FOLDER, "*.jsonl"):
            if path not in own and places.holds(_cwd(path)):
                yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """A session for each line of type `session`."""
        places = Places.of(repository) if repository else None
        with opened(path) as file:
            for session in self.stream(file, path):
                if places is None or session.cwd is None or places.holds(session.cwd):
                    yield session

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read lines that are open already."""
        tally = Tally()
        building = Building(self.name, log, tally)
        for line in lines(file, tally):
            value = parsed(line, tally)
            if value.get("type") == "session":
                if session := building.session():
                    yield session
                    tally = Tally()
                building = Building(self.name, log, tally)
                _head(building, value)
            elif value:
                _told(building, value)
        if session := building.session():
            yield session


def _cwd(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return as_text(parsed(file.readline(1 << 16), Tally()).get("cwd"))
    except OSError:
        return ""


def _head(building: Building, value: dict[str, Any]) -> None:
    building.id, building.version = as_text(value.get("id")), as_text(value.get("version"))
    building.cwd, building.branch = as_text(value.get("cwd")), as_text(value.get("branch"))
    building.base_commit = as_text(value.get("base_commit"))
    building.parent = as_text(value.get("parent")) or None
    building.checkpoints = tuple(filter(None, map(as_text, as_list(value.get("checkpoints")))))
    building.seen(as_time(value.get("at")))


def _told(building: Building, value: dict[str, Any]) -> None:
    kind, at, text = value.get("type"), as_time(value.get("at")), as_text(value.get("text"))
    building.seen(at)
    if kind == "prompt":
        wanted = as_text(value.get("kind"))
        building.prompt(text, at, wanted if wanted in get_args(TurnKind) else "typed")  # type: ignore[arg-type]
    elif kind == "model":
        building.used_model(as_text(value.get("name")))
    elif kind == "edit":
        _edit(building, value, at)
    elif kind == "command" and text:
        run = building.command(text, at)
        code = value.get("exit_code")
        run.exit_code = code if isinstance(code, int) and not isinstance(code, bool) else None
        building.printed(run, as_text(value.get("output")), at)
    elif kind == "commit" and _SHA.fullmatch(sha := as_text(value.get("sha")).lower()):
        building.commit(sha, "recorded", as_text(value.get("subject")), at)
    elif kind == "usage":
        told = {name: as_count(value.get(name)) for name in SessionUsage.model_fields}
        building.used(as_text(value.get("id")) or f"#{building.requests}", SessionUsage(**told))
    else:
        building.tally.unknown += 1


def _edit(building: Building, value: dict[str, Any], at: Any) -> None:
    path, kind = as_text(value.get("path")), as_text(value.get("kind"))
    if not path:
        building.tally.unknown += 1
        return
    if "diff" in value:
        changed = edits.of_diff(as_text(value.get("diff")))
    elif "old" in value or "new" in value:
        changed = edits.changed(as_text(value.get("old")), as_text(value.get("new")))
    else:
        changed = _lines(value.get("added")), _lines(value.get("removed"))
    made = building.edit(path, kind if kind in get_args(Kind) else "patch", changed, at)  # type: ignore[arg-type]
    outcome = as_text(value.get("outcome"))
    made.outcome = outcome if outcome in get_args(EditOutcome) else "unknown"  # type: ignore[assignment]
    made.model = as_text(value.get("model")) or made.model
    if made.outcome == "changed":
        written = value.get("written")
        made.written = edits.split(written) if isinstance(written, str) else _lines(written)


def _lines(value: object) -> Lines:
    return tuple(as_text(line) for line in as_list(value) if isinstance(line, str))
