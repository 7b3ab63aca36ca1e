"""Entire: sessions that a repository itself holds, on the branch `entire/checkpoints/v1`.

A commit's trailer `Entire-Checkpoint: a3b2c4d5e6f7` names the folder `a3/b2c4d5e6f7/`, with a folder of
`metadata.json`, `full.jsonl` (the log as the agent wrote it) and `prompt.txt` for each session. A session that led to
several commits is there several times, each time longer: it is read once, from the last copy there is, and its turns
say which checkpoints hold work of theirs. The agent's name is no guide to the shape of the log; the log itself is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from worktrial.errors import RepositoryError, StorageError
from worktrial.formats.session import Session, Turn
from worktrial.sessions import load
from worktrial.sessions.blobs import Blobs
from worktrial.sessions.claude_code import injected, kind_of
from worktrial.sessions.reading import Tally, as_text, as_time, parsed
from worktrial.store.git import Git, GitError, open_repository

_REF = "entire/checkpoints/v1"
_PLACE = re.compile(r"([0-9a-f]{2})/([0-9a-f]{4,38})/(?:(\d{1,5})/)?(metadata\.json|prompt\.txt|full\.jsonl(?:\.\d+)?)")
_LONGEST_FILE = 16 * 1024 * 1024
"""Bytes of metadata or prompts that are read."""
_BETWEEN = "\n\n---\n\n"
"""Between the prompts of `prompt.txt`."""
_EVENT = rb'"type"\s*:\s*"(?:session_meta|event_msg|response_item|turn_context)"'
_SHAPES = (
    (re.compile(rb'\s*\{\s*"timestamp"\s*:[^{}]*' + _EVENT), "codex"),
    (re.compile(rb'\s*\{\s*"type"\s*:\s*"(?:session\.start|hook\.start|user\.message)"'), "copilot_cli"),
    (re.compile(rb'\s*\{\s*"info"\s*:\s*\{'), "opencode"),
    (
        re.compile(
            rb'\s*\{\s*"(?:sessionId|messages)"\s*:(?!.*"parentUuid")(?=.*"(?:projectHash|messages)")', re.DOTALL
        ),
        "gemini_cli",
    ),
    (re.compile(rb"\s*\{"), "claude_code"),
)
"""What the beginning of a log looks like, by its reader; the first that fits."""


class _Streams(Protocol):
    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]: ...


@dataclass
class _Copy:
    """One session as one checkpoint has it."""

    checkpoint: str
    place: str
    session: str = ""
    branch: str = ""
    model: str = ""
    at: datetime | None = None
    metadata: str = ""
    prompts: str = ""
    logs: dict[str, str] = field(default_factory=dict)
    """Object ids of the parts of the log, by name."""


class Entire:
    """A repository with that branch, its own or fetched."""

    name = "entire"
    title = "Entire"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """The repository itself, when it has checkpoints."""
        try:
            if _refs(open_repository(repository)):
                yield repository
        except RepositoryError:
            return

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """Each session once, in the order in which they were first saved; of one without a log, that it was.

        Raises `StorageError`.
        """
        try:
            git = open_repository(path)
            copies = _copies(git)
        except RepositoryError as error:
            raise StorageError(error.message, cause=error.cause) from error
        with Blobs(git) as blobs:
            for session, saved in _by_session(blobs, copies).items():
                yield from _read(blobs, path, session, saved)


def _refs(git: Git) -> list[str]:
    patterns = (f"refs/heads/{_REF}", f"refs/remotes/*/{_REF}", f"refs/remotes/origin/{_REF}")
    return git.text("for-each-ref", "--format=%(refname)", *patterns).split()


def _copies(git: Git) -> list[_Copy]:
    """Return what the trees of all such refs hold; of a checkpoint in several, what the first has."""
    found: dict[str, _Copy] = {}
    for ref in _refs(git):
        seen = set(found)
        try:
            files = git.tree_files(ref)
        except GitError:  # the tree is lacking: a partial clone, or a shallow one
            continue
        for path, (_, oid) in files.items():
            if (match := _PLACE.fullmatch(path)) is None:
                continue
            checkpoint, name = match[1] + match[2], match[4]
            place = path.rpartition("/")[0]
            if place in seen:
                continue
            copy = found.setdefault(place, _Copy(checkpoint, place))
            if name == "metadata.json":
                copy.metadata = oid
            elif name == "prompt.txt":
                copy.prompts = oid
            else:
                copy.logs[name] = oid
    # The metadata above those of the sessions is of the checkpoint as a whole.
    return [copy for copy in found.values() if copy.logs or copy.prompts or copy.place.count("/") > 1]


def _by_session(blobs: Blobs, copies: list[_Copy]) -> dict[str, list[_Copy]]:
    """Return the copies of each session in the order in which they were saved; one without an id stands alone."""
    found: dict[str, list[_Copy]] = {}
    for copy in copies:
        told = parsed(blobs.content(copy.metadata, _LONGEST_FILE), Tally()) if copy.metadata else {}
        copy.session = as_text(told.get("session_id")) or (copy.place if copy.logs or copy.prompts else "")
        copy.branch, copy.model = as_text(told.get("branch")), as_text(told.get("model"))
        copy.at = as_time(told.get("created_at"))
        if copy.session:  # the checkpoint's own metadata is no session's
            found.setdefault(copy.session, []).append(copy)
    for saved in found.values():
        saved.sort(key=lambda copy: (copy.at is not None, copy.at and copy.at.timestamp(), copy.place))
    return found


def _read(blobs: Blobs, path: Path, name: str, saved: list[_Copy]) -> Iterator[Session]:
    base: Session | None = None
    readable = len(saved)
    while readable and base is None:
        readable -= 1
        base = _transcript(blobs, path, saved[readable])
    lacking = saved[readable + 1 :] if base else saved
    turns = list(base.turns) if base else []
    known = {turn.prompt.strip() for turn in turns}
    for copy in lacking:  # their logs are lacking: the prompts alone are what there is
        for prompt in _prompts(blobs, copy):
            if prompt.strip() not in known:
                known.add(prompt.strip())
                turns.append(Turn(prompt=prompt, at=copy.at, kind=kind_of(prompt)))
    if not turns:
        return
    first, last = saved[0], saved[-1]
    base = base or Session(source="entire", id=name, log=f"{path}:{last.place}")
    yield base.model_copy(
        update={
            "source": "entire",
            "id": name,
            "log": f"{path}:{saved[readable].place}",
            "branch": base.branch or first.branch or None,
            "turns": _dated(turns, saved, last.model),
            "checkpoints": tuple(dict.fromkeys(copy.checkpoint for copy in saved)),
            "torn": base.torn + sum(bool(copy.logs) for copy in lacking),
            "started_at": base.started_at or first.at,
            "ended_at": base.ended_at or last.at,
        }
    )


def _transcript(blobs: Blobs, path: Path, copy: _Copy) -> Session | None:
    """Return the session that a copy's log holds; None when it is lacking, empty or not understood."""
    names = sorted(copy.logs)
    if not names:
        return None
    if len(names) > 1:
        whole = b"".join(blobs.content(copy.logs[one], 1 << 30) for one in names)
        return _sniffed(io.BufferedReader(io.BytesIO(whole)), path, copy)
    with blobs.open(copy.logs[names[0]]) as file:
        return None if file is None else _sniffed(file, path, copy)


def _sniffed(file: io.BufferedReader, path: Path, copy: _Copy) -> Session | None:
    head = file.peek(4096)[:4096]
    reader = next((reader for shape, reader in _SHAPES if shape.match(head)), None)
    if reader is None:
        return None
    streams: _Streams = load(reader)  # type: ignore[assignment]
    return next(iter(streams.stream(file, f"{path}:{copy.place}")), None)


def _prompts(blobs: Blobs, copy: _Copy) -> list[str]:
    text = blobs.content(copy.prompts, _LONGEST_FILE).decode("utf-8", "replace") if copy.prompts else ""
    return [prompt for prompt in text.split(_BETWEEN) if prompt.strip() and not injected(prompt)]


def _dated(turns: list[Turn], saved: list[_Copy], model: str) -> tuple[Turn, ...]:
    """Give each turn the checkpoints that were saved while it went on or next after it, by the times told."""
    found = []
    for turn in turns:
        held: list[str] = []
        before: datetime | None = None
        for copy in saved:
            began, ended = turn.at, turn.ended_at or turn.at
            if copy.at and began and ended and began <= copy.at and (before is None or ended > before):
                held.append(copy.checkpoint)
            before = copy.at or before
        models = turn.models or ((model,) if model and turn.edits else ())
        found.append(turn.model_copy(update={"checkpoints": tuple(dict.fromkeys(held)), "models": models}))
    return tuple(found)
