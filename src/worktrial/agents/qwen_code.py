"""Qwen Code: a script for Node, made from Gemini CLI, that speaks chat completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worktrial.agents.gemini_cli import mcp_servers
from worktrial.agents.real.contract import PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_count, as_dict, as_list, as_text, files, json_lines
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import StepMetrics


class QwenCode:
    """`qwen --yolo`, with the prompt on standard input."""

    name = "qwen_code"
    title = "Qwen Code"
    package = Package("npm", "@qwen-code/qwen-code", "0.15.10", node=20)
    context_file = "QWEN.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {"QWEN_CODE_NO_RELAUNCH": "true", "NO_COLOR": "1"}
    logs = (".qwen/projects/*/chats/*.jsonl",)
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """Chat completions."""
        return "openai_chat"

    def program(self, folder: Path) -> Path:
        """The script."""
        return folder / "node_modules/@qwen-code/qwen-code/cli.js"

    def launch(self, ask: Ask) -> Launch:
        """Its settings are Gemini CLI's under another name."""
        settings = {
            "security": {"auth": {"selectedType": "openai"}},
            "general": {"enableAutoUpdate": False, "disableAutoUpdate": True},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            # What it would learn for a next session dies with the sandbox, and costs a conversation of its own.
            "memory": {"enableManagedAutoMemory": False},
            "mcpServers": mcp_servers(ask.config),
        }
        return Launch(
            (
                str(ask.installed.interpreter),
                str(self.program(ask.installed.folder)),
                *("--yolo", "-o", "json"),
                *ask.config.args,
            ),
            env={"OPENAI_API_KEY": ask.token, "OPENAI_BASE_URL": f"{URL}/v1", "OPENAI_MODEL": ask.model},
            files={".qwen/settings.json": json.dumps(settings)},
            stdin=PROMPT,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """Lines like Claude Code's, parts like Gemini's."""
        steps, session, version = Steps(), "", ""
        for data in files(logs, prefix=".qwen/projects/", suffix=".jsonl"):
            for line in json_lines(data):
                session = as_text(line.get("sessionId")) or session
                version = as_text(line.get("version")) or version
                parts = [as_dict(part) for part in as_list(as_dict(line.get("message")).get("parts"))]
                if line.get("type") == "user":
                    steps.said("user", _text(parts), line.get("timestamp"))
                elif line.get("type") == "assistant":
                    steps.replied(
                        _text(parts), reasoning=_thoughts(parts), at=line.get("timestamp"),
                        metrics=_metrics(as_dict(line.get("usageMetadata"))),
                    )  # fmt: skip
                    for call in (as_dict(part.get("functionCall")) for part in parts):
                        if call:
                            steps.called(call.get("id"), call.get("name"), call.get("args"))
                elif line.get("type") == "tool_result":
                    for given in (as_dict(part.get("functionResponse")) for part in parts):
                        response = as_dict(given.get("response"))
                        steps.gave(given.get("id"), response.get("output") or response.get("error") or response)
        return Heard(steps.steps(), session, version)


def _text(parts: list[dict[str, Any]]) -> str:
    return "\n".join(as_text(part.get("text")) for part in parts if part.get("text") and not part.get("thought"))


def _thoughts(parts: list[dict[str, Any]]) -> str:
    return "\n".join(as_text(part.get("text")) for part in parts if part.get("text") and part.get("thought"))


def _metrics(raw: dict[str, Any]) -> StepMetrics:
    return StepMetrics(
        prompt_tokens=as_count(raw.get("promptTokenCount")),
        completion_tokens=as_count(raw.get("candidatesTokenCount")),
        cached_tokens=as_count(raw.get("cachedContentTokenCount")),
    )
