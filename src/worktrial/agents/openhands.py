"""OpenHands: a Python package for 3.12 and newer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from worktrial.agents.mini_swe_agent import litellm_model
from worktrial.agents.real.contract import HOME, PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_dict, as_text, parsed, text_of
from worktrial.formats.run import AgentConfig

_LONGEST_ARGUMENT = 120_000
"""Bytes: Linux takes no argument of 128 KiB or more. From a file, a prompt comes with words of OpenHands around it."""


class OpenHands:
    """`openhands --headless`."""

    name = "openhands"
    title = "OpenHands"
    package = Package(
        "pip", "openhands", "1.16.0", requirement="{name}=={version}", built=("func-timeout",), python=">=3.12,<3.14"
    )
    context_file = "AGENTS.md"
    mcp = True
    probe = ("--version",)
    quiet: Mapping[str, str] = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "OPENHANDS_SUPPRESS_BANNER": "1",
        "DO_NOT_TRACK": "1",
    }
    logs = (".openhands/conversations/*/events/event-*.json",)
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """Chat completions, or Messages where the configuration says `api = "anthropic"`."""
        return "anthropic_messages" if config.api == "anthropic" else "openai_chat"

    def program(self, folder: Path) -> Path:
        """The script of its virtual environment."""
        return folder / "venv/bin/openhands"

    def launch(self, ask: Ask) -> Launch:
        """Headless, it approves all actions itself."""
        flags = ["--headless", "--json", "--override-with-envs"]
        written = {}
        if len(ask.prompt.encode()) < _LONGEST_ARGUMENT:
            flags += ["-t", PROMPT]
        else:
            flags += ["-f", f"{HOME}/.worktrial/prompt.md"]
            written[".worktrial/prompt.md"] = PROMPT
        if ask.config.mcp:
            written[".openhands/mcp.json"] = json.dumps({
                "mcpServers": {
                    name: {"command": server.command, "args": server.args, "env": server.env}
                    for name, server in ask.config.mcp.items()
                }
            })  # fmt: skip
        base = URL if ask.config.api == "anthropic" else f"{URL}/v1"
        return Launch(
            (str(ask.installed.interpreter), str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env={"LLM_API_KEY": ask.token, "LLM_BASE_URL": base, "LLM_MODEL": litellm_model(ask.config)},
            files=written,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """One file an event; several actions of one answer share its id."""
        steps, session, current = Steps(), "", None
        for name in sorted(logs):
            event = as_dict(parsed(logs[name]))
            at, kind = event.get("timestamp"), event.get("kind")
            session = name.split("/")[2] if name.count("/") > 2 else session
            if kind == "SystemPromptEvent":
                steps.said("system", as_dict(event.get("system_prompt")).get("text"), at)
            elif kind == "MessageEvent" and event.get("source") == "user":
                steps.said("user", text_of(as_dict(event.get("llm_message")).get("content")), at)
            elif kind == "MessageEvent":
                message = as_dict(event.get("llm_message"))
                steps.replied(text_of(message.get("content")), reasoning=message.get("reasoning_content"), at=at)
            elif kind == "ActionEvent":
                answer = as_text(event.get("llm_response_id"))
                if answer != current or not steps.last_is_agents():
                    current = answer
                    steps.replied(text_of(event.get("thought")), reasoning=event.get("reasoning_content"), at=at)
                call = as_dict(event.get("tool_call"))
                given = call.get("arguments") or as_dict(call.get("function")).get("arguments")
                steps.called(event.get("tool_call_id"), event.get("tool_name"), given or event.get("action"))
            elif kind in ("ObservationEvent", "AgentErrorEvent", "UserRejectObservation"):
                seen = as_dict(event.get("observation"))
                text = text_of(seen.get("content")) or as_text(seen.get("output")) or as_text(event.get("error"))
                steps.gave(event.get("tool_call_id"), text)
        return Heard(steps.steps(), session)
