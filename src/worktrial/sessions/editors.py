"""Where VS Code and editors made from it keep what they store for a folder that is open in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import Tally, as_text, parsed

_ABOVE = (".config", "Library/Application Support", "AppData/Roaming")
_SERVERS = (".vscode-server/data/User", ".vscode-server-insiders/data/User", ".cursor-server/data/User")


def user_folders(home: Path, *products: str) -> Iterator[Path]:
    """Yield the `User` folders there are of some products, on this machine or as servers of an editor elsewhere."""
    for above in _ABOVE:
        for product in products:
            if (home / above / product / "User").is_dir():
                yield home / above / product / "User"
    for server in _SERVERS:
        own = "Cursor" in products if server.startswith(".cursor") else "Code" in products
        if own and (home / server).is_dir():
            yield home / server


def workspaces(user: Path) -> Iterator[tuple[Path, str]]:
    """Yield the storage of each workspace and the folder that it is of."""
    for path in below(user / "workspaceStorage", "*/workspace.json"):
        try:
            told = parsed(path.read_bytes(), Tally())
        except OSError:
            continue
        if folder := as_text(told.get("folder")):
            yield path.parent, _path(folder)


def _path(uri: str) -> str:
    """Return the path of a folder's address; of a remote one its path there."""
    _, mark, rest = uri.partition("://")
    return unquote("/" + rest.partition("/")[2]) if mark else uri


def of(home: Path, places: Places, *products: str) -> Iterator[tuple[Path, Path]]:
    """Yield the `User` folder and the storage of each workspace that is of a repository."""
    for user in user_folders(home, *products):
        for storage, folder in workspaces(user):
            if places.holds(folder):
                yield user, storage
