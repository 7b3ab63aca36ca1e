"""Following a commit to where it landed, when it did not land as it was: rebased, picked, amended or squashed.

By its content alone: a patch id (`git patch-id --stable`) survives a rebase and a cherry-pick, the author's date
survives an amendment, and lines survive a squash.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worktrial.mine.changes import Edit, Missing, Touched, edits, touched_files
from worktrial.mine.known import Known
from worktrial.mine.landed import Landed
from worktrial.mine.proposals import Line, landed_lines, name_of, tells
from worktrial.store.git import Git, GitError

LEAST_CONTAINED = 0.6
"""Share of a commit's lines that a squash must hold."""
LEAST_AMENDED = 0.3
"""Share of a commit's lines that an amended one, known by author and date, must still hold."""
LONGEST = timedelta(days=90)
"""How long after it was made a commit may land."""
_CLOCKS = timedelta(hours=1)
_MOST_COMPARED = 6


@dataclass(frozen=True)
class Followed:
    """Where a commit landed."""

    change: str
    """Id of the landed change's commit."""
    how: str
    """For people."""
    sure: float
    """0..1."""


@dataclass(frozen=True)
class _Target:
    """A landed change as it is compared."""

    landed: Landed
    paths: frozenset[str]
    authored_at: datetime
    author: str


class Follower:
    """The landed changes of a repository, by patch id, author, and files."""

    def __init__(self, view: Git, changes: Sequence[Landed], commits: Mapping[str, Known]) -> None:
        self._view = view
        self._targets: dict[str, _Target] = {}
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._lines: dict[str, list[Line] | None] = {}
        items = [item for item in changes if item.parent]
        for item, touched in zip(items, touched_files(view, _pairs(items)), strict=True):
            if isinstance(touched, Missing):
                continue
            known = commits.get(item.commit.id)
            target = _Target(
                item,
                _paths(touched),
                known.authored_at if known else item.commit.committed_at,
                known.author if known else "",
            )
            self._targets[item.commit.id] = target
            for path in target.paths:
                self._by_path[path].append(item.commit.id)

    def follow(self, commits: Sequence[Known]) -> dict[str, Followed]:
        """Return where each of `commits` landed, by id; what cannot be found is left out."""
        plain = [commit for commit in commits if len(commit.parents) == 1]
        found = self._by_patch(plain)
        rest = [commit for commit in plain if commit.id not in found]
        for commit, own in zip(rest, edits(self._view, [(one.id, one.parents[0]) for one in rest]), strict=True):
            if not isinstance(own, Missing) and (followed := self._by_lines(commit, own)) is not None:
                found[commit.id] = followed
        return found

    def names(self, change: str) -> frozenset[str]:
        """Return the names, without folders, of the files that a change touched."""
        target = self._targets.get(change)
        return frozenset(name_of(path) for path in target.paths) if target else frozenset()

    def _by_patch(self, commits: Sequence[Known]) -> dict[str, Followed]:
        """Return the commits whose patch is that of a change."""
        paths = {}
        for commit, touched in zip(
            commits, touched_files(self._view, [(one.id, one.parents[0]) for one in commits]), strict=True
        ):
            if not isinstance(touched, Missing):
                paths[commit.id] = _paths(touched)
        wanted = set(paths.values())
        alike = [target for target in self._targets.values() if target.paths in wanted]
        pairs = [(one.landed.commit.id, one.landed.parent) for one in alike]
        change_of = {patch: commit for commit, patch in patch_ids(self._view, pairs).items()}
        pairs = [(one.id, one.parents[0]) for one in commits if one.id in paths]
        return {
            commit: Followed(change_of[patch], f"as {change_of[patch][:10]}, with the same patch id", 0.98)
            for commit, patch in patch_ids(self._view, pairs).items()
            if patch in change_of
        }

    def _by_lines(self, commit: Known, own: Sequence[Edit]) -> Followed | None:
        """Return the change that holds most of a commit's lines, or None."""
        lines = {(line.path, line.text) for line in landed_lines(own) if tells(line.text)}
        if not lines:
            return None
        best = None
        for target in self._near(commit, {path for path, _ in lines}):
            amended = target.authored_at == commit.authored_at and target.author == commit.author
            share = len(lines & self._known_lines(target)) / len(lines)
            if share < (LEAST_AMENDED if amended else LEAST_CONTAINED):
                continue
            how = "amended or rebased" if amended else "squashed"
            named = bool(commit.subject) and commit.subject in target.landed.commit.message
            sure = 0.95 if amended else (0.92 if named else 0.85) * share
            if best is None or sure > best.sure:
                text = f"{how} into {target.landed.commit.id[:10]}, which holds {share:.0%} of its lines"
                best = Followed(target.landed.commit.id, text, round(sure, 3))
        return best

    def _near(self, commit: Known, paths: Iterable[str]) -> list[_Target]:
        """Return the few changes that touch most of `paths` and landed after a commit was made, the likeliest first."""
        common: Counter[str] = Counter()
        for path in paths:
            common.update(self._by_path.get(path, ()))
        near = []
        for change, count in common.items():
            target = self._targets[change]
            waited = target.landed.commit.committed_at - commit.authored_at
            if -_CLOCKS <= waited <= LONGEST and change != commit.id:
                amended = target.authored_at == commit.authored_at and target.author == commit.author
                near.append((amended, count, -abs(waited.total_seconds()), target))
        near.sort(key=lambda item: item[:3], reverse=True)
        return [item[3] for item in near[:_MOST_COMPARED]]

    def _known_lines(self, target: _Target) -> set[tuple[str, str]]:
        """Return the lines of a change."""
        key = target.landed.commit.id
        if key not in self._lines:
            [found] = edits(self._view, [(key, target.landed.parent)])
            self._lines[key] = None if isinstance(found, Missing) else landed_lines(found)
        return {(line.path, line.text) for line in self._lines[key] or ()}


def patch_ids(view: Git, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the stable patch id of each (commit, parent), by commit; changes without any line have none."""
    if not pairs:
        return {}
    asked = "".join(f"{commit} {parent}\n" for commit, parent in pairs).encode()
    try:
        patches = view.run(
            "diff-tree", "--stdin", "-p", "-r", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames",
            data=asked,
        )  # fmt: skip
    except GitError:
        if len(pairs) == 1:
            return {}
        half = len(pairs) // 2  # one of them lacks objects
        return patch_ids(view, pairs[:half]) | patch_ids(view, pairs[half:])
    printed = view.run("patch-id", "--stable", data=patches).decode("ascii", "replace")
    lines = (line.split(" ") for line in printed.splitlines())
    return {line[1]: line[0] for line in lines if len(line) == 2}


def _pairs(changes: Iterable[Landed]) -> list[tuple[str, str]]:
    return [(item.commit.id, item.parent) for item in changes]


def _paths(touched: Iterable[Touched]) -> frozenset[str]:
    return frozenset(item.path for item in touched)
