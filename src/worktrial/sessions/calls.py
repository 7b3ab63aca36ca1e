"""Edits and commands of tools that several agents have under much the same names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from worktrial.sessions import edits
from worktrial.sessions.building import Building, Edit, Run
from worktrial.sessions.reading import as_dict, as_list, as_text

_PATHS = ("file_path", "filePath", "path", "absolute_path", "filename", "target_file")
_OLD = ("old_string", "oldString", "old_str", "before", "search")
_NEW = ("new_string", "newString", "new_str", "after", "replace", "insert_text")
_CONTENT = ("content", "contents", "file_text", "fileText", "code_edit", "text")
_REPLACE = frozenset({
    "edit", "replace", "str_replace", "multiedit", "multi_edit", "search_replace", "edit_file", "edit_file_v2",
    "insert",
    "replace_string_in_file", "multi_replace_string_in_file", "insert_edit_into_file",
})  # fmt: skip
_WRITE = frozenset({"write", "write_file", "create", "create_file", "write_to_file", "save_file"})
_PATCH = frozenset({"apply_patch", "patch"})
_DELETE = frozenset({"delete_file", "delete", "remove_file"})
_SHELL = frozenset({
    "bash", "shell", "run_shell_command", "run_terminal_command", "run_terminal_cmd", "run_in_terminal", "terminal",
    "execute_bash", "run_command", "execute_command", "powershell", "run_terminal_command_v2",
})  # fmt: skip


def add(building: Building, tool: str, given: dict[str, Any], at: datetime | None) -> list[Edit] | Run | None:
    """Add what a tool call does to a session; None when it is neither an edit nor a command.

    An editor with commands of its own (`str_replace_editor`, `file_editor`, `text_editor`) says in `command` which.
    """
    name = tool.rsplit("__", 1)[-1].lower()
    if name in _SHELL:
        command = as_text(given.get("command"))
        return building.command(command, at) if command else None
    if name in _PATCH:
        text = as_text(given.get("patchText") or given.get("input") or given.get("patch"))
        found = [building.edit(one.path, one.kind, (one.added, one.removed), at) for one in edits.of_apply_patch(text)]
        return found or None
    return _edit(building, name, given, at)


def _edit(building: Building, name: str, given: dict[str, Any], at: datetime | None) -> list[Edit] | None:
    path = _first(given, _PATHS)
    if name in ("str_replace_editor", "file_editor", "text_editor"):
        name = as_text(given.get("command"))
        name = "edit" if name in ("str_replace", "insert") else name
    if not path:
        return None
    if name in _WRITE:
        return [building.edit(path, "write", (edits.split(_first(given, _CONTENT)), ()), at)]
    if name in _DELETE:
        return [building.edit(path, "delete", ((), ()), at)]
    if name in _REPLACE:
        many = as_list(given.get("edits") or given.get("replacements")) or [given]
        return [
            building.edit(path, "replace", edits.changed(_first(one, _OLD), _first(one, _NEW)), at)
            for one in map(as_dict, many)
        ]
    return None


def is_shell(tool: str) -> bool:
    """Whether a tool runs command lines."""
    return tool.rsplit("__", 1)[-1].lower() in _SHELL


def _first(given: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := as_text(given.get(name)))), "")
