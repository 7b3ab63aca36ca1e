"""mini-swe-agent: a Python package; its only tool is a shell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worktrial.agents.real.contract import URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_count, as_dict, as_list, as_text, parsed, text_of
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import StepMetrics

_TRAJECTORY = ".worktrial/trajectory.json"


class MiniSweAgent:
    """`mini --yolo`. The task goes into a configuration file: as an argument it could not be longer than 128 KiB."""

    name = "mini_swe_agent"
    title = "mini-swe-agent"
    # litellm imports mcp without saying so; without it, each request is tried again for minutes.
    package = Package(
        "pip", "mini-swe-agent", "2.4.6", requirement="{name}=={version}", beside=("mcp",), python=">=3.10"
    )
    context_file = ""
    mcp = False
    probe = ("--help",)
    quiet: Mapping[str, str] = {
        "MSWEA_CONFIGURED": "true",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
    }
    logs = (_TRAJECTORY,)
    leftovers: tuple[str, ...] = ()

    def wire(self, config: AgentConfig) -> Wire:
        """Chat completions, or Messages where the configuration says `api = "anthropic"`."""
        return "anthropic_messages" if config.api == "anthropic" else "openai_chat"

    def program(self, folder: Path) -> Path:
        """The script of its virtual environment."""
        return folder / "venv/bin/mini"

    def launch(self, ask: Ask) -> Launch:
        """Its own cost limit is off: it cannot know the price of a model behind a gateway."""
        # No placeholder may be found in the prompt, hence no at sign.
        task = json.dumps({"run": {"task": ask.prompt}}).replace("@", "\\u0040")
        flags = ["-y", "--exit-immediately", "-l", "0", "-m", litellm_model(ask.config)]
        flags += ["-c", "mini.yaml", "-c", "@HOME@/.worktrial/task.yaml", "-o", f"@HOME@/{_TRAJECTORY}"]
        return Launch(
            (str(ask.installed.interpreter), str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env=litellm_environment(ask),
            files={".worktrial/task.yaml": task},
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """All messages of the conversation, as chat completions have them."""
        whole = as_dict(parsed(logs.get(_TRAJECTORY, b"")))
        steps = Steps()
        for message in map(as_dict, as_list(whole.get("messages"))):
            extra = as_dict(message.get("extra"))
            at = extra.get("timestamp")
            role = message.get("role")
            if role == "assistant":
                used = as_dict(as_dict(extra.get("response")).get("usage"))
                steps.replied(
                    text_of(message.get("content")), reasoning=message.get("reasoning_content"), at=at,
                    metrics=chat_metrics(used) if used else None,
                )  # fmt: skip
                for call in map(as_dict, as_list(message.get("tool_calls"))):
                    function = as_dict(call.get("function"))
                    steps.called(call.get("id"), function.get("name"), function.get("arguments"))
            elif role == "tool":
                steps.gave(message.get("tool_call_id"), text_of(message.get("content")))
            elif role in ("system", "user"):
                steps.said(str(role), text_of(message.get("content")), at)
        version = as_text(as_dict(whole.get("info")).get("mini_version"))
        return Heard(steps.steps(), version=version)


def litellm_model(config: AgentConfig) -> str:
    """Return a model's name as litellm wants it, the wire first."""
    return f"{'anthropic' if config.api == 'anthropic' else 'openai'}/{config.model}"


def litellm_environment(ask: Ask) -> dict[str, str]:
    """Return the variables that point litellm at the gateway."""
    if ask.config.api == "anthropic":
        return {"ANTHROPIC_API_KEY": ask.token, "ANTHROPIC_API_BASE": URL, "ANTHROPIC_BASE_URL": URL}
    return {"OPENAI_API_KEY": ask.token, "OPENAI_API_BASE": f"{URL}/v1", "OPENAI_BASE_URL": f"{URL}/v1"}


def chat_metrics(used: Mapping[str, Any]) -> StepMetrics:
    """Return what a chat completion's `usage` says."""
    return StepMetrics(
        prompt_tokens=as_count(used.get("prompt_tokens")),
        completion_tokens=as_count(used.get("completion_tokens")),
        cached_tokens=as_count(as_dict(used.get("prompt_tokens_details")).get("cached_tokens")),
    )
