"""Gemini CLI: `~/.gemini/tmp/<project>/chats/session-*.jsonl`, before 0.30 or so one JSON document of the same.

Seen: 0.61 by running it. A message is written anew, under its id, whenever something comes to it, and lines with
`$set` change the head: the last of each is what counts, so messages are held, slimmed of what tools gave, to the end.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from worktrial.formats.session import Session, SessionUsage
from worktrial.sessions import calls, edits
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.places import Places, below
from worktrial.sessions.reading import (
    LONGEST_LINE,
    Tally,
    as_count,
    as_dict,
    as_list,
    as_text,
    as_time,
    ends,
    lines,
    opened,
    parsed,
)

_INJECTED = ("<session_context>", "This is the Gemini CLI.", "<state_snapshot>", "<hook_context>", "System: ")
_REFERENCED = "--- Content from referenced files ---"
_WRAPPED = re.compile(r"<untrusted_context>\n(?:Output: )?(.*?)(?:\n</untrusted_context>\s*)?", re.DOTALL)
_EXIT = re.compile(r"^(?:Exit Code|Exit code): (-?\d{1,4})$", re.MULTILINE)
_IDLE = frozenset({"info", "error", "warning", "about", "quit", "compression", "help", "stats"})


class GeminiCli:
    """`~/.gemini/tmp`; which folder belongs to which project is in `~/.gemini/projects.json`, or hashed."""

    name = "gemini_cli"
    title = "Gemini CLI"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """By the project's folder."""
        places = Places.of(repository)
        hashed = {sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest() for root in places.roots}
        for path in below(home / ".gemini/tmp", "*/chats/session-*.json", "*/chats/session-*.jsonl"):
            project = path.parent.parent
            if project.name in hashed or places.holds(_cwd(project)):
                yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """One session a file."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a log that is open already."""
        tally = Tally()
        building = Building(self.name, log, tally)
        building.cwd = _cwd(Path(log).parent.parent) if isinstance(log, Path) else ""
        head: dict[str, Any] = {}
        messages: dict[str, dict[str, Any]] = {}
        for value in _values(file, tally):
            _take(value, head, messages)
        building.id = as_text(head.get("sessionId"))
        building.seen(as_time(head.get("startTime")))
        if head.get("kind") == "subagent":
            building.parent = as_text(head.get("parentSessionId")) or building.id
        asked: set[str] = set()
        for message in messages.values():
            _told(building, message, asked)
        if session := building.session():
            yield session


def _cwd(project: Path) -> str:
    """Return the directory of a project's folder; empty when nothing tells."""
    try:
        return (project / ".project_root").read_text("utf-8", "replace").strip()
    except OSError:
        pass
    try:
        raw = (project.parent.parent / "projects.json").read_bytes()
    except OSError:
        return ""
    known = as_dict(parsed(raw, Tally()).get("projects"))
    return next((path for path, name in known.items() if name == project.name), "")


def _values(file: IO[bytes], tally: Tally) -> Iterator[dict[str, Any]]:
    """Yield the objects of a log, whether it is lines or one document over many."""
    source = lines(file, tally)
    first = next(source, b"")
    if first.strip() == b"{":
        whole = first + file.read(LONGEST_LINE)
        yield parsed(whole, tally)
        return
    for line in itertools.chain([first] if first else [], source):
        yield parsed(line, tally)


def _take(value: dict[str, Any], head: dict[str, Any], messages: dict[str, dict[str, Any]]) -> None:
    alone = "$set" not in value
    if not alone:
        value = as_dict(value["$set"])
    elif "$rewindTo" in value:
        known = list(messages)
        rewound = as_text(value["$rewindTo"])
        for key in known[known.index(rewound) :] if rewound in messages else ():
            del messages[key]
        return
    elif "type" in value:
        value = {"messages": [value]}
    for message in map(as_dict, as_list(value.pop("messages", None))):
        key = as_text(message.get("id")) or f"#{len(messages)}"
        # When a chat is resumed, what was said is set anew without its tool calls and with ids of others.
        if alone or key not in messages or message.get("toolCalls"):
            messages[key] = _slim(message)
    head.update(value)


def _slim(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without what its tools gave, but for the ends of what commands printed."""
    called = []
    for call in map(as_dict, as_list(message.get("toolCalls"))):
        shown = as_dict(call.get("resultDisplay"))
        slim = {name: call.get(name) for name in ("id", "name", "args", "status", "timestamp")}
        slim["display"] = {name: shown.get(name) for name in ("fileDiff", "diffStat") if shown.get(name)}
        slim["output"] = ends(output(call)) if calls.is_shell(as_text(call.get("name"))) else output(call)[:2000]
        called.append(slim)
    kept = {name: message.get(name) for name in ("id", "timestamp", "type", "model", "tokens", "displayContent")}
    if message.get("type") == "user":
        kept["content"] = message.get("content")
    return {**kept, "toolCalls": called}


def output(call: dict[str, Any]) -> str:
    """Return what a call gave to the model, or showed."""
    for part in map(as_dict, as_list(call.get("result"))):
        response = as_dict(as_dict(part.get("functionResponse")).get("response"))
        if text := as_text(response.get("output")) or as_text(response.get("error")):
            return text
    return as_text(call.get("resultDisplay"))


def _told(building: Building, message: dict[str, Any], asked: set[str]) -> None:
    """Take a message; `asked` are the texts of the messages of the person before it."""
    at = as_time(message.get("timestamp"))
    building.seen(at)
    kind = as_text(message.get("type"))
    if kind == "user":
        content = _without_repeats(message.get("content"), asked)
        if text := prompt_of(message.get("displayContent")) or prompt_of(content):
            asked.update(as_text(as_dict(part).get("text")) for part in as_list(content))
            building.prompt(text, at, "agent" if building.parent else "command" if text.startswith("/") else "typed")
    elif kind == "gemini":
        building.used_model(as_text(message.get("model")))
        if tokens := as_dict(message.get("tokens")):
            building.used(as_text(message.get("id")) or str(at), _usage(tokens))
        for call in as_list(message.get("toolCalls")):
            made = calls.add(building, as_text(call.get("name")), as_dict(call.get("args")), at)
            came_of(building, made, call, at)
    elif kind not in _IDLE:
        building.tally.unknown += 1


def _without_repeats(content: object, asked: set[str]) -> object:
    """Return a message without what was asked before it.

    When a person cancels, the history is written anew: what it told the model at the start and all prompts since, as
    one message.
    """
    parts = [as_dict(part) for part in as_list(content)]
    if not parts or not as_text(parts[0].get("text")).startswith(_INJECTED[0]):
        return content
    return [part for part in parts if as_text(part.get("text")) not in asked]


def prompt_of(content: object) -> str:
    """Return the text that a person typed: without files that were put in, and nothing of what the program said."""
    if isinstance(content, str):
        texts = [as_text(content)]
    else:
        texts = []
        for part in map(as_dict, as_list(content)):
            text = as_text(part.get("text"))
            if _REFERENCED in text[:200]:
                break
            if text:
                texts.append(text)
    return "\n".join(text for text in texts if not text.lstrip().startswith(_INJECTED))


def came_of(building: Building, made: list[Edit] | Run | None, call: dict[str, Any], at: Any) -> None:
    """Give edits their outcome and commands their exit code; `call` has `status`, `display` and `output`."""
    status, text, display = as_text(call.get("status")), as_text(call.get("output")), as_dict(call.get("display"))
    if isinstance(made, Run):
        wrapped = _WRAPPED.fullmatch(text)
        text = wrapped[1] if wrapped else text.removeprefix("Output: ")
        found = _EXIT.search(text)
        made.exit_code = int(found[1]) if found else 0 if status == "success" else None
        building.printed(made, text, at)
    for edit in made if isinstance(made, list) else ():
        edit.outcome = {"success": "accepted", "error": "failed", "cancelled": "rejected"}.get(status, "unknown")  # type: ignore[assignment]
        if edit.outcome == "failed" and re.search(r"denied|rejected|cancell?ed", text[:500], re.IGNORECASE):
            edit.outcome = "rejected"
        diff = as_text(display.get("fileDiff"))
        if edit.outcome != "accepted" or not diff:
            continue
        stat = as_dict(display.get("diffStat"))
        args = as_dict(call.get("args"))
        if args.get("modified_by_user") is True:
            # The arguments are then the person's; what the model wrote is kept beside them.
            edit.written, edit.removed = edits.of_diff(diff)
            edit.outcome, edit.added = "changed", _proposed(args)
        elif any(as_count(stat.get(name)) for name in ("user_added_lines", "user_removed_lines")):
            edit.outcome, edit.written = "changed", edits.of_diff(diff)[0]
        elif edit.kind == "write":
            edit.added, edit.removed = edits.of_diff(diff)


def _proposed(args: dict[str, Any]) -> edits.Lines:
    """Return the lines that a model proposed before a person changed them in an editor."""
    old = set(edits.split(as_text(args.get("old_string"))))
    return tuple(line for line in edits.split(as_text(args.get("ai_proposed_content"))) if line not in old)


def _usage(raw: dict[str, Any]) -> SessionUsage:
    """Thoughts are counted apart from the output, what came from the cache within the input."""
    told, thoughts = as_count(raw.get("output")), as_count(raw.get("thoughts")) or 0
    return SessionUsage(
        input_tokens=as_count(raw.get("input")),
        output_tokens=None if told is None else told + thoughts,
        cache_read_tokens=as_count(raw.get("cached")),
    )
