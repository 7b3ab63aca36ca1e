"""Claude Code: the platform's own package, a native binary that needs no Node."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path

from worktrial.agents.real.contract import PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_count, as_dict, as_list, as_text, files, json_lines, text_of
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import StepMetrics
from worktrial.formats.trial import Usage


class ClaudeCode:
    """`claude -p`, with the prompt on standard input."""

    name = "claude_code"
    title = "Claude Code"
    package = Package(
        "npm", "@anthropic-ai/claude-code", "2.1.328", requirement="@anthropic-ai/claude-code-linux-{arch}@{version}"
    )
    context_file = "CLAUDE.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
    }
    logs = (".claude/projects/*/*.jsonl",)
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """Anthropic Messages."""
        return "anthropic_messages"

    def program(self, folder: Path) -> Path:
        """The binary."""
        arch = "arm64" if platform.machine() in ("aarch64", "arm64") else "x64"
        return folder / f"node_modules/@anthropic-ai/claude-code-linux-{arch}/claude"

    def launch(self, ask: Ask) -> Launch:
        """All permissions are given: the flag is refused to root, which nobody is inside."""
        flags = ["-p", "--model", ask.model, "--dangerously-skip-permissions", "--output-format", "json"]
        written = {}
        if ask.config.mcp:
            written[".worktrial/mcp.json"] = json.dumps({
                "mcpServers": {
                    name: {"type": "stdio", "command": server.command, "args": server.args, "env": server.env}
                    for name, server in ask.config.mcp.items()
                }
            })  # fmt: skip
            flags += ["--mcp-config", "@HOME@/.worktrial/mcp.json", "--strict-mcp-config"]
        return Launch(
            (str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env={"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_API_KEY": ask.token},
            files=written,
            stdin=PROMPT,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """A line is one block of a message; blocks of one message share its id, and each line repeats its usage."""
        steps, session, version = Steps(), "", ""
        used: dict[str, Mapping[str, object]] = {}
        current = None
        for data in files(logs, prefix=".claude/projects/", suffix=".jsonl"):
            for line in json_lines(data):
                message = as_dict(line.get("message"))
                session = as_text(line.get("sessionId")) or session
                version = as_text(line.get("version")) or version
                if line.get("isMeta") or line.get("isSidechain"):
                    continue
                if line.get("type") == "user":
                    current = None
                    _user(steps, message.get("content"), line.get("timestamp"))
                elif line.get("type") == "assistant":
                    key = as_text(message.get("id"))
                    if key != current or not steps.last_is_agents():
                        steps.replied(at=line.get("timestamp"))
                        current = key
                    _assistant(steps, message.get("content"))
                    used[key] = as_dict(message.get("usage"))
                    steps.measured(_metrics(used[key]))
        return Heard(steps.steps(), session, version, _usage(list(used.values())))


def _user(steps: Steps, content: object, at: object) -> None:
    if isinstance(content, str):
        steps.said("user", content, at)
    for block in map(as_dict, as_list(content)):
        if block.get("type") == "tool_result":
            steps.gave(block.get("tool_use_id"), text_of(block.get("content")))
        elif block.get("type") == "text":
            steps.said("user", block.get("text"), at)


def _assistant(steps: Steps, content: object) -> None:
    for block in map(as_dict, as_list(content)):
        if block.get("type") == "text":
            steps.more(block.get("text"))
        elif block.get("type") == "thinking":
            steps.more(reasoning=block.get("thinking"))
        elif block.get("type") == "tool_use":
            steps.called(block.get("id"), block.get("name"), block.get("input"))


def _metrics(raw: Mapping[str, object]) -> StepMetrics:
    """Anthropic counts what came from and went to the cache apart from the input."""
    read = as_count(raw.get("cache_read_input_tokens")) or 0
    plain = as_count(raw.get("input_tokens"))
    written = as_count(raw.get("cache_creation_input_tokens")) or 0
    return StepMetrics(
        prompt_tokens=None if plain is None else plain + read + written,
        completion_tokens=as_count(raw.get("output_tokens")),
        cached_tokens=read,
    )


def _usage(all_used: list[Mapping[str, object]]) -> Usage | None:
    if not all_used:
        return None
    metrics = [_metrics(raw) for raw in all_used]
    return Usage(
        requests=len(metrics),
        input_tokens=sum(one.prompt_tokens or 0 for one in metrics),
        output_tokens=sum(one.completion_tokens or 0 for one in metrics),
        cache_read_tokens=sum(one.cached_tokens or 0 for one in metrics),
        cache_write_tokens=sum(as_count(raw.get("cache_creation_input_tokens")) or 0 for raw in all_used),
    )
