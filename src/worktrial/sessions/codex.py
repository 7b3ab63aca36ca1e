"""Codex CLI: `~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`, a JSON line for each item and event.

Seen: 0.142 in checkpoints of others, 0.169 by running it; older shapes after its source. Edits are read from the
patches that the agent proposed; their outcome from the events that follow. Outputs are decoded only when they may
tell of a commit.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from worktrial.formats.session import EditOutcome, Session, SessionUsage
from worktrial.sessions import edits
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.places import Places, below, folder_of
from worktrial.sessions.reading import (
    Tally,
    as_count,
    as_dict,
    as_list,
    as_text,
    as_time,
    cut,
    first_value,
    joined,
    lines,
    opened,
    parsed,
)

_HEAD = re.compile(
    rb'\{\s*"timestamp"\s*:\s*"[^"]*"\s*,\s*(?:"ordinal"\s*:\s*\d+\s*,\s*)?"type"\s*:\s*"(\w+)"\s*,\s*"payload"\s*:\s*'
    rb'\{\s*(?:"type"\s*:\s*"(\w+)")?'
)
_CALL_ID = re.compile(rb'"call_id"\s*:\s*"([^"\\]{1,200})"')
_BY_MODEL = re.compile(rb'"role"\s*:\s*"assistant"')
_TOTAL = re.compile(rb'"total_token_usage"\s*:\s*(\{[^{}]*\})')
_PEEK = 64 * 1024
_IDLE_LINES = frozenset({b"compacted", b"world_state"})
_IDLE_ITEMS = frozenset({
    b"reasoning", b"web_search_call", b"tool_search_call", b"tool_search_output", b"ghost_snapshot", b"compaction",
    b"image_generation_call", b"local_shell_call_output", b"other", b"context_compaction", b"compaction_trigger",
})  # fmt: skip
_IDLE_EVENTS = frozenset({
    b"agent_message", b"agent_reasoning", b"agent_reasoning_raw_content", b"agent_reasoning_section_break",
    b"task_started", b"task_complete", b"turn_started", b"turn_complete", b"turn_aborted", b"context_compacted",
    b"mcp_tool_call_begin", b"mcp_tool_call_end", b"web_search_begin", b"web_search_end", b"exec_command_begin",
    b"exec_command_output_delta",
    b"exec_command_end", b"background_event", b"turn_diff", b"error", b"warning", b"stream_error",
    b"thread_settings_applied", b"thread_name_updated", b"entered_review_mode", b"exited_review_mode", b"plan_update",
    b"view_image_tool_call", b"item_started", b"thread_rolled_back", b"patch_apply_begin", b"patch_apply_updated",
    b"undo_completed", b"undo_started", b"image_generation_end", b"collab_agent_spawn_end", b"collab_waiting_end",
    b"collab_close_end", b"collab_agent_interaction_end", b"thread_goal_updated", b"model_reroute",
    b"dynamic_tool_call_request", b"dynamic_tool_call_response", b"sub_agent_activity", b"hook_started",
    b"hook_completed", b"guardian_assessment",
})  # fmt: skip
_INJECTED = (
    "<environment_context>", "<user_instructions>", "# AGENTS.md instructions", "<permissions", "<skill",
    "<turn_aborted>",
    "<subagent_notification>", "<user_shell_command>", "<INSTRUCTIONS>", "<collaboration_mode>", "<personality",
    "<hook",
)  # fmt: skip
_SHELLS = frozenset({"exec_command", "shell", "shell_command", "local_shell", "container.exec", "unified_exec"})
_EXIT = re.compile(r"(?:Process exited with code|Exit code:?|\"exit_code\":) ?(-?\d{1,4})")
_REFUSED = re.compile(r"rejected|denied|declined|not approved|aborted by user", re.IGNORECASE)
_OUTCOMES: dict[str, EditOutcome] = {"completed": "accepted", "declined": "rejected", "failed": "failed"}


class Codex:
    """`~/.codex/sessions` and `archived_sessions`, or where CODEX_HOME says."""

    name = "codex"
    title = "Codex CLI"

    def find(self, repository: Path, home: Path) -> Iterator[Path]:
        """By the working directory in the first line."""
        places = Places.of(repository)
        for base in folder_of(home, "CODEX_HOME", ".codex"):
            for path in below(base, "sessions/**/rollout-*.jsonl", "archived_sessions/**/rollout-*.jsonl"):
                if places.holds(first_value(path, _PEEK, "cwd", one_line=True)):
                    yield path

    def read(self, path: Path, repository: Path | None = None) -> Iterator[Session]:
        """One session a file."""
        with opened(path) as file:
            yield from self.stream(file, path)

    def stream(self, file: IO[bytes], log: Path | str) -> Iterator[Session]:
        """Read a log that is open already."""
        tally = Tally()
        reading = _Reading(Building(self.name, log, tally))
        for line in lines(file, tally):
            reading.line(line)
        if session := reading.building.session():
            yield session


class _Reading:
    def __init__(self, building: Building) -> None:
        self.building = building
        self._edits: dict[str, list[Edit]] = {}
        self._runs: dict[str, Run] = {}
        self._requests = 0
        self._metered = False
        self._total = 0
        self._subagent = False

    def line(self, line: bytes) -> None:
        if (head := _HEAD.match(line)) and self._idle(head[1], head[2], line):
            if cut(line):
                self.building.tally.torn += 1
            return
        value = parsed(line, self.building.tally)
        if not value:
            return
        kind, payload = value.get("type"), as_dict(value.get("payload"))
        at = as_time(value.get("timestamp"))
        self.building.seen(at)
        if kind == "session_meta":
            self._meta(payload)
        elif kind == "turn_context":
            self.building.model = as_text(payload.get("model")) or self.building.model
        elif kind == "response_item":
            self._item(payload, at)
        elif kind == "event_msg":
            self._event(payload, at)
        elif kind == "token_usage_record":
            self._metered = True
            self.building.used(
                as_text(payload.get("response_id")) or f"#{self._requests}", _usage(as_dict(payload.get("usage")))
            )
            self._requests += 1
        elif "payload" not in value and ("record_type" in value or kind is None or kind in _BARE):
            self._bare(value, at)
        elif str(kind).encode() not in _IDLE_LINES:
            self.building.tally.unknown += 1

    def _idle(self, kind: bytes, inner: bytes | None, line: bytes) -> bool:
        """Whether a line need not be decoded."""
        if kind in _IDLE_LINES:
            return True
        if kind == b"response_item":
            return self._idle_item(inner, line)
        if kind != b"event_msg":
            return False
        if inner == b"token_count":
            self._counted(line)
            return True
        if inner == b"item_completed":
            return not any(name in line for name in (b'"UserMessage"', b'"FileChange"'))
        return inner in _IDLE_EVENTS

    def _idle_item(self, inner: bytes | None, line: bytes) -> bool:
        if inner in (b"function_call_output", b"custom_tool_call_output"):
            found = _CALL_ID.search(line)
            key = found[1].decode("utf-8", "replace") if found else ""
            return key not in self._edits and not self._output_wanted(key, line)
        if inner == b"message" and _BY_MODEL.search(line, 0, 400):
            self.building.used_model(self.building.model)
            return True
        return inner in _IDLE_ITEMS

    def _counted(self, line: bytes) -> None:
        """Take the sum that is told after each answer; one that is less than before begins anew."""
        if self._metered or (found := _TOTAL.search(line)) is None:
            return
        usage = _usage(parsed(found[1], Tally()))
        if (usage.input_tokens or 0) < self._total:
            self._requests += 1
        self._total = usage.input_tokens or 0
        self.building.used(f"#{self._requests}", usage)

    def _output_wanted(self, key: str, line: bytes) -> bool:
        run = self._runs.get(key)
        if run is None or self.building.wants_output(run):
            return run is not None
        if found := _EXIT.search(line[:1200].decode("utf-8", "replace").replace('\\"', '"')):
            run.exit_code = int(found[1])
        del self._runs[key]
        return False

    def _meta(self, payload: dict[str, Any]) -> None:
        building = self.building
        if building.id:  # a fork tells where it comes from as well
            building.parent = building.parent or as_text(payload.get("id")) or None
            return
        building.id = as_text(payload.get("id"))
        building.parent = as_text(payload.get("forked_from_id") or payload.get("parent_thread_id")) or None
        building.version = as_text(payload.get("cli_version"))
        building.cwd = as_text(payload.get("cwd"))
        git = as_dict(payload.get("git"))
        building.branch, building.base_commit = as_text(git.get("branch")), as_text(git.get("commit_hash"))
        building.seen(as_time(payload.get("timestamp")))
        self._subagent = "subagent" in as_dict(payload.get("source")) or payload.get("thread_source") == "subagent"

    def _bare(self, value: dict[str, Any], at: Any) -> None:
        """Before there was an envelope: the first line is the session, the others are items."""
        if value.get("type") is None and "instructions" in value:
            self._meta(value)
        elif value.get("type") == "message" and value.get("role") == "user":
            self._asked(joined(value.get("content")), at)
        elif value.get("type") is not None:
            self._item(value, at)

    def _asked(self, text: str, at: Any) -> None:
        if text.strip() and not text.startswith(_INJECTED) and not self.building.repeats(text):
            self.building.prompt(text, at, "agent" if self._subagent else "typed")

    # -- items: what was asked of the model and what it answered --

    def _item(self, item: dict[str, Any], at: Any) -> None:
        kind = as_text(item.get("type"))
        if kind == "message":
            # Only items that say of themselves that the user wrote them: others hold what the program put in.
            if item.get("role") == "user" and as_dict(item.get("provenance")).get("type") == "user":
                self._asked(joined(item.get("content")), at)
        elif kind in ("function_call", "custom_tool_call", "local_shell_call"):
            self._called(item, at)
        elif kind.endswith("_call_output"):
            self._gave(item, at)
        elif kind.encode() not in _IDLE_ITEMS:
            self.building.tally.unknown += 1

    def _called(self, item: dict[str, Any], at: Any) -> None:
        name, key = as_text(item.get("name")), as_text(item.get("call_id") or item.get("id"))
        if name == "apply_patch":
            text = as_text(item.get("input")) or as_text(_arguments(item.get("arguments")).get("input"))
            self._patch(key, text, at)
            return
        if item.get("type") == "local_shell_call":
            given = as_dict(item.get("action"))
        elif name.rsplit(".", 1)[-1] in _SHELLS or name in _SHELLS:
            given = _arguments(item.get("arguments") or item.get("input"))
        else:
            return
        command = _command(given.get("cmd") or given.get("command"))
        if "*** Begin Patch" in command and "apply_patch" in command:
            self._patch(key, command, at)
        elif command:
            self._runs[key] = self.building.command(command, at)

    def _patch(self, key: str, text: str, at: Any) -> None:
        found = [
            self.building.edit(one.path, one.kind, (one.added, one.removed), at) for one in edits.of_apply_patch(text)
        ]
        if found:
            self._edits[key] = found

    def _gave(self, item: dict[str, Any], at: Any) -> None:
        key, output = as_text(item.get("call_id")), item.get("output")
        text = joined(output) or joined(as_dict(output).get("content")) or joined(as_dict(output).get("output"))
        told = parsed(text, Tally()) if text.startswith('{"output"') else {}
        text = as_text(told.get("output")) or text
        found = _EXIT.search(text[:1200])
        code = as_count(as_dict(told.get("metadata")).get("exit_code"))
        code = code if code is not None else int(found[1]) if found else None
        if key in self._runs:
            run = self._runs.pop(key)
            run.exit_code = code
            self.building.printed(run, text, at)
        for edit in self._edits.get(key, ()):
            if edit.outcome == "unknown":
                edit.outcome = _told_outcome(text, code)

    # -- events: what the program did --

    def _event(self, event: dict[str, Any], at: Any) -> None:
        kind = as_text(event.get("type"))
        if kind == "user_message":
            self._asked(as_text(event.get("message")), at)
        elif kind == "item_completed":
            item = as_dict(event.get("item"))
            if item.get("type") == "UserMessage":
                self._asked(joined(item.get("content")), at)
            elif item.get("type") == "FileChange":
                self._applied(as_text(item.get("id")), item, _OUTCOMES.get(as_text(item.get("status")), "accepted"), at)
        elif kind == "patch_apply_end":
            ok = event.get("success") is True
            outcome = _OUTCOMES.get(as_text(event.get("status")), "accepted" if ok else "failed")
            self._applied(as_text(event.get("call_id")), event, outcome, at)
        elif kind.encode() not in _IDLE_EVENTS:
            self.building.tally.unknown += 1

    def _applied(self, key: str, told: dict[str, Any], outcome: EditOutcome, at: Any) -> None:
        known = self._edits.get(key)
        if known is None:
            known = self._edits[key] = []
            for path, change in as_dict(told.get("changes")).items():
                known += self._change(as_text(path), as_dict(change), at)
        for edit in known:
            edit.outcome = outcome

    def _change(self, path: str, change: dict[str, Any], at: Any) -> Iterator[Edit]:
        kind = change.get("type")
        kind = as_text(as_dict(kind).get("type")) or kind
        path = unquote(path.removeprefix("file://")) if path.startswith("file://") else path
        if kind in ("add", "delete"):
            text = edits.split(as_text(change.get("content")))
            if not text and (diff := as_text(change.get("unified_diff"))):
                text = edits.of_diff(diff)[0 if kind == "add" else 1]
            lines_ = (text, ()) if kind == "add" else ((), text)
            yield self.building.edit(path, "write" if kind == "add" else "delete", lines_, at)
            return
        if moved := as_text(change.get("move_path")):
            yield self.building.edit(path, "move", ((), ()), at)
            path = moved
        yield self.building.edit(path, "patch", edits.of_diff(as_text(change.get("unified_diff"))), at)


_BARE = ("message", "function_call", "function_call_output", "reasoning", "local_shell_call", "custom_tool_call")


def _told_outcome(text: str, code: int | None) -> EditOutcome:
    if code == 0 or text.startswith("Success"):
        return "accepted"
    return "rejected" if _REFUSED.search(text[:400]) else "failed"


def _arguments(value: object) -> dict[str, Any]:
    return parsed(value, Tally()) if isinstance(value, str) else as_dict(value)


def _command(value: object) -> str:
    """Return the command line: the script itself where a shell is given one."""
    if isinstance(value, str):
        return as_text(value)
    words = [as_text(word) for word in as_list(value)]
    if len(words) == 3 and words[1] in ("-c", "-lc") and words[0].rsplit("/", 1)[-1] in ("bash", "sh", "zsh"):
        return words[2]
    return shlex.join(words)


def _usage(raw: dict[str, Any]) -> SessionUsage:
    """OpenAI counts what came from the cache within the input."""
    return SessionUsage(
        input_tokens=as_count(raw.get("input_tokens")),
        output_tokens=as_count(raw.get("output_tokens")),
        cache_read_tokens=as_count(raw.get("cached_input_tokens")),
        cache_write_tokens=as_count(raw.get("cache_write_input_tokens")),
    )
