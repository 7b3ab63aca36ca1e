"""Gemini CLI: a script for Node, bundled into one package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worktrial.agents.real.contract import PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_count, as_dict, as_list, as_text, json_lines, parsed, text_of
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import StepMetrics
from worktrial.formats.trial import Usage


class GeminiCli:
    """`gemini --yolo`, with the prompt on standard input."""

    name = "gemini_cli"
    title = "Gemini CLI"
    package = Package("npm", "@google/gemini-cli", "0.61.0", node=20)
    context_file = "GEMINI.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {"GEMINI_CLI_NO_RELAUNCH": "true", "NO_COLOR": "1"}
    logs = (".gemini/tmp/*/chats/*.json*",)
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """`generateContent`."""
        return "gemini"

    def program(self, folder: Path) -> Path:
        """The script."""
        return folder / "node_modules/@google/gemini-cli/bundle/gemini.js"

    def launch(self, ask: Ask) -> Launch:
        """The model is always named: without, a further request would choose it."""
        settings = {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "mcpServers": mcp_servers(ask.config),
        }
        flags = ("-m", ask.model, "--yolo", "-o", "json")
        return Launch(
            (str(ask.installed.interpreter), str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env={
                "GEMINI_API_KEY": ask.token,
                "GOOGLE_GEMINI_BASE_URL": URL,
                "GEMINI_CLI_TRUST_WORKSPACE": "true",
            },
            files={".gemini/settings.json": json.dumps(settings)},
            stdin=PROMPT,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """Messages are written again as they grow, under the same id: the last counts."""
        messages: dict[str, dict[str, Any]] = {}
        session = ""
        for name in sorted(logs):
            whole = parsed(logs[name]) if name.endswith(".json") else None
            lines = as_list(as_dict(whole).get("messages")) if whole else json_lines(logs[name])
            session = as_text(as_dict(whole).get("sessionId")) or session
            for line in map(as_dict, lines):
                session = as_text(line.get("sessionId")) or session
                for message in [line, *map(as_dict, as_list(as_dict(line.get("$set")).get("messages")))]:
                    if message.get("type") in ("user", "gemini"):
                        messages[as_text(message.get("id")) or str(len(messages))] = message
        steps, used = Steps(), Usage()
        for message in messages.values():
            if message["type"] == "user":
                text = text_of(message.get("content"))
                source = "system" if text.startswith("<session_context>") else "user"
                steps.said(source, text, message.get("timestamp"))
                continue
            metrics = _metrics(as_dict(message.get("tokens")))
            thoughts = [as_text(as_dict(one).get("description")) for one in as_list(message.get("thoughts"))]
            steps.replied(
                text_of(message.get("content")),
                reasoning="\n".join(thoughts),
                at=message.get("timestamp"),
                metrics=metrics,
            )
            for call in map(as_dict, as_list(message.get("toolCalls"))):
                steps.called(call.get("id"), call.get("name"), call.get("args"))
                steps.gave(call.get("id"), _result(call))
            used = Usage(
                requests=used.requests + 1,
                input_tokens=used.input_tokens + (metrics.prompt_tokens or 0),
                output_tokens=used.output_tokens + (metrics.completion_tokens or 0),
                cache_read_tokens=used.cache_read_tokens + (metrics.cached_tokens or 0),
            )
        return Heard(steps.steps(), session, "", used if used.requests else None)


def mcp_servers(config: AgentConfig) -> dict[str, Any]:
    """Return MCP servers as Gemini CLI and what was made from it take them; trusted, as nobody is there to ask."""
    return {
        name: {"command": server.command, "args": server.args, "env": server.env, "trust": True}
        for name, server in config.mcp.items()
    }


def _result(call: dict[str, Any]) -> str:
    for part in map(as_dict, as_list(call.get("result"))):
        response = as_dict(as_dict(part.get("functionResponse")).get("response"))
        if response:
            return as_text(response.get("output") or response.get("error") or response)
    shown = call.get("resultDisplay")
    return as_text(shown.get("fileDiff") or shown) if isinstance(shown, dict) else as_text(shown)


def _metrics(raw: dict[str, Any]) -> StepMetrics:
    """Thoughts are counted apart from the output, as in the API."""
    output, thoughts = as_count(raw.get("output")), as_count(raw.get("thoughts")) or 0
    return StepMetrics(
        prompt_tokens=as_count(raw.get("input")),
        completion_tokens=None if output is None else output + thoughts,
        cached_tokens=as_count(raw.get("cached")),
    )
