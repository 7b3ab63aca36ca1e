"""What is written on a commit about the sessions that made it: trailers, co-authors, git notes, Agent Trace records."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worktrial.mine.known import Known
from worktrial.store.git import Git, GitError

_CHECKPOINT = re.compile(r"^[ \t]*Entire-Checkpoint:[ \t]*([0-9a-f]{6,40})\b", re.MULTILINE | re.IGNORECASE)
_STATED = re.compile(r"^[ \t]*Entire-Attribution:[ \t]*(\d+(?:\.\d+)?)%", re.MULTILINE | re.IGNORECASE)
_STATED_LINES = re.compile(r"^[ \t]*Entire-Attribution:.*\((\d+)/(\d+) lines?\)", re.MULTILINE | re.IGNORECASE)
_COAUTHOR = re.compile(r"^[ \t]*Co-authored-by:[ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
_AIDER = re.compile(r"\baider \((?P<model>[^()]+)\)", re.IGNORECASE)
_CLAUDE = re.compile(r"\b(claude (?:opus|sonnet|haiku)[\w .-]*?)\s*(?:\(|<|$)", re.IGNORECASE)
_TOOLS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("aider", re.compile(r"aider@aider\.chat|\(aider\)", re.IGNORECASE)),
    ("claude_code", re.compile(r"noreply@anthropic\.com", re.IGNORECASE)),
    ("codex", re.compile(r"noreply@openai\.com|codex@openai\.com", re.IGNORECASE)),
    ("cursor", re.compile(r"cursoragent@cursor\.com", re.IGNORECASE)),
    ("copilot", re.compile(r"\+Copilot@users\.noreply\.github\.com|copilot-swe-agent\[bot\]", re.IGNORECASE)),
    ("devin", re.compile(r"devin-ai-integration\[bot\]", re.IGNORECASE)),
    ("opencode", re.compile(r"noreply@opencode\.ai", re.IGNORECASE)),
    ("openhands", re.compile(r"openhands@all-hands\.dev", re.IGNORECASE)),
    ("gemini_cli", re.compile(r"gemini-cli|gemini-code-assist\[bot\]", re.IGNORECASE)),
)
_NOTES = ("refs/notes/ai", "refs/notes/agent-trace")
_TRACES = re.compile(r"(?:^|/)\.agent-trace/[^/]+\.jsonl?$")
_MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Marks:
    """What one commit says, or a record beside it."""

    checkpoints: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    """Names of readers whose tool is author or co-author."""
    models: tuple[str, ...] = ()
    stated_share: float | None = None
    """0..1; None: nothing is said."""


@dataclass(frozen=True)
class Noted:
    """A record beside a commit that names sessions by the tools' own ids."""

    sessions: tuple[str, ...]
    models: tuple[str, ...] = ()
    agent_lines: int = 0
    """Lines the record gives to agents."""
    human_lines: int = 0
    """Lines it gives to people by name; those it does not speak of are a person's too."""


def marks_of(commit: Known) -> Marks:
    """Return what a commit's message and author say."""
    text = commit.message
    authors = [commit.author, *_COAUTHOR.findall(text)]
    tools = [name for author in authors for name, pattern in _TOOLS if pattern.search(author)]
    models = [found["model"] for author in authors if (found := _AIDER.search(author))]
    models += [found[1].strip() for author in authors if "anthropic" in author and (found := _CLAUDE.search(author))]
    return Marks(
        checkpoints=tuple(dict.fromkeys(found.lower() for found in _CHECKPOINT.findall(text))),
        tools=tuple(dict.fromkeys(tools)),
        models=tuple(dict.fromkeys(models)),
        stated_share=_stated(text),
    )


def _stated(text: str) -> float | None:
    """Return the share that `Entire-Attribution` states; of several, as a squash has them, by their lines."""
    lines = [(int(part), int(whole)) for part, whole in _STATED_LINES.findall(text)]
    if whole := sum(of for _, of in lines):
        return min(1.0, sum(part for part, _ in lines) / whole)
    shares = [float(found) / 100 for found in _STATED.findall(text)]
    return min(1.0, sum(shares) / len(shares)) if shares else None


# -- records beside commits --


def notes(git: Git, view: Git) -> dict[str, Noted]:
    """Return what git-ai's notes say, by commit; a note that cannot be read is left out."""
    listed: dict[str, str] = {}
    try:
        for line in git.text("notes", f"--ref={_NOTES[0]}", "list").splitlines():
            blob, _, commit = line.partition(" ")
            listed[commit] = blob
    except GitError:
        return {}
    texts = _texts(view, listed.values())
    found = {commit: parse_note(texts[blob]) for commit, blob in listed.items() if blob in texts}
    return {commit: note for commit, note in found.items() if note is not None}


def parse_note(text: str) -> Noted | None:
    """Return what a git-ai authorship log says, versions 3.0.0 and before; None when it is none."""
    head, cut, tail = text.partition("\n---\n")
    if not cut and text.startswith("---\n"):
        head, tail = "", text[4:]
    try:
        data = json.loads(tail or head)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    sessions: list[str] = []
    models: list[str] = []
    for entry in (*_values(data.get("sessions")), *_values(data.get("prompts"))):
        agent = entry.get("agent_id")
        if isinstance(agent, dict):
            sessions += [agent["id"]] if isinstance(agent.get("id"), str) else []
            models += [agent["model"]] if isinstance(agent.get("model"), str) else []
    agents, people = _attested(head)
    return Noted(tuple(dict.fromkeys(sessions)), tuple(dict.fromkeys(models)), agents, people)


def _values(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield from (item for item in value.values() if isinstance(item, dict))


def _attested(head: str) -> tuple[int, int]:
    """Return how many lines the entries of an authorship log give to agents and to people."""
    agents = people = 0
    for line in head.splitlines():
        if not line.startswith("  "):
            continue
        who, _, ranges = line.strip().partition(" ")
        count = sum(_length(part) for part in ranges.split(","))
        if who.startswith("h_"):
            people += count
        else:
            agents += count
    return agents, people


def _length(part: str) -> int:
    """Return how many lines `15-20` or `7` names."""
    found = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
    return max(0, int(found[2] or found[1]) - int(found[1]) + 1) if found else 0


def traces(git: Git, view: Git) -> dict[str, Noted]:
    """Return what Agent Trace records say, by commit: those in `.agent-trace/` of HEAD and those in its notes."""
    blobs = [oid for path, (_, oid) in view.tree_files(git.text("rev-parse", "HEAD^{tree}")).items()
             if _TRACES.search(path)]  # fmt: skip
    with contextlib.suppress(GitError):  # no such notes
        blobs += [line.split(" ")[0] for line in git.text("notes", f"--ref={_NOTES[1]}", "list").splitlines()]
    found: dict[str, Noted] = {}
    for text in _texts(view, blobs).values():
        for record in _records(text):
            commit, noted = parse_trace(record)
            if commit:
                found[commit] = _both(found[commit], noted) if commit in found else noted
    return found


def parse_trace(record: Mapping[str, Any]) -> tuple[str, Noted]:
    """Return the commit an Agent Trace record is of (empty: none is named) and what it says."""
    vcs = record.get("vcs")
    revision = vcs.get("revision") if isinstance(vcs, dict) else None
    sessions: list[str] = []
    models: list[str] = []
    agents = people = 0
    for file in _list(record.get("files")):
        for conversation in _list(file.get("conversations")):
            named = [conversation.get("id"), conversation.get("url")]
            sessions += [name for name in named if isinstance(name, str)]
            who = conversation.get("contributor")
            who = who if isinstance(who, dict) else {}
            models += [who["model_id"]] if isinstance(who.get("model_id"), str) else []
            count = sum(_span(item) for item in _list(conversation.get("ranges")))
            agents += 0 if who.get("type") == "human" else count
            people += count if who.get("type") == "human" else 0
    noted = Noted(tuple(dict.fromkeys(sessions)), tuple(dict.fromkeys(models)), agents, people)
    return (revision.lower() if isinstance(revision, str) else ""), noted


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _span(item: Mapping[str, Any]) -> int:
    first, last = item.get("start_line"), item.get("end_line")
    return max(0, last - first + 1) if isinstance(first, int) and isinstance(last, int) else 0


def _records(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file: one in all, or one a line; what is neither is left out."""
    for part in (text,) if text.lstrip().startswith("{\n") else text.splitlines():
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _both(one: Noted, other: Noted) -> Noted:
    return Noted(
        tuple(dict.fromkeys(one.sessions + other.sessions)),
        tuple(dict.fromkeys(one.models + other.models)),
        one.agent_lines + other.agent_lines,
        one.human_lines + other.human_lines,
    )


def checkpoint_shares(git: Git, view: Git) -> dict[str, float]:
    """Return the AI share that Entire's checkpoints state of the commits they were made for, 0..1, by checkpoint."""
    shares: dict[str, list[tuple[int, int]]] = {}
    for ref in git.text("for-each-ref", "--format=%(refname)").splitlines():
        if not re.search(r"(?:^|/)entire/checkpoints/", ref):
            continue
        files = {oid: path for path, (_, oid) in view.tree_files(git.text("rev-parse", f"{ref}^{{tree}}")).items()
                 if re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]+/\d+/metadata\.json", path)}  # fmt: skip
        for oid, text in _texts(view, files).items():
            first, rest, *_ = files[oid].split("/")
            try:
                said = json.loads(text).get("initial_attribution") or {}
                part, whole = int(said["agent_lines"]), int(said["total_committed"])
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
            if whole > 0:
                shares.setdefault(first + rest, []).append((part, whole))
    # Each session of a checkpoint states the whole commit's share anew; the first was made with all the agent's edits.
    return {name: min(1.0, max(part / whole for part, whole in said)) for name, said in shares.items()}


def _texts(view: Git, blobs: Iterable[str]) -> dict[str, str]:
    """Return the texts of those blobs that are here and not huge, read by one git."""
    wanted = list(dict.fromkeys(blobs))
    if not wanted:
        return {}
    sizes = view.run("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)",
                     data="".join(f"{oid}\n" for oid in wanted).encode()).decode().splitlines()  # fmt: skip
    small = [parts[0] for parts in (line.split(" ") for line in sizes)
             if parts[1:2] == ["blob"] and int(parts[2]) <= _MOST_BYTES]  # fmt: skip
    printed = view.run("cat-file", "--batch", data="".join(f"{oid}\n" for oid in small).encode())
    found, at = {}, 0
    for oid in small:
        end = printed.index(b"\n", at)
        size = int(printed[at:end].rsplit(b" ", 1)[1])
        found[oid] = printed[end + 1 : end + 1 + size].decode("utf-8", "replace")
        at = end + 2 + size
    return found
