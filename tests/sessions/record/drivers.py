"""How each agent is told a prompt, how the scripted model has it edit and run commands, and where its log is."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from tests.sessions.record.scenarios import Asked, Edit, Scenario, Shell, Step
from tests.sessions.record.world import REPOSITORY, World
from tests.tools.model_server import ToolUse, Turn, Usage

from worktrial.agents.real.contract import Installed, RealAgent

USED = Usage(input=1000, output=20, cache_read=300)
_KEY = "sk-dummy"


@dataclass(frozen=True)
class Driver:
    """One agent."""

    name: str
    can: frozenset[str]
    logs: tuple[str, ...]
    """Globs below the home."""
    ask: Callable[[Asking], Any]
    """Tell it one prompt of a conversation and wait until it is done."""
    calls: Callable[[Step], tuple[ToolUse, ...]]
    """The tool calls of a step, one answer of the model each."""
    by_last_prompt: bool = False
    """Whether the model answers by the last prompt, as the conversation holds replies that no model gave."""
    prompts: Callable[[str], str] = field(default=lambda prompt: prompt)
    """What the agent itself makes of a prompt before it keeps it: some trim it."""


@dataclass(frozen=True)
class Asking:
    """What is needed to ask."""

    world: World
    agent: RealAgent
    installed: Installed
    url: str
    scenario: Scenario
    number: int

    @property
    def asked(self) -> Asked:
        return self.scenario.asked[self.number]

    @property
    def program(self) -> list[str]:
        """What starts it."""
        program = str(self.agent.program(self.installed.folder))
        return [str(self.installed.interpreter), program] if self.installed.interpreter else [program]


def turns(driver: Driver, asked: Asked) -> list[Turn]:
    """Return what the model says to a prompt: one call an answer, and an end."""
    refused = driver.name == "opencode" and any(getattr(step, "outcome", "") == "rejected" for step in asked.steps)
    called = [Turn(text="", calls=(call,), usage=USED) for step in asked.steps for call in driver.calls(step)]
    # opencode ends at a refusal and does not ask the model again.
    return called if refused else [*called, Turn(text="All done.", usage=USED)]


# -- Claude Code --

_CLAUDE = ("--model", "claude-sonnet-4-5")


def _claude_calls(step: Step) -> tuple[ToolUse, ...]:
    if isinstance(step, Shell):
        return (ToolUse("Bash", {"command": step.command, "description": "do it"}),)
    path = f"{REPOSITORY}/{step.path}"
    edit = ToolUse("Edit", {"file_path": path, "old_string": step.old, "new_string": step.new})
    return ToolUse("Read", {"file_path": path}), edit


async def _claude(asking: Asking) -> str:
    env = {"ANTHROPIC_BASE_URL": asking.url, "ANTHROPIC_API_KEY": _KEY, **asking.agent.quiet}
    more = ["-c"] if asking.number else []
    outcomes = {step.outcome for step in asking.asked.steps if isinstance(step, Edit)}
    if outcomes & {"rejected", "changed"}:
        return await _claude_with_permissions(asking, env)
    flags = ["-p", *_CLAUDE, "--dangerously-skip-permissions", "--output-format", "json", *more]
    return await asking.world.run([*asking.program, *flags], env, stdin=asking.asked.prompt)


async def _claude_with_permissions(asking: Asking, env: Mapping[str, str]) -> str:
    """Ask over the protocol by which editors run it: each edit is put to us, and refused or changed."""
    flags = ["-p", *_CLAUDE, "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
    flags += ["--permission-prompt-tool", "stdio"]
    process = await asyncio.create_subprocess_exec(
        *asking.world.argv([*asking.program, *flags], env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        limit=1 << 24,
    )
    assert process.stdin
    assert process.stdout
    said = []

    def send(value: dict[str, Any]) -> None:
        assert process.stdin
        process.stdin.write(json.dumps(value).encode() + b"\n")

    send({"type": "user", "message": {"role": "user", "content": asking.asked.prompt}})
    while line := await asyncio.wait_for(process.stdout.readline(), 120):
        said.append(line.decode("utf-8", "replace"))
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("type") == "control_request":
            response = _claude_permission(asking.asked, event["request"])
            request = {"subtype": "success", "request_id": event["request_id"], "response": response}
            send({"type": "control_response", "response": request})
        elif event.get("type") == "result":
            process.stdin.close()
    await process.wait()
    return "".join(said)


def _claude_permission(asked: Asked, request: dict[str, Any]) -> dict[str, Any]:
    given = request.get("input") or {}
    if request.get("tool_name") != "Edit":
        return {"behavior": "allow", "updatedInput": given}
    step = next(step for step in asked.steps if isinstance(step, Edit) and step.old == given["old_string"])
    if step.outcome == "rejected":
        message = "The user doesn't want to proceed with this tool use. The tool use was rejected."
        return {"behavior": "deny", "message": message}
    return {"behavior": "allow", "updatedInput": {**given, "new_string": step.written or step.new}}


# -- Codex --


def _codex_calls(step: Step) -> tuple[ToolUse, ...]:
    if isinstance(step, Shell):
        return (ToolUse("exec_command", {"cmd": step.command}),)
    old = "".join(f"-{line}\n" for line in step.old.split("\n"))
    new = "".join(f"+{line}\n" for line in step.new.split("\n"))
    patch = f"*** Begin Patch\n*** Update File: {step.path}\n@@\n{old}{new}*** End Patch\n"
    return (ToolUse("apply_patch", patch),)


async def _codex(asking: Asking) -> str:
    provider = {"name": "gw", "base_url": f"{asking.url}/v1", "env_key": "GWKEY", "wire_api": "responses"}
    settings = {
        "model": "gpt-5.5", "model_provider": "gw", "check_for_update_on_startup": False,
        "analytics": {"enabled": False}, "features": {"plugins": False, "apps": False},
        "model_providers": {"gw": provider},
    }  # fmt: skip
    asking.world.write(".codex/config.toml", tomli_w.dumps(settings))
    refused = any(isinstance(step, Edit) and step.outcome == "rejected" for step in asking.asked.steps)
    how = ["--sandbox", "read-only"] if refused else ["--dangerously-bypass-approvals-and-sandbox"]
    resume = ["resume", "--last"] if asking.number else []
    argv = [*asking.program, "exec", *how, *resume, "--skip-git-repo-check", "--json", "-"]
    return await asking.world.run(argv, {"GWKEY": _KEY}, stdin=asking.asked.prompt)


# -- Gemini CLI --


def _gemini_calls(step: Step) -> tuple[ToolUse, ...]:
    if isinstance(step, Shell):
        return (ToolUse("run_shell_command", {"command": step.command}),)
    path = f"{REPOSITORY}/{step.path}"
    given = {"file_path": path, "instruction": "do it", "old_string": step.old, "new_string": step.new}
    return (ToolUse("replace", given),)


async def _gemini(asking: Asking) -> str:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    asking.world.write(".gemini/settings.json", json.dumps(settings))
    env = {
        "GEMINI_API_KEY": _KEY, "GOOGLE_GEMINI_BASE_URL": asking.url, "GEMINI_CLI_TRUST_WORKSPACE": "true",
        **asking.agent.quiet,
    }  # fmt: skip
    resume = ["--resume", "latest"] if asking.number else []
    flags = ["-m", "gemini-2.5-flash", "--yolo", "-o", "json", *resume]
    return await asking.world.run([*asking.program, *flags], env, stdin=asking.asked.prompt)


# -- opencode --


def _opencode_calls(step: Step) -> tuple[ToolUse, ...]:
    if isinstance(step, Shell):
        return (ToolUse("bash", {"command": step.command, "description": "do it"}),)
    path = f"{REPOSITORY}/{step.path}"
    edit = ToolUse("edit", {"filePath": path, "oldString": step.old, "newString": step.new})
    return ToolUse("read", {"filePath": path}), edit


async def _opencode(asking: Asking) -> str:
    refused = any(isinstance(step, Edit) and step.outcome == "rejected" for step in asking.asked.steps)
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{asking.url}/v1", "apiKey": "{env:GWKEY}"},
        "models": {"test-model": {"limit": {"context": 200_000, "output": 8192}}},
    }
    settings = {
        "provider": {"gw": provider}, "share": "disabled", "autoupdate": False,
        "permission": {"edit": "ask" if refused else "allow", "bash": "allow"},
    }  # fmt: skip
    asking.world.write(".config/oc.json", json.dumps(settings))
    env = {"OPENCODE_CONFIG": "/home/dev/.config/oc.json", "GWKEY": _KEY, **asking.agent.quiet}
    more = ["-c"] if asking.number else ["--title", "t"]
    argv = [*asking.program, "run", "--format", "json", "-m", "gw/test-model", *more]
    return await asking.world.run(argv, env, stdin=asking.asked.prompt)


# -- aider --


def _aider_calls(step: Step) -> tuple[ToolUse, ...]:
    return ()


def aider_answer(asked: Asked) -> str:
    """Return the edits as blocks."""
    blocks = [
        f"{step.path}\n```python\n<<<<<<< SEARCH\n{step.old}\n=======\n{step.new}\n>>>>>>> REPLACE\n```\n"
        for step in asked.steps
        if isinstance(step, Edit)
    ]
    return "I will do it.\n\n" + "\n".join(blocks)


async def _aider(asking: Asking) -> str:
    """All prompts of the conversation at once, as each start of it is a conversation of its own."""
    if asking.number:
        return ""
    env = {"OPENAI_API_KEY": _KEY, "OPENAI_API_BASE": f"{asking.url}/v1", **asking.agent.quiet}
    flags = ["--model", "openai/test-model", "--edit-format", "diff", "--no-gitignore", "--no-check-update"]
    flags += ["--analytics-disable", "--no-show-model-warnings", "--no-show-release-notes", "--no-pretty"]
    flags += ["--no-auto-lint", "--map-tokens", "0", "--no-detect-urls", "--no-fancy-input"]
    one = len(asking.scenario.asked) == 1
    if one:
        asking.world.write("prompt.md", asking.asked.prompt)
        flags += ["--yes-always", "--message-file", "/home/dev/prompt.md"]
    # A file that is not in the chat is asked about twice: whether to add it, and whether to edit it all the same.
    lines = []
    for asked in asking.scenario.asked:
        lines.append(asked.prompt)
        for step in asked.steps:
            if isinstance(step, Edit) and step.outcome == "rejected":
                lines += ["n", "n"]
            elif isinstance(step, Edit):
                flags.append(step.path)
    flags = list(dict.fromkeys(flags))
    if one:
        flags.append("app.py")
    return await asking.world.run([*asking.program, *flags], env, stdin="" if one else "\n".join(lines) + "\n")


DRIVERS = {
    "claude_code": Driver(
        "claude_code", frozenset({"shell", "reject", "change"}), (".claude/projects/*/*.jsonl",), _claude, _claude_calls
    ),
    "codex": Driver(
        "codex", frozenset({"shell", "reject"}), (".codex/sessions/*/*/*/rollout-*.jsonl",), _codex, _codex_calls
    ),
    "aider": Driver(
        "aider", frozenset({"reject", "own commits"}), ("shop/.aider.chat.history.md",), _aider, _aider_calls,
        by_last_prompt=True,
    ),
    "opencode": Driver(
        "opencode", frozenset({"shell", "reject"}), (".local/share/opencode/opencode.db",), _opencode, _opencode_calls
    ),
    "gemini_cli": Driver(
        "gemini_cli", frozenset({"shell"}), (".gemini/tmp/*/chats/session-*.jsonl", ".gemini/projects.json"), _gemini,
        _gemini_calls,
    ),
}  # fmt: skip


def log_paths(driver: Driver, world: World) -> list[Path]:
    """Return the files of its log."""
    return sorted(path for pattern in driver.logs for path in world.home.glob(pattern))
