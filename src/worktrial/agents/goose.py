"""goose: no registry that worktrial installs from has it, so the program on PATH is taken.

Written after its documentation and source, not yet seen to run: its first trial deserves a look at `agent.log`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worktrial.agents.real.contract import CAPTURED, PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_dict, as_list, as_text, json_objects, text_of
from worktrial.formats.run import AgentConfig


class Goose:
    """`goose run -i -`, with its developer tools and no session kept."""

    name = "goose"
    title = "goose"
    package = Package("path", "goose", "")
    context_file = "AGENTS.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {"GOOSE_DISABLE_KEYRING": "1", "GOOSE_TELEMETRY_ENABLED": "false"}
    logs: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """Chat completions, or Messages where the configuration says `api = "anthropic"`."""
        return "anthropic_messages" if config.api == "anthropic" else "openai_chat"

    def program(self, folder: Path) -> Path:
        """The program itself."""
        return folder / "goose"

    def launch(self, ask: Ask) -> Launch:
        """An OpenAI host takes the path apart from the address."""
        flags = ["run", "--no-session", "--output-format", "stream-json", "--with-builtin", "developer", "-i", "-"]
        for server in ask.config.mcp.values():
            words = [*(f"{key}={value}" for key, value in server.env.items()), server.command, *server.args]
            flags += ["--with-extension", shlex.join(words)]
        env = {"GOOSE_MODEL": ask.model, "GOOSE_MODE": "auto"}
        if ask.config.api == "anthropic":
            env |= {"GOOSE_PROVIDER": "anthropic", "ANTHROPIC_HOST": URL, "ANTHROPIC_API_KEY": ask.token}
        else:
            env |= {"GOOSE_PROVIDER": "openai", "OPENAI_HOST": URL, "OPENAI_API_KEY": ask.token}
            env |= {"OPENAI_BASE_PATH": "v1/chat/completions"}
        return Launch(
            (str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env=env,
            stdin=PROMPT,
            capture=True,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """Messages as they come (`stream-json`), or all of them at the end (`json`)."""
        steps, last = Steps(), ""
        for value in json_objects(logs.get(CAPTURED, b"").decode("utf-8", "replace")):
            many = as_list(value.get("messages")) or [value.get("message")]
            for message in map(as_dict, many):
                last = _message(steps, message, last)
        return Heard(steps.steps())


def _message(steps: Steps, message: dict[str, Any], last: str) -> str:
    """Add a message, or what a stream adds to the one before: it has the same id. Return that id."""
    parts = [as_dict(part) for part in as_list(message.get("content"))]
    key = as_text(message.get("id"))
    if message.get("role") == "user":
        steps.said("user", "\n".join(as_text(part.get("text")) for part in parts if part.get("text")))
    elif parts and (not key or key != last or not steps.last_is_agents()):
        steps.replied(at=message.get("created"))
    for part in parts:
        if part.get("type") == "toolResponse":
            value = as_dict(as_dict(part.get("toolResult")).get("value"))
            steps.gave(part.get("id"), text_of(value.get("content")) or json.dumps(part.get("toolResult")))
        elif message.get("role") == "user":
            continue
        elif part.get("type") == "toolRequest":
            call = as_dict(as_dict(part.get("toolCall")).get("value"))
            steps.called(part.get("id"), call.get("name"), call.get("arguments"))
        elif part.get("type") == "thinking":
            steps.more(reasoning=part.get("thinking"))
        elif part.get("type") == "text":
            steps.more(part.get("text"))
    return key
