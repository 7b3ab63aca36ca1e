"""The stage itself: history in, candidates and rejections out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from worktrial.formats.candidate import Candidate, FileChange, Rejection, Removal, Role
from worktrial.formats.redaction import Redaction
from worktrial.languages.protocol import Language
from worktrial.mine.asking import judge_prompt
from worktrial.mine.changes import Blobs, Edit, Missing, Touched, edits, missing_objects, touched_files
from worktrial.mine.clean import clean
from worktrial.mine.filters import Reason, by_lines, by_message, by_paths, by_prompt
from worktrial.mine.history import Commit, History, read_history, reading
from worktrial.mine.landed import Forward, Landed, landed_changes
from worktrial.mine.message import forge_line, request, whole_message
from worktrial.mine.redacting import by_secrets, redact_all
from worktrial.mine.told import Prompts, Telling, Wanted, tell
from worktrial.mine.work import work_of
from worktrial.store.authors import known_names
from worktrial.store.git import Git

Result = TypeVar("Result")

_ID_PREFIX = 7
"""Digits of the shortest abbreviation that git prints of a commit id."""


@dataclass(frozen=True)
class Mined:
    """What a repository's history holds, newest first."""

    head: str
    commits_read: int
    """Every commit that was looked at, those that merges brought included."""
    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]
    telling: Telling | None = None
    """What sessions told; None: none were asked for."""
    redactions: tuple[Redaction, ...] = ()
    """What was replaced in them; empty before `redacting`."""

    def funnel(self) -> dict[str, int]:
        """Return how many changes were turned down for each reason, most frequent first."""
        return dict(Counter(rejection.reason for rejection in self.rejections).most_common())


@dataclass(frozen=True)
class _Change:
    """A landed change as it is compared: `commit` is the branch's own where a merge brought that and nothing else."""

    landed: Landed
    commit: str
    parent: str
    touched: Sequence[Touched] = ()
    roles: Sequence[Role] = ()


@dataclass(frozen=True)
class _Rejected:
    """A change or merge that was turned down."""

    commit: Commit
    id: str
    reason: Reason


def mine(
    git: Git,
    *,
    prefix: str,
    language: Language,
    max_commits: int | None = None,
    since: datetime | None = None,
    wanted: Wanted | None = None,
    redact: bool = True,
    revision: str = "HEAD",
    progress: Callable[[str], None] = lambda _: None,
) -> Mined:
    """Read a repository's history and return what it holds, with what sessions tell of it where they are `wanted`.

    `prefix` begins the candidates' ids; `max_commits` counts commits of the mainline, merges included (None: all).
    `redact` takes secrets and people out of all of it. `revision` is the commit to read from. `progress` is told, in a
    few words, what is being done. Raises `RepositoryError`.
    """
    with reading(git) as view, Blobs(view) as blobs:
        progress("reading commits")
        history = read_history(git, view, max_commits=max_commits, since=since, revision=revision)
        telling = None
        if wanted is not None:
            landed = [item for item in landed_changes(history) if isinstance(item, Landed)]
            telling = tell(git, view, wanted, landed, progress)
        miner = _Miner(view, blobs, history, language, prompts=Prompts(telling, wanted), redact=redact)
        progress(f"comparing {len(history.commits)} commits")
        changes = list(miner.select(since))
        progress(f"reading {len(changes)} changes to source and tests")
        found = list(miner.candidates(changes, prefix))
    mined = Mined(
        head=history.head,
        commits_read=len(history.commits),
        candidates=tuple(sorted(found, key=lambda item: item.landed_at, reverse=True)),
        rejections=tuple(miner.rejections()),
        telling=telling,
    )
    if not redact:
        return mined
    progress("taking out secrets and people")
    candidates, rejections, redactions = redact_all(mined.candidates, mined.rejections, known_names(git))
    return replace(mined, candidates=candidates, rejections=rejections, redactions=redactions)


class _Miner:
    """One reading of one repository: what was turned down so far, and what is known of its paths and commits."""

    def __init__(
        self, view: Git, blobs: Blobs, history: History, language: Language, *, prompts: Prompts, redact: bool
    ) -> None:
        self._view = view
        self._blobs = blobs
        self._history = history
        self._language = language
        self._prompts = prompts
        self._redact = redact
        self._rejected: list[_Rejected] = []
        self._role_of_path: dict[str, Role] = {}
        self._short_ids = {commit[:_ID_PREFIX] for commit in history.commits}

    def rejections(self) -> Iterator[Rejection]:
        """Yield what was turned down, newest first."""
        for item in sorted(self._rejected, key=lambda item: item.commit.committed_at, reverse=True):
            yield Rejection(
                commit=item.id, subject=item.commit.subject, reason=item.reason.name, detail=item.reason.detail
            )

    def select(self, since: datetime | None) -> Iterator[_Change]:
        """Yield the changes that touch source and tests, oldest first, told by paths and messages alone."""
        for change in self._compared(self._comparable(since)):
            roles = [self._role(item) for item in change.touched]
            reason = by_paths(change.touched, roles, self._language.suffixes)
            reason = reason or by_message(request(change.landed), self._is_commit)
            if reason:
                self._reject(change, reason)
            else:
                yield _Change(change.landed, change.commit, change.parent, change.touched, roles)

    def candidates(self, changes: Sequence[_Change], prefix: str) -> Iterator[Candidate]:
        """Yield the changes that stand up to a look at their lines, oldest first."""
        seen: dict[bytes, str] = {}
        for change, found in self._with_lines(changes):
            roles = [self._role(edit.touched) for edit in found]
            reason = by_lines(found, roles, self._blobs.text, self._language)
            reason = reason or (by_secrets(found) if self._redact else None)
            if reason:
                self._reject(change, reason)
                continue
            same = _fingerprint(found, roles)
            if same in seen:
                self._reject(change, Reason("duplicate_change", f"of {seen[same]}"))
                continue
            candidate = self._prompts.over(self._candidate(change, found, roles, prefix), change.landed)
            reason = self._prompts.reason(change.landed) or by_prompt(candidate.prompt)
            if reason is None and candidate.prompt_kind == "message":
                # What a session asked was judged with all that was said there.
                reason = judge_prompt(candidate.prompt, "message")
            if reason:
                self._reject(change, reason)
                continue
            seen[same] = change.commit
            yield candidate

    def _comparable(self, since: datetime | None) -> list[Landed]:
        """Return the changes that have something to be compared with."""
        found = []
        for item in landed_changes(self._history):
            if since is not None and item.commit.committed_at < since:
                continue
            if isinstance(item, Forward):
                reason = Reason("merge_forward", f"of {item.brought} commits")
            elif not item.parent:
                reason = Reason("shallow_boundary" if item.cut else "root_commit")
            else:
                found.append(item)
                continue
            self._rejected.append(_Rejected(item.commit, item.commit.id, reason))
        return found

    def _compared(self, items: Sequence[Landed]) -> Iterator[_Change]:
        """Yield every change with the files it touched; those that cannot be read are turned down."""
        pairs = []
        for item in items:
            pairs.append((item.commit.id, item.parent))
            if item.single:
                pairs.append((item.single.id, item.single.parents[0]))
        lacking = missing_objects(self._view, (commit.tree for commit in self._history.commits.values()))
        results = _skipping(pairs, lambda rest: touched_files(self._view, rest), self._lacks_tree(lacking))
        for item in items:
            touched = next(results)
            own = next(results) if item.single else None
            change = _Change(item, item.commit.id, item.parent)
            if item.single and own is not None and not isinstance(own, Missing) and own == touched:
                change = _Change(item, item.single.id, item.single.parents[0])
            if isinstance(touched, Missing):
                self._reject(change, Reason("missing_objects", touched.cause))
            else:
                yield _Change(item, change.commit, change.parent, touched)

    def _lacks_tree(self, lacking: frozenset[str]) -> Callable[[tuple[str, str]], bool]:
        commits = self._history.commits
        return lambda pair: (
            bool(lacking) and any(commit in commits and commits[commit].tree in lacking for commit in pair)
        )

    def _with_lines(self, changes: Sequence[_Change]) -> Iterator[tuple[_Change, list[Edit]]]:
        """Yield changes with their lines; those whose files were not cloned are turned down."""
        pairs = [(change.commit, change.parent) for change in changes]
        blobs = [_blobs(change.touched) for change in changes]
        lacking = missing_objects(self._view, (oid for oids in blobs for oid in oids))
        short = {pair for pair, oids in zip(pairs, blobs, strict=True) if lacking.intersection(oids)}
        results = _skipping(pairs, lambda rest: edits(self._view, rest), short.__contains__)
        for change, found in zip(changes, results, strict=True):
            if isinstance(found, Missing):
                self._reject(change, Reason("missing_objects", found.cause))
            else:
                yield change, found

    def _candidate(self, change: _Change, found: Sequence[Edit], roles: Sequence[Role], prefix: str) -> Candidate:
        solution = {
            line.decode("utf-8", "replace").strip()
            for edit, role in zip(found, roles, strict=True)
            if role == "source"
            for line in edit.added
        }
        cleaned = clean(request(change.landed), is_commit=self._is_commit, solution=solution)
        landed = change.landed
        line = forge_line(landed)
        dropped = (Removal(kind="reference", text=line),) if line else ()
        files = tuple(_file(edit, role) for edit, role in zip(found, roles, strict=True))
        return Candidate(
            id=f"{prefix}-{change.commit[:10]}",
            commit=change.commit,
            parent=change.parent,
            kind=landed.kind,
            commits=tuple(commit.id for commit in landed.brought) or (landed.commit.id,),
            landed_at=landed.commit.committed_at,
            subject=landed.commit.subject,
            message=whole_message(landed),
            prompt=cleaned.prompt,
            removed=(*dropped, *cleaned.removed),
            language=self._language.name,
            files=files,
            work=work_of(cleaned.prompt, files),
        )

    def _role(self, item: Touched) -> Role:
        """Return what a file is to the task, asking the language once for every path that tells by itself."""
        if item.submodule:
            return "other"
        if (known := self._role_of_path.get(item.path)) is not None:
            return known
        asked = False

        def content() -> str | None:
            nonlocal asked
            asked = True
            return self._blobs.text(item.new or item.old)

        role = self._language.role(item.path, content)
        if not asked:
            self._role_of_path[item.path] = role
        return role

    def _is_commit(self, word: str) -> bool:
        """Tell whether a hexadecimal word is, or begins, the id of a commit that was read."""
        if word[:_ID_PREFIX] not in self._short_ids:
            return False
        return any(commit.startswith(word) for commit in self._history.commits)

    def _reject(self, change: _Change, reason: Reason) -> None:
        self._rejected.append(_Rejected(change.landed.commit, change.commit, reason))


def _skipping(
    pairs: Sequence[tuple[str, str]],
    compare: Callable[[Sequence[tuple[str, str]]], Iterator[Result | Missing]],
    lacks: Callable[[tuple[str, str]], bool],
) -> Iterator[Result | Missing]:
    """Yield `compare`'s results for `pairs`, without asking it for those that are known to lack objects."""
    results = compare([pair for pair in pairs if not lacks(pair)])
    for pair in pairs:
        yield Missing("not in this clone") if lacks(pair) else next(results)


def _blobs(touched: Iterable[Touched]) -> tuple[str, ...]:
    """Return the ids of every file version that a change needs."""
    return tuple(oid for item in touched if not item.submodule for oid in (item.old, item.new) if oid is not None)


def _file(edit: Edit, role: Role) -> FileChange:
    """Return a file of a change as it is stored."""
    return FileChange.model_validate(
        {
            "path": edit.touched.path,
            "old_path": edit.touched.old_path,
            "status": edit.touched.status,
            "role": role,
            "added": None if edit.binary else len(edit.added),
            "removed": None if edit.binary else len(edit.removed),
        }
    )


def _fingerprint(found: Sequence[Edit], roles: Sequence[Role]) -> bytes:
    """Return a hash of what a change does to source and tests, wherever in its files: equal for a cherry-pick."""
    total = hashlib.sha256()
    for edit, role in sorted(zip(found, roles, strict=True), key=lambda item: item[0].touched.path):
        if role in ("source", "test"):
            lines = [b"-" + line for line in edit.removed] + [b"+" + line for line in edit.added]
            end = (edit.touched.new or "").encode() if edit.binary else b""
            total.update(
                b"\n".join([edit.touched.path.encode(), end, *(b"".join(line.split()) for line in lines), b"\0"])
            )
    return total.digest()
