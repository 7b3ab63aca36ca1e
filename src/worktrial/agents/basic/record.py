"""The trajectory of one attempt, kept as it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from worktrial import __version__
from worktrial.agents.basic.messages import Reply, Result, ToolSpec
from worktrial.formats.base import now
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import (
    AgentInfo,
    Observation,
    ObservationResult,
    Step,
    ToolCall,
    Trajectory,
)
from worktrial.store.files import writing


class Record:
    """What happened in one attempt: steps, tool calls, and a log on disk that a kill leaves behind."""

    def __init__(self, log: Path) -> None:
        self.tool_calls: Counter[str] = Counter()
        self.served_by: Counter[str] = Counter()
        """Calls by tool and layer, `definition/language_server`."""
        self.requests = 0
        self._steps: list[Step] = []
        self._log = log

    def note(self, text: str) -> None:
        """Append a line to the log."""
        with writing(self._log), self._log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{now():%Y-%m-%dT%H:%M:%SZ} {text}\n")

    def called(self, tool: str, layer: str) -> None:
        """Count a call, and which layer served it if the tool has several."""
        self.tool_calls[tool] += 1
        if layer:
            self.served_by[f"{tool}/{layer}"] += 1

    def said(self, source: str, text: str) -> None:
        """Record what the model was told by us, as `system` or as `user`."""
        step = Step(
            step_id=len(self._steps) + 1,
            timestamp=now(),
            source="system" if source == "system" else "user",
            message=text,
        )
        self._steps.append(step)

    def replied(self, reply: Reply) -> None:
        """Record what the model said. What that used and cost is in the gateway's record."""
        self.requests += 1
        calls = tuple(
            ToolCall(tool_call_id=call.id, function_name=call.name, arguments=call.arguments) for call in reply.calls
        )
        step = Step(
            step_id=len(self._steps) + 1,
            timestamp=now(),
            source="agent",
            message=reply.text,
            reasoning_content=reply.reasoning or None,
            tool_calls=calls or None,
        )
        self._steps.append(step)

    def observed(self, results: Sequence[Result]) -> None:
        """Record what the calls of the last step gave."""
        observation = Observation(
            results=tuple(ObservationResult(source_call_id=result.call_id, content=result.text) for result in results)
        )
        self._steps[-1] = self._steps[-1].model_copy(update={"observation": observation})

    def trajectory(self, config: AgentConfig, session: str, tools: Sequence[ToolSpec]) -> Trajectory:
        """Return all of it in ATIF."""
        definitions = tuple(
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
            }
            for tool in tools
        )
        return Trajectory(
            session_id=session,
            agent=AgentInfo(
                name=config.name, version=__version__, model_name=config.model, tool_definitions=definitions
            ),
            steps=tuple(self._steps),
        )
