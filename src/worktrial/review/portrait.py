"""The work a suite came from, in figures: every change that mining read, the candidates, and the tasks among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from worktrial.errors import WorktrialError
from worktrial.formats.candidate import Candidate
from worktrial.languages import DEFAULT, load
from worktrial.languages.protocol import Language
from worktrial.store.git import Git, open_repository
from worktrial.store.suite import Suite

_LANGUAGES = {
    "py": "Python", "pyi": "Python", "pyx": "Cython", "js": "JavaScript", "mjs": "JavaScript", "cjs": "JavaScript",
    "jsx": "JavaScript", "ts": "TypeScript", "tsx": "TypeScript", "go": "Go", "rs": "Rust", "java": "Java",
    "kt": "Kotlin", "c": "C", "h": "C", "cc": "C++", "cpp": "C++", "hpp": "C++", "cs": "C#", "rb": "Ruby", "php": "PHP",
    "swift": "Swift", "sh": "Shell", "sql": "SQL", "css": "CSS", "html": "HTML", "md": "documentation",
    "rst": "documentation", "txt": "documentation", "adoc": "documentation", "toml": "settings", "yml": "settings",
    "yaml": "settings", "cfg": "settings", "ini": "settings", "json": "settings", "lock": "settings",
}  # fmt: skip
"""By the end of a file's name."""
_COMMIT = re.compile(r"\x01([0-9a-f]{40})\x02(\d+)\x02([^\x02]*)\x02\n?")
_RENAME = re.compile(r"\{[^{}]* => ([^{}]*)\}")
GONE = "no longer there"
"""The place of changes to files that the head does not have."""
_DEPTH = 3
"""Folders deep that a place is named."""


@dataclass(frozen=True)
class Facts:
    """One landed change."""

    id: str
    language: str
    place: str
    """File or folder with most of the changed lines, tests and documentation left out where anything else is."""
    lines: int
    """Added and removed, all files."""
    files: int
    landed_at: datetime
    words: int
    """Of the prompt; of the commit message where it never became one."""
    kind: str | None = None
    """None: not classified."""
    ai_share: float | None = None
    """None: unknown."""


@dataclass(frozen=True)
class Portrait:
    """A suite and all the work it came from; tasks are among the candidates, those among everything."""

    tasks: list[Facts]
    candidates: list[Facts]
    everything: list[Facts]
    """Without merges that only carry other work along."""
    reasons: dict[str, int]
    """Why changes were turned down by mining, most frequent first."""
    refused: dict[str, int]
    """Why candidates were turned down by validation."""
    undecided: int
    """Candidates that were not validated."""
    problem: str = ""
    """Why `everything` is no more than the candidates; empty when all is well."""


def portrait(suite: Suite) -> Portrait:
    """Return the figures of a suite. Raises `FormatError` for a torn suite."""
    candidates = list(suite.candidates)
    language = load(candidates[0].language if candidates else DEFAULT)
    facts = {one.id: _of_candidate(one) for one in candidates}
    tasks = set(suite.task_ids())
    rejections = list(suite.rejections)
    known = {one.commit for one in candidates}
    others, problem = [], ""
    try:
        git = open_repository(Path(suite.info().repository))
        wanted = [one.commit for one in rejections if one.commit not in known]
        there = _places(git, suite.info().head)
        others = [_placed(one, there) for one in _commits(git, wanted, language)]
        facts = {name: _placed(one, there) for name, one in facts.items()}
    except WorktrialError as error:
        problem = f"the repository can't be read: {error.message}"
    decisions = [suite.decision(one.id) for one in candidates if one.id not in tasks]
    return Portrait(
        tasks=[one for name, one in facts.items() if name in tasks],
        candidates=list(facts.values()),
        everything=[*facts.values(), *others],
        reasons=dict(Counter(one.reason for one in rejections).most_common()),
        refused=dict(Counter(one.reason for one in decisions if one is not None and not one.accepted).most_common()),
        undecided=sum(one is None for one in decisions),
        problem=problem,
    )


def _places(git: Git, head: str) -> set[str]:
    """Return every place that the head has."""
    return {_place([(path, 1)]) for path in git.tree_files(head)}


def _placed(one: Facts, there: set[str]) -> Facts:
    """Return a change whose place, if the head no longer has it, is called gone."""
    return one if one.place in there else replace(one, place=GONE)


def _of_candidate(candidate: Candidate) -> Facts:
    changes = [(one.path, (one.added or 0) + (one.removed or 0)) for one in candidate.files]
    own = [(one.path, (one.added or 0) + (one.removed or 0)) for one in candidate.files if one.role == "source"]
    return Facts(
        id=candidate.id,
        language=_language(own or changes),
        place=_place(own or changes),
        lines=sum(lines for _, lines in changes),
        files=len(changes),
        landed_at=candidate.landed_at,
        words=len(candidate.prompt.split()),
        kind=candidate.work.kind if candidate.work is not None else None,
        ai_share=candidate.provenance.ai_share if candidate.provenance is not None else None,
    )


def _commits(git: Git, commits: list[str], language: Language) -> Iterator[Facts]:
    """Yield the facts of commits that changed any file."""
    if not commits:
        return
    text = git.run(
        *("log", "--no-walk=unsorted", "--stdin", "--numstat", "-M", "--no-ext-diff", "--no-textconv"),
        *("--encoding=UTF-8", "--format=%x01%H%x02%ct%x02%B%x02"),
        data="".join(f"{commit}\n" for commit in commits).encode(),
    ).decode("utf-8", "replace")
    starts = list(_COMMIT.finditer(text))
    for at, start in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(text)
        changes = list(_numstat(text[start.end() : end]))
        if changes:
            own = [one for one in changes if language.role(one[0], lambda: None) == "source"]
            yield Facts(
                id=start[1],
                language=_language(own or changes),
                place=_place(own or changes),
                lines=sum(lines for _, lines in changes),
                files=len(changes),
                landed_at=datetime.fromtimestamp(min(int(start[2]), 253_402_300_799), UTC),
                words=len(start[3].split()),
            )


def _numstat(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        added, _, rest = line.partition("\t")
        removed, _, path = rest.partition("\t")
        if path and (added.isdigit() or added == "-"):
            path = _RENAME.sub(r"\1", path).replace("//", "/").rpartition(" => ")[2]
            yield path.strip('"'), sum(int(number) for number in (added, removed) if number.isdigit())


def _language(changes: Iterable[tuple[str, int]]) -> str:
    """Return the language with most changed lines."""
    found: Counter[str] = Counter()
    for path, lines in changes:
        found[_LANGUAGES.get(PurePosixPath(path).suffix[1:].lower(), "other")] += lines + 1
    return max(sorted(found), key=lambda name: found[name]) if found else "other"


def _place(changes: Iterable[tuple[str, int]]) -> str:
    found: Counter[str] = Counter()
    for path, lines in changes:
        parts = PurePosixPath(path).parts
        found["/".join(parts[:_DEPTH]) + ("/" if len(parts) > _DEPTH else "")] += lines + 1
    return max(sorted(found), key=lambda name: found[name]) if found else ""
