"""A trial before it is over, as far as it is on disk: what the gateway recorded, and the log."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from worktrial import __version__
from worktrial.agents.metered import usage
from worktrial.formats.trajectory import AgentInfo, Step, ToolCall, Trajectory
from worktrial.gateway.conversation import Said, conversation
from worktrial.gateway.reading import Call
from worktrial.pages.text import Excerpt, read_excerpt
from worktrial.redaction.people import Identities, KnownNames
from worktrial.redaction.redactor import Redactor
from worktrial.report.live import SoFar
from worktrial.report.pages import LOG_HEAD_BYTES, LOG_TAIL_BYTES
from worktrial.run.link import requests_of
from worktrial.store.run import TrialDir


def so_far(folder: TrialDir, *, redacted: bool) -> SoFar:
    """Return what there is of a trial. `redacted`: without secrets and people, as it will be once it is over.

    Raises `FormatError` naming the file that is damaged.
    """
    said = list(conversation(folder.path))
    trajectory = _trajectory(folder, said)
    log = read_excerpt(folder.logs / "agent.log", head=LOG_HEAD_BYTES, tail=LOG_TAIL_BYTES)
    if redacted:
        redactor = Redactor(KnownNames(Identities.of_machine()))
        if trajectory is not None:
            told = redactor.json(trajectory.model_dump(mode="json"), "trajectory.json")
            trajectory = Trajectory.model_validate(told)
        if log is not None:
            log = Excerpt(redactor.text(log.head, "agent.log"), redactor.text(log.tail, "agent.log"), log.cut)
    used = usage(requests_of([one.record for one in said]))
    return SoFar(trajectory, log, used.requests, used.input_tokens + used.output_tokens, used.cost_usd)


def _trajectory(folder: TrialDir, said: Iterable[Said]) -> Trajectory | None:
    steps: list[Step] = []
    for one in said:
        if one.side or not (one.reading.text or one.reading.reasoning or one.reading.calls):
            continue
        calls = tuple(
            ToolCall(tool_call_id=call.id, function_name=call.name, arguments=_arguments(call))
            for call in one.reading.calls
        )
        steps.append(
            Step(
                step_id=len(steps) + 1,
                timestamp=one.record.at,
                source="agent",
                message="".join(one.reading.text),
                reasoning_content="".join(one.reading.reasoning) or None,
                tool_calls=calls or None,
            )
        )
    if not steps:
        return None
    return Trajectory(session_id="", agent=AgentInfo(name=folder.agent, version=__version__), steps=tuple(steps))


def _arguments(call: Call) -> dict[str, Any]:
    """Return what a call was given; what is no JSON object, as one text."""
    try:
        found = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return {"input": call.arguments}
    return found if isinstance(found, dict) else {"input": call.arguments}
