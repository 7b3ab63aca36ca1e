"""Session logs: what coding agents keep of their conversations, one reader each, behind one Protocol.

A reader is loaded when asked for. A package of others adds one by an entry point of the group `worktrial.sessions`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from worktrial.errors import UsageError

if TYPE_CHECKING:
    from worktrial.sessions.protocol import Source

GROUP = "worktrial.sessions"
_SOURCES = {
    "claude_code": "worktrial.sessions.claude_code:ClaudeCode",
    "codex": "worktrial.sessions.codex:Codex",
    "gemini_cli": "worktrial.sessions.gemini_cli:GeminiCli",
    "qwen_code": "worktrial.sessions.qwen_code:QwenCode",
    "aider": "worktrial.sessions.aider:Aider",
    "opencode": "worktrial.sessions.opencode:OpenCode",
    "openhands": "worktrial.sessions.openhands:OpenHands",
    "copilot_cli": "worktrial.sessions.copilot_cli:CopilotCli",
    "specstory": "worktrial.sessions.specstory:SpecStory",
    "entire": "worktrial.sessions.entire:Entire",
    "goose": "worktrial.sessions.goose:Goose",
    "cursor": "worktrial.sessions.cursor:Cursor",
    "vscode_copilot": "worktrial.sessions.vscode_copilot:VscodeCopilot",
    "generic": "worktrial.sessions.generic:Generic",
}


def names() -> tuple[str, ...]:
    """Return the names of the sources there are, our own first."""
    return tuple(dict.fromkeys([*_SOURCES, *(point.name for point in entry_points(group=GROUP))]))


def load(name: str) -> Source:
    """Return the reader called `name`. Raises `UsageError` for one there is not."""
    if name in _SOURCES:
        module, attribute = _SOURCES[name].split(":")
        found: Source = getattr(import_module(module), attribute)()
        return found
    for point in entry_points(group=GROUP, name=name):
        added: Source = point.load()()
        return added
    raise UsageError(f"there is no reader of sessions called {name!r}", hint=f"there are: {', '.join(names())}")
