"""GitHub Copilot in VS Code: `workspaceStorage/<hash>/GitHub.copilot-chat/transcripts/*.jsonl`.

After its source: the events are those of Copilot CLI, which see. Not yet seen to be read from a real log.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from worktrial.formats.session import Session
from worktrial.sessions import editors
from worktrial.sessions.building import Building
from worktrial.sessions.copilot_cli import events
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import Tally, opened

_TRANSCRIPTS = "GitHub.copilot-chat/transcripts"


class VscodeCopilot:
    """Of each workspace whose folder is the repository's."""

    name = "vscode_copilot"
    title = "Copilot in VS Code"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """By the folder that a workspace's storage names."""
        places = Places.of(repository)
        for _, storage in editors.of(home, places, "Code", "Code - Insiders", "VSCodium"):
            yield from below(storage / _TRANSCRIPTS, "*.jsonl")

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """One session a file."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a log that is open already."""
        building = Building(self.name, log, Tally())
        storage = Path(log).parents[2] if len(Path(log).parents) > 3 else None
        if storage is not None:
            building.cwd = next((at for place, at in editors.workspaces(storage.parents[1]) if place == storage), "")
        yield from events(building, file)
