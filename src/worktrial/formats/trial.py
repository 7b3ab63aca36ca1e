"""Trials: one attempt of one agent at one task, and what it used."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp

TrialEnd = Literal["completed", "error", "timeout", "limit", "budget", "infrastructure"]
"""How the agent's part ended. *error*: it gave up or exited non-zero. *limit*: steps, memory, output or disk.
*budget*: the run's money ran out. *infrastructure*: not the agent's doing. All but *infrastructure* and *budget*
are graded by what lies in the workspace."""


HowAsked = Literal["conversation", "consolidated"]
"""How a task of several prompts was put to an agent. *conversation*: turn by turn, each when it was done with the one
before. *consolidated*: all in one text, because the agent takes no further prompts."""


class Usage(Record):
    """What a trial used of a model. All counts are sums over its requests."""

    requests: int = 0
    input_tokens: int = 0
    """Including those read from and written to a cache."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    """None: unknown, because no price is known; 0 only for agents that call no model."""
    cost_source: Literal["metered", "reported", "estimated"] | None = None
    """None when `cost_usd` is None."""


ToolKind = Literal["read", "search", "edit", "run_test", "validate", "other"]
"""What a tool call was for. *validate*: builds, linters, type checkers, diagnostics."""


class ToolUse(Record):
    """What an agent's tool calls were for, as far as their names and command lines tell. One call is of one kind."""

    calls: dict[ToolKind, int] = Field(default_factory=dict)
    """Number of calls by kind; kinds that did not occur are left out."""
    tests_after_last_edit: int = 0
    """How often tests were run between the last edit and the end."""


class Timings(Record):
    """Where a trial's wall-clock time went, seconds."""

    workspace_s: float = 0.0
    agent_s: float = 0.0
    patch_s: float = 0.0
    grade_s: float = 0.0
    """All of grading, the test process included."""
    test_s: float = 0.0
    """The test process alone."""

    def overhead_s(self) -> float:
        """Return all that was neither agent nor tests."""
        return self.workspace_s + self.patch_s + self.grade_s - self.test_s


class Trial(Record):
    """`trial.json`: written when the agent's part is over; its presence means the trial is finished but for grading."""

    format: Literal["worktrial/trial@1"] = "worktrial/trial@1"
    agent: str
    task: str
    n: int
    """From 1."""
    started_at: Timestamp
    ended: TrialEnd
    exit_code: int | None = None
    cause: str = ""
    """Machine-readable cause when `ended` is not *completed*."""
    detail: str = ""
    usage: Usage = Field(default_factory=Usage)
    tool_calls: dict[str, int] = Field(default_factory=dict)
    """Number of calls by tool name; empty for agents that do not say."""
    tool_use: ToolUse | None = None
    """The same calls by what they were for; None when the agent's calls are not known."""
    agent_version: str = ""
    """Of the agent's program, where it has one of its own."""
    served_by: dict[str, int] = Field(default_factory=dict)
    """Calls about code by tool and the layer that served them, `definition/language_server`."""
    steps: int = 0
    timings: Timings = Field(default_factory=Timings)
    control: bool = False
    """Whether the agent measures the suite: the oracle and the no-op."""
    asked: HowAsked | None = None
    """None: the task has one prompt."""
    sandbox: str
    """Tier of isolation the agent ran in, e.g. `namespaces`."""
    patch_files: int = 0
    patch_bytes: int = 0
