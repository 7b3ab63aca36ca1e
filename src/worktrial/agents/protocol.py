"""The contract of an agent: it gets a prompt and a workspace, and says what it did and used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worktrial.agents.metered import Metered
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.formats.trajectory import Trajectory
from worktrial.formats.trial import ToolUse, TrialEnd, Usage
from worktrial.gateway.limits import Budget
from worktrial.languages.protocol import Checks
from worktrial.sandboxes.protocol import Mount, Workspace


@dataclass(frozen=True)
class Endpoint:
    """A trial's way to its model: the gateway's unix socket, the only thing of the network in a sandbox."""

    socket: Path
    path: str
    """What the base URL ends with, `/run/…`: by it the gateway tells trials apart."""
    port: int | None
    """Of 127.0.0.1, where the gateway listens too for sandboxes that have no unix sockets; None: it does not."""
    metered: Callable[[], Metered]
    """Return what was asked so far."""
    token: str = "sk-worktrial"  # noqa: S105 - stands where a key would; the real ones are in the gateway alone
    """Given to the agent in the place of a key."""


class Gateway(Protocol):
    """Whatever opens endpoints: the gateway, or a scripted model server in tests."""

    def endpoint(self, trial: str, config: AgentConfig, folder: Path) -> AbstractAsyncContextManager[Endpoint]:
        """Open an endpoint for one attempt at the trial `agent/task/n`; its record goes into `folder`.

        Raises `InfrastructureError`.
        """
        ...


@dataclass(frozen=True)
class Attempt:
    """What an agent is given."""

    trial: str
    """`agent/task/n`: for records, never shown to the agent."""
    prompt: str
    """What is asked; of several prompts the first, or all in one for agents that take no further ones."""
    workspace: Workspace
    env: Mapping[str, str]
    """Variables that put the task's environment in reach (PATH and the like) of commands run in the workspace."""
    mounts: tuple[Mount, ...]
    """What those commands need to see of the host."""
    limits: TrialLimits
    budget: Budget
    logs: Path
    """Folder for what the agent prints; made already."""
    checks: Checks
    """The project's own tests, diagnostics, lint, format and build."""
    solution: Callable[[], bytes]
    """The landed change as a patch. Only the oracle calls it."""
    then: tuple[str, ...] = ()
    """What is asked next, each time the agent says that it is done. Empty for agents that are not `converses`."""
    gateway: Gateway | None = None
    """None: agents that need one end as *infrastructure*."""


@dataclass(frozen=True)
class Outcome:
    """What an agent says of its attempt. What it changed is read from the workspace, not from here."""

    ended: TrialEnd
    exit_code: int | None = None
    cause: str = ""
    """Machine-readable, e.g. `provider_error`, `timeout`, `step_limit`; empty when completed."""
    detail: str = ""
    usage: Usage = field(default_factory=Usage)
    steps: int = 0
    tool_calls: Mapping[str, int] = field(default_factory=dict)
    tool_use: ToolUse | None = None
    version: str = ""
    """Of the program, where it has one of its own."""
    served_by: Mapping[str, int] = field(default_factory=dict)
    """Calls about code by tool and the layer that served them, `definition/language_server`."""
    trajectory: Trajectory | None = None


class Agent(Protocol):
    """A contender, ready to be tried any number of times at once."""

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Work on the task in the attempt's workspace.

        Failures that are not the agent's (a provider that is down, a sandbox that failed) are returned with
        `ended="infrastructure"` or raised as `InfrastructureError`; cancellation is passed on.
        """
        ...
