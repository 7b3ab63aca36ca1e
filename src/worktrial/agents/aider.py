"""aider: a Python package that edits by blocks in the model's text and has no tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from worktrial.agents.mini_swe_agent import litellm_environment, litellm_model
from worktrial.agents.real.contract import HOME, PROMPT, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps
from worktrial.formats.run import AgentConfig

_FOLDER = ".worktrial/aider"
_HISTORY = f"{_FOLDER}/chat.md"
_APPLIED = re.compile(r"Applied edit to (.+)|(?:Created|Creating) empty file (.+)")
_RAN = re.compile(r"Running (.+)")


class Aider:
    """`aider --message-file`. Its histories are kept out of the repository, and it commits nothing."""

    name = "aider"
    title = "aider"
    package = Package("pip", "aider-chat", "0.86.2", requirement="{name}=={version}", python=">=3.10,<3.13")
    context_file = ""
    mcp = False
    probe = ("--version", "--no-check-update", "--analytics-disable")
    quiet: Mapping[str, str] = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    logs = (f"{_FOLDER}/*",)
    leftovers: tuple[str, ...] = (".aider.tags.cache.v*",)

    def wire(self, config: AgentConfig) -> Wire:
        """Chat completions, or Messages where the configuration says `api = "anthropic"`."""
        return "anthropic_messages" if config.api == "anthropic" else "openai_chat"

    def program(self, folder: Path) -> Path:
        """The script of its virtual environment."""
        return folder / "venv/bin/aider"

    def launch(self, ask: Ask) -> Launch:
        """New files are left staged: a patch is read from the files, not from git's index."""
        flags = ["--model", litellm_model(ask.config), "--yes-always", "--no-auto-commits", "--no-dirty-commits"]
        flags += ["--no-gitignore", "--no-check-update", "--analytics-disable", "--no-show-model-warnings"]
        flags += ["--no-show-release-notes", "--no-pretty", "--no-detect-urls", "--no-fancy-input"]
        flags += ["--chat-history-file", f"{HOME}/{_HISTORY}", "--input-history-file", f"{HOME}/{_FOLDER}/input"]
        flags += ["--llm-history-file", f"{HOME}/{_FOLDER}/llm", "--message-file", f"{HOME}/.worktrial/prompt.md"]
        return Launch(
            (str(ask.installed.interpreter), str(self.program(ask.installed.folder)), *flags, *ask.config.args),
            env=litellm_environment(ask),
            files={".worktrial/prompt.md": PROMPT, f"{_FOLDER}/input": ""},
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """`####` begins what was asked, `>` what aider did or said itself; all else is the model's."""
        steps = Steps()
        asked: list[str] = []
        answer: list[str] = []
        edits = 0

        def close() -> None:
            if asked:
                steps.said("user", "\n".join(asked).strip())
                asked.clear()
            if text := "\n".join(answer).strip():
                steps.replied(text)
            answer.clear()

        for line in logs.get(_HISTORY, b"").decode("utf-8", "replace").splitlines():
            if line.startswith("#### "):
                if answer:
                    close()
                asked.append(line[5:].rstrip())
            elif line.startswith("# aider chat started at "):
                close()
            elif line.startswith("> "):
                did = line[2:].strip()
                applied, ran = _APPLIED.fullmatch(did), _RAN.fullmatch(did)
                if applied or ran:
                    close()
                    edits += 1
                    call_id = f"aider-{edits}"
                    if applied:
                        steps.called(call_id, "edit", {"path": applied[1] or applied[2]})
                    elif ran:
                        steps.called(call_id, "shell", {"command": ran[1]})
                    steps.gave(call_id, did)
            elif asked or line.strip() or answer:
                if asked and line.strip():
                    steps.said("user", "\n".join(asked).strip())
                    asked.clear()
                answer.append(line)
        close()
        return Heard(steps.steps())
