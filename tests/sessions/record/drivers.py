"""How each agent is told a prompt, how the scripted model has it edit and run commands, and where its log is."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from tests.sessions.record.scenarios import COMMITTING, SCENARIOS, Asked, Edit, Scenario, Shell, Step
from tests.sessions.record.terminal import Talk, Terminal
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
    ends_at_refusal: bool = False
    """Whether it ends its turn when an edit is refused, and does not ask the model again."""
    forgets_refusals: bool = False
    """Whether it takes back what the model said in a turn that ended so, before it asks the model again."""
    scenarios: tuple[Scenario, ...] = SCENARIOS
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
    called = [Turn(text="", calls=(call,), usage=USED) for step in asked.steps for call in driver.calls(step)]
    ended = driver.ends_at_refusal and "rejected" in asked.outcomes
    return called if ended else [*called, Turn(text="All done.", usage=USED)]


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
    if asking.asked.outcomes & {"rejected", "changed"}:
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
    refused = "rejected" in asking.asked.outcomes
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
    settings: dict[str, dict[str, Any]] = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    person = any(asked.outcomes & {"rejected", "changed"} for asked in asking.scenario.asked)
    if person:
        settings["general"] |= {"preferredEditor": "vim"}
    asking.world.write(".gemini/settings.json", json.dumps(settings))
    env = {
        "GEMINI_API_KEY": _KEY, "GOOGLE_GEMINI_BASE_URL": asking.url, "GEMINI_CLI_TRUST_WORKSPACE": "true",
        **asking.agent.quiet,
    }  # fmt: skip
    if person:
        return await _gemini_with_a_person(asking, env)
    resume = ["--resume", "latest"] if asking.number else []
    flags = ["-m", "gemini-2.5-flash", "--yolo", "-o", "json", *resume]
    return await asking.world.run([*asking.program, *flags], env, stdin=asking.asked.prompt)


async def _gemini_with_a_person(asking: Asking, env: Mapping[str, str]) -> str:
    """Ask in its interface for people: only there is an edit put to one, who refuses it or changes it in vim."""
    world = asking.world
    if world.terminal is None:
        argv = [*asking.program, "-m", "gemini-2.5-flash"]
        world.terminal = Terminal(world.home.parent, world.argv(argv, {**env, "TERM": "xterm-256color"}))
        await world.terminal.until(r"Type your message")
    terminal = world.terminal
    await terminal.say(asking.asked.prompt)
    for step in asking.asked.steps:
        if isinstance(step, Edit) and step.outcome == "rejected":
            await terminal.until(r"Apply this change\?[\s\S]*4\. No, suggest changes")
            await terminal.press("4")
            await terminal.until(r"cancelled")
            break
        if isinstance(step, Edit) and step.written is not None:
            await terminal.until(r"Apply this change\?[\s\S]*3\. Modify with external editor")
            await terminal.press("3")
            await terminal.until(r"NEW FILE")
            old, new = (re.sub(r"([/\\.*~\[\]])", r"\\\1", text) for text in (step.new, step.written))
            await terminal.say(f":%s/{old}/{new}/")
            await terminal.say(":wqa")
            await terminal.until(re.escape(step.written.strip()))
        await terminal.until(r"Apply this change|Allow execution")
        await terminal.press("1")
    else:
        await terminal.until(r"All done\.")
    if asking.number == len(asking.scenario.asked) - 1:
        await terminal.say("/quit")
        await terminal.closed()
    return "\n".join(terminal.shown)


# -- opencode --


def _opencode_calls(step: Step) -> tuple[ToolUse, ...]:
    if isinstance(step, Shell):
        return (ToolUse("bash", {"command": step.command, "description": "do it"}),)
    path = f"{REPOSITORY}/{step.path}"
    edit = ToolUse("edit", {"filePath": path, "oldString": step.old, "newString": step.new})
    return ToolUse("read", {"filePath": path}), edit


async def _opencode(asking: Asking) -> str:
    refused = "rejected" in asking.asked.outcomes
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
    """One prompt of one chat, as each start of it is a conversation of its own."""
    world = asking.world
    lines = [asking.asked.prompt, *(f"/{step.command}" for step in asking.asked.typed)]
    # A file that is not in the chat is asked about twice: whether to add it, and whether to edit it all the same.
    refusals = ["n", "n"] * sum(getattr(step, "outcome", "") == "rejected" for step in asking.asked.steps)
    if asking.number == 0:
        env = {"OPENAI_API_KEY": _KEY, "OPENAI_API_BASE": f"{asking.url}/v1", **asking.agent.quiet}
        flags = ["--model", "openai/test-model", "--edit-format", "diff", "--no-gitignore", "--no-check-update"]
        flags += ["--analytics-disable", "--no-show-model-warnings", "--no-show-release-notes", "--no-pretty"]
        flags += ["--no-auto-lint", "--map-tokens", "0", "--no-detect-urls", "--no-fancy-input", *asking.scenario.flags]
        if "\n" in asking.asked.prompt:  # which no line that is typed can hold
            world.write("prompt.md", asking.asked.prompt)
            flags += ["--yes-always", "--message-file", "/home/dev/prompt.md"]
            return await world.run([*asking.program, *flags, "app.py"], env)
        steps = [step for asked in asking.scenario.asked for step in asked.steps]
        edited = [step.path for step in steps if isinstance(step, Edit) and step.outcome != "rejected"]
        world.talk = await Talk.begin(world.argv([*asking.program, *flags, *dict.fromkeys(edited)], env))
        await world.talk.until("> ")
    assert world.talk is not None
    said = ""
    for line in lines:
        await world.talk.say(line)
        for answer in refusals if line is lines[0] else ():
            said += await world.talk.until("]: ")
            await world.talk.say(answer)
        said += await world.talk.until("> ")
    if asking.number == len(asking.scenario.asked) - 1:
        await world.talk.end()
    return said


DRIVERS = {
    "claude_code": Driver(
        "claude_code", frozenset({"shell", "reject", "change"}), (".claude/projects/*/*.jsonl",), _claude, _claude_calls
    ),
    "codex": Driver(
        "codex", frozenset({"shell", "reject"}), (".codex/sessions/*/*/*/rollout-*.jsonl",), _codex, _codex_calls
    ),
    "aider": Driver(
        "aider", frozenset({"reject"}), ("shop/.aider.chat.history.md",), _aider, _aider_calls,
        by_last_prompt=True, scenarios=COMMITTING,
    ),
    "opencode": Driver(
        "opencode", frozenset({"shell", "reject"}), (".local/share/opencode/opencode.db",), _opencode, _opencode_calls,
        ends_at_refusal=True,
    ),
    "gemini_cli": Driver(
        "gemini_cli", frozenset({"shell", "reject", "change"}),
        (".gemini/tmp/*/chats/session-*.jsonl", ".gemini/projects.json"), _gemini, _gemini_calls, ends_at_refusal=True,
        forgets_refusals=True,
    ),
}  # fmt: skip


def log_paths(driver: Driver, world: World) -> list[Path]:
    """Return the files of its log."""
    return sorted(path for pattern in driver.logs for path in world.home.glob(pattern))
