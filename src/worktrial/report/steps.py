"""The steps of a trajectory as markup. Written by hand for its size: with the diffs it is most of a report."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

from worktrial.agents.tool_use import kind_of
from worktrial.formats.trajectory import Step, ToolCall, Trajectory
from worktrial.pages.text import Excerpt, plain, shorten

MESSAGE_CHARACTERS = 8000
"""Of one message, one call's arguments, or what one call gave back."""
TRAJECTORY_CHARACTERS = 600_000
"""Of all a trajectory shows."""
TRAJECTORY_STEPS = 300
_SCROLLS = ' tabindex="0"'
"""What scrolls by itself can be scrolled by keys alone only when it can be reached by them."""
_CALLS_NAMED = 4
_FAILED = re.compile(
    r"(?im)^traceback \(most recent call last\)|\bexit(?:ed)?(?: with)?(?: (?:code|status))?[:= ]+[1-9]\d{0,2}\b"
    r"|^(?:\w+\.)*\w*(?:error|exception): |^(?:error|fatal|failed)\b[: ]|\bcommand not found$|^=+ .*\b[1-9]\d* failed\b"
)
"""What failures look like in what calls give back: the format has no field that says so."""
_TAIL = 4000


@dataclass(frozen=True)
class TrajectoryView:
    """What is shown of a trajectory."""

    steps: Markup
    total: int
    agent: str
    kinds: list[tuple[str, int]]
    """What steps were for, or their source when they called nothing, and how many; the most frequent first."""
    errors: int
    """Steps that look like failures."""
    cut: str = ""


def trajectory_view(trajectory: Trajectory | None) -> TrajectoryView | None:
    """Return what is shown of a trajectory, cleaned and bounded; None when there is none."""
    if trajectory is None:
        return None
    room = TRAJECTORY_CHARACTERS
    rows: list[str] = []
    kinds: Counter[str] = Counter()
    errors = 0
    for step in trajectory.steps[:TRAJECTORY_STEPS]:
        own = sorted({_kind(call) for call in step.tool_calls or ()}) or [step.source]
        results = step.observation.results if step.observation else ()
        failed = any(_FAILED.search((result.content or "")[-_TAIL:]) for result in results)
        row, weight = _row(step, own, failed=failed)
        room -= weight
        if room < 0 and rows:
            break
        rows.append(row)
        kinds.update(own)
        errors += failed
    total = len(trajectory.steps)
    cut = f"Cut: {total - len(rows):,} of {total:,} steps are not shown." if len(rows) < total else ""
    agent = " ".join(filter(None, [trajectory.agent.name, trajectory.agent.version, trajectory.agent.model_name]))
    steps = Markup("\n".join(rows))  # noqa: S704  # all but our own tags was escaped
    return TrajectoryView(steps, total, agent, kinds.most_common(), errors, cut)


def excerpt(text: Excerpt, kind: str = "") -> str:
    """Return a text that may have its middle cut out, as the macro of the same name does."""
    opening = f'<pre class="text {kind}"{_SCROLLS if kind == "log" else ""}>\n'
    if not text.cut:
        return f"{opening}{escape(text.head)}</pre>\n"
    return (
        f'{opening}{escape(text.head)}</pre>\n<p class="cut">{escape(text.cut)}</p>\n'
        f"{opening}{escape(text.tail)}</pre>\n"
    )


def _row(step: Step, kinds: Iterable[str], *, failed: bool) -> tuple[str, int]:
    """Return a step as a list item, and the number of characters it shows."""
    calls = [(escape(plain(call.function_name)), _arguments(call.arguments)) for call in step.tool_calls or ()]
    message = shorten(step.message, MESSAGE_CHARACTERS)
    said = escape(" ".join(message.head.split())[:160]) or Markup(", ").join(name for name, _ in calls[:5])
    named = "".join(f" <code>{name}</code>" for name, _ in calls[:_CALLS_NAMED])
    number, source = step.step_id, step.source
    parts = [
        f'<li id="step-{number}" data-k="{" ".join(kinds)}"{" data-e" if failed else ""}><details><summary>'
        f'<span class="who {source}">{number} {source}</span> <span class="said">{said}</span>{named}'
        f"{' <span class=err>error?</span>' if failed else ''}</summary>\n"
    ]
    shown = [message]
    if step.reasoning_content:
        shown.append(shorten(step.reasoning_content, MESSAGE_CHARACTERS))
        parts.append(f"<h4>Reasoning</h4>{excerpt(shown[-1], 'prose')}")
    if message:
        parts.append(excerpt(message, "prose"))
    for name, arguments in calls:
        shown.append(shorten(arguments, MESSAGE_CHARACTERS))
        parts.append(f"<h4>Call: <code>{name}</code></h4>{excerpt(shown[-1])}")
    for result in step.observation.results if step.observation else ():
        shown.append(shorten(result.content or "", MESSAGE_CHARACTERS))
        gave = excerpt(shown[-1], "log") if shown[-1] else '<p class="none">Nothing.</p>'
        parts.append(f"<h4>Gave back</h4>{gave}")
    parts.append(f'<p class="here"><a href="#step-{number}">Link to this step</a></p></details></li>')
    return "".join(parts), sum(len(text.head) + len(text.tail) for text in shown)


def _arguments(arguments: dict[str, Any]) -> str:
    """Return a call's arguments for people: one text as it is, more as JSON with their line breaks."""
    if len(arguments) == 1 and isinstance(only := next(iter(arguments.values())), str):
        return only
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in arguments.items()
    )


def _kind(call: ToolCall) -> str:
    """Return what a call was for. Command lines are taken apart slowly, and many trials give the same ones."""
    if all(isinstance(value, str) for value in call.arguments.values()):
        return _kind_of(call.function_name, tuple(call.arguments.items()))
    return kind_of(call.function_name, call.arguments)


@lru_cache(maxsize=20_000)
def _kind_of(name: str, arguments: tuple[tuple[str, str], ...]) -> str:
    return kind_of(name, dict(arguments))
