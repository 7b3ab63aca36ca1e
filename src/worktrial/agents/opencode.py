"""opencode: the platform's own package, a native binary that needs no Node."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worktrial.agents.real.contract import CAPTURED, PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_count, as_dict, as_text, json_lines
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import StepMetrics

_CONTEXT_TOKENS = 200_000
"""What it believes the model's window to be: it compacts its conversation by that, and knows no model of ours."""


class OpenCode:
    """`opencode run`, with the prompt on standard input: as an argument it would be quoted."""

    name = "opencode"
    title = "opencode"
    package = Package("npm", "opencode-ai", "1.18.33", requirement="opencode-linux-{arch}@{version}")
    context_file = "AGENTS.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    }
    logs: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """Chat completions, or Messages where the configuration says `api = "anthropic"`."""
        return "anthropic_messages" if config.api == "anthropic" else "openai_chat"

    def program(self, folder: Path) -> Path:
        """The binary."""
        arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x64"
        return folder / f"node_modules/opencode-linux-{arch}/bin/opencode"

    def launch(self, ask: Ask) -> Launch:
        """Its own log is a database; what it prints as JSON says the same. A title given saves a request for one."""
        sdk = "@ai-sdk/anthropic" if ask.config.api == "anthropic" else "@ai-sdk/openai-compatible"
        limit = {"context": _CONTEXT_TOKENS, "output": ask.config.max_output_tokens}
        settings = {
            "provider": {
                "gateway": {
                    "npm": sdk,
                    "options": {"baseURL": f"{URL}/v1", "apiKey": "{env:WORKTRIAL_TOKEN}"},
                    "models": {ask.model: {"limit": limit}},
                }
            },
            "permission": {"edit": "allow", "bash": "allow", "webfetch": "deny"},
            "share": "disabled",
            "autoupdate": False,
            "mcp": {
                name: {
                    "type": "local",
                    "command": [server.command, *server.args],
                    "environment": server.env,
                    "enabled": True,
                }
                for name, server in ask.config.mcp.items()
            },
        }
        flags = ("run", "--format", "json", "-m", f"gateway/{ask.model}", "--title", "trial")
        return Launch(
            (str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env={"OPENCODE_CONFIG": "@HOME@/.worktrial/opencode.json", "WORKTRIAL_TOKEN": ask.token},
            files={".worktrial/opencode.json": json.dumps(settings)},
            stdin=PROMPT,
            capture=True,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """Events of one step stand between `step_start` and `step_finish`."""
        steps, session = Steps(), ""
        for line in json_lines(logs.get(CAPTURED, b"")):
            part = as_dict(line.get("part"))
            session = as_text(line.get("sessionID")) or session
            kind = line.get("type")
            if kind == "step_start":
                steps.replied(at=line.get("timestamp"))
            elif kind == "text":
                steps.more(part.get("text"))
            elif kind == "reasoning":
                steps.more(reasoning=part.get("text"))
            elif kind == "tool_use":
                state = as_dict(part.get("state"))
                steps.called(part.get("callID"), part.get("tool"), state.get("input"))
                steps.gave(part.get("callID"), state.get("output") or state.get("error"))
            elif kind == "step_finish":
                steps.measured(_metrics(as_dict(part.get("tokens"))))
        return Heard(steps.steps(), session)


def _metrics(raw: dict[str, Any]) -> StepMetrics:
    """It counts what came from and went to the cache apart from the input, and reasoning apart from the output."""
    cache = as_dict(raw.get("cache"))
    plain, output = as_count(raw.get("input")), as_count(raw.get("output"))
    read, written = as_count(cache.get("read")) or 0, as_count(cache.get("write")) or 0
    return StepMetrics(
        prompt_tokens=None if plain is None else plain + read + written,
        completion_tokens=None if output is None else output + (as_count(raw.get("reasoning")) or 0),
        cached_tokens=read,
    )
