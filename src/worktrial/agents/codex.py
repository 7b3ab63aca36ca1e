"""Codex CLI: the platform's own package, a native binary that needs no Node."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from worktrial.agents.real.contract import PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_count, as_dict, as_text, files, json_lines, text_of
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import StepMetrics
from worktrial.formats.trial import Usage

_TRIPLES = {"x64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"}
_INJECTED = ("<environment_context>", "<user_instructions>", "# AGENTS.md instructions", "<permissions", "<skills")


class Codex:
    """`codex exec`, with the prompt on standard input.

    A model its binary does not know by name gets no `apply_patch` tool and edits by its shell: a fair comparison names
    models it knows.
    """

    name = "codex"
    title = "Codex CLI"
    package = Package("npm", "@openai/codex", "0.169.0", requirement="{name}@{version}-linux-{arch}")
    context_file = "AGENTS.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {}
    logs = (".codex/sessions/*/*/*/rollout-*.jsonl",)
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """OpenAI Responses; nothing else since 0.150 or so."""
        return "openai_responses"

    def program(self, folder: Path) -> Path:
        """The binary."""
        arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x64"
        return folder / f"node_modules/@openai/codex/vendor/{_TRIPLES[arch]}/bin/codex"

    def launch(self, ask: Ask) -> Launch:
        """The provider is one of our own, as the built-in one ignores a base URL and tries WebSockets first."""
        settings: dict[str, Any] = {
            "model": ask.model,
            "model_provider": "gateway",
            "check_for_update_on_startup": False,
            "analytics": {"enabled": False},
            "feedback": {"enabled": False},
            "features": {"plugins": False, "apps": False},
            "model_providers": {
                "gateway": {
                    "name": "gateway",
                    "base_url": f"{URL}/v1",
                    "env_key": "WORKTRIAL_TOKEN",
                    "wire_api": "responses",
                }
            },
            "mcp_servers": {
                name: {"command": server.command, "args": list(server.args), "env": server.env}
                for name, server in ask.config.mcp.items()
            },
        }
        flags = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json")
        return Launch(
            (str(self.program(ask.installed.folder)), "exec", *flags, *ask.config.args, "-"),
            env={"WORKTRIAL_TOKEN": ask.token},
            files={".codex/config.toml": tomli_w.dumps(settings)},
            stdin=PROMPT,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """Messages and calls are `response_item`s; usage is told after each answer, and once more as a sum."""
        steps, session, version, total = Steps(), "", "", None
        for data in files(logs, prefix=".codex/sessions/", suffix=".jsonl"):
            answered = False
            for line in json_lines(data):
                payload, at = as_dict(line.get("payload")), line.get("timestamp")
                if line.get("type") == "session_meta":
                    session = as_text(payload.get("id")) or session
                    version = as_text(payload.get("cli_version")) or version
                elif line.get("type") == "response_item":
                    answered = _item(steps, payload, at, answered)
                elif payload.get("type") == "token_count":
                    info = as_dict(payload.get("info"))
                    if last := as_dict(info.get("last_token_usage")):
                        steps.measured(_metrics(last))
                        answered = False
                    total = as_dict(info.get("total_token_usage")) or total
        return Heard(steps.steps(), session, version, _usage(total))


def _item(steps: Steps, item: dict[str, Any], at: object, answered: bool) -> bool:
    """Add one item; return whether the step it went to is still open for more of the same answer."""
    kind = item.get("type")
    if (kind == "message" and item.get("role") == "assistant") or kind == "reasoning" or str(kind).endswith("_call"):
        if not answered:
            steps.replied(at=at)
        if kind == "message":
            steps.more(text_of(item.get("content")))
        elif kind == "reasoning":
            steps.more(reasoning=text_of(item.get("summary")) or text_of(item.get("content")))
        else:
            given = item.get("arguments") or item.get("input") or item.get("action")
            steps.called(item.get("call_id") or item.get("id"), item.get("name") or kind, given)
        return True
    if kind == "message":
        _told(steps, item, at)
    elif str(kind).endswith("_call_output"):
        steps.gave(item.get("call_id"), _output(item.get("output")))
    return False


def _told(steps: Steps, item: dict[str, Any], at: object) -> None:
    text = text_of(item.get("content"))
    injected = as_dict(item.get("provenance")).get("type") == "harness" or text.startswith(_INJECTED)
    steps.said("user" if item.get("role") == "user" and not injected else "system", text, at)


def _output(output: object) -> str:
    if isinstance(output, list):
        return text_of(output)
    if isinstance(output, dict):
        return text_of(output.get("content")) or json.dumps(output)
    return as_text(output)


def _metrics(raw: dict[str, Any]) -> StepMetrics:
    return StepMetrics(
        prompt_tokens=as_count(raw.get("input_tokens")),
        completion_tokens=as_count(raw.get("output_tokens")),
        cached_tokens=as_count(raw.get("cached_input_tokens")),
    )


def _usage(raw: dict[str, Any] | None) -> Usage | None:
    if raw is None:
        return None
    return Usage(
        input_tokens=as_count(raw.get("input_tokens")) or 0,
        output_tokens=as_count(raw.get("output_tokens")) or 0,
        cache_read_tokens=as_count(raw.get("cached_input_tokens")) or 0,
    )
