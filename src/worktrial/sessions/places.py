"""Which logs concern a repository: by the working directory that they name."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Places:
    """Where a repository's work is done: its folder, as given and as resolved, and its further work trees."""

    roots: tuple[PurePosixPath, ...]

    @classmethod
    def of(cls, repository: Path) -> Places:
        """Return the places of a repository, which may be a folder inside one."""
        given = repository.absolute()
        roots = [given, given.resolve()]
        for folder in (given.resolve(), *given.resolve().parents):
            if (folder / ".git").exists():
                roots += [folder, *_work_trees(folder / ".git")]
                break
        else:
            if (given / "worktrees").is_dir():
                roots += _work_trees(given)
        return cls(tuple(dict.fromkeys(PurePosixPath(root) for root in roots)))

    def holds(self, cwd: str) -> bool:
        """Whether work in a directory is work on this repository: below it, and not in another one within it."""
        if not cwd.startswith("/") or "\0" in cwd:
            return False
        place = PurePosixPath(os.path.normpath(cwd))
        root = max(
            (root for root in self.roots if place.is_relative_to(root)), key=lambda one: len(one.parts), default=None
        )
        if root is None:
            return False
        inner = place
        while inner != root:
            with contextlib.suppress(OSError):
                if (Path(inner) / ".git").exists():
                    return False
            inner = inner.parent
        return True


def _work_trees(git: Path) -> list[Path]:
    """Return the folders of all work trees that share a git directory; `git` may be the file that names it."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        if git.is_file():
            named = git.read_text("utf-8", "replace").removeprefix("gitdir:").strip()
            own = (git.parent / named).resolve()
            if own.parent.name != "worktrees":
                return []
            git = own.parent.parent
            found.append(git.parent)
        for entry in sorted((git / "worktrees").iterdir()):
            with contextlib.suppress(OSError, ValueError):
                found.append(Path((entry / "gitdir").read_text("utf-8", "replace").strip()).parent)
    return found


def folder_of(home: Path, variable: str, *default: str) -> list[Path]:
    """Return where a tool keeps its logs: below `home`, or where a variable says when that is the user's own home."""
    found = [home.joinpath(*default)]
    if os.environ.get(variable) and home.resolve() == Path.home().resolve():
        found.insert(0, Path(os.environ[variable]))
    return found


def below(folder: Path, *patterns: str) -> list[Path]:
    """Return the files below a folder that match any of some globs, sorted; none where it cannot be read."""
    found: set[Path] = set()
    with contextlib.suppress(OSError):
        for pattern in patterns:
            found.update(path for path in folder.glob(pattern) if path.is_file())
    return sorted(found)
