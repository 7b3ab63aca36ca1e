"""Agents: the contenders and the two controls, one file each, behind one Protocol and loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worktrial.errors import UsageError

if TYPE_CHECKING:
    from worktrial.agents.protocol import Agent
    from worktrial.agents.real.contract import RealAgent
    from worktrial.formats.run import AgentConfig

_AGENTS = {
    "oracle": "worktrial.agents.oracle:Oracle",
    "nop": "worktrial.agents.nop:Nop",
    "basic": "worktrial.agents.basic:Basic",
    "ide": "worktrial.agents.ide:Ide",
    "command": "worktrial.agents.command:CommandAgent",
}
_REAL = {
    "claude_code": "worktrial.agents.claude_code:ClaudeCode",
    "codex": "worktrial.agents.codex:Codex",
    "gemini_cli": "worktrial.agents.gemini_cli:GeminiCli",
    "qwen_code": "worktrial.agents.qwen_code:QwenCode",
    "opencode": "worktrial.agents.opencode:OpenCode",
    "mini_swe_agent": "worktrial.agents.mini_swe_agent:MiniSweAgent",
    "aider": "worktrial.agents.aider:Aider",
    "openhands": "worktrial.agents.openhands:OpenHands",
    "goose": "worktrial.agents.goose:Goose",
}
"""Programs of others that are installed, started inside the sandbox, and reach their model by the gateway."""
CONTROLS = ("oracle", "nop")
"""Kinds that measure the suite, not an agent: the one must solve all, the other nothing."""


def kinds() -> tuple[str, ...]:
    """Return the names of the kinds of agent there are."""
    return (*_AGENTS, *_REAL)


def real_kinds() -> tuple[str, ...]:
    """Return the names of the kinds that are programs of others."""
    return tuple(_REAL)


def context_file(kind: str) -> str:
    """Return the file of a repository's root that agents of a kind read instructions from; empty: none by itself."""
    return real_agent(kind).context_file if kind in _REAL else "AGENTS.md" if kind == "command" else ""


def takes_tools(kind: str) -> bool:
    """Whether agents of a kind can be given the project's checks as tools."""
    return kind in ("basic", "ide") or (kind in _REAL and real_agent(kind).mcp)


def converses(kind: str) -> bool:
    """Whether agents of a kind take further prompts once they are done with the first, in the same conversation."""
    return kind in ("basic", "ide")


def real_agent(kind: str) -> RealAgent:
    """Return one of these. Raises `UsageError` for another name."""
    if kind not in _REAL:
        raise UsageError(f"there is no agent {kind!r} to install", hint=f"there are: {', '.join(_REAL)}")
    found: RealAgent = _imported(_REAL[kind])()
    return found


def load(config: AgentConfig) -> Agent:
    """Return the agent a configuration describes.

    Raises `UsageError` when it is unknown or lacks a setting, and `AgentError` when it is not installed.
    """
    if config.context not in ("keep", "none") and not Path(config.context).is_file():
        raise UsageError(
            f"the context file of agent {config.name} is not there",
            cause=config.context,
            hint='context is "keep", "none", or the path of a file',
        )
    if config.kind in _REAL:
        from worktrial.agents.real.attempt import Real

        return Real(real_agent(config.kind), config)
    if config.kind not in _AGENTS:
        raise UsageError(f"unknown agent {config.kind!r}", hint=f"there are: {', '.join(kinds())}")
    agent: Agent = _imported(_AGENTS[config.kind])(config)
    return agent


def _imported(where: str) -> Any:
    module, attribute = where.split(":")
    return getattr(import_module(module), attribute)
