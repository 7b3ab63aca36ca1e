"""What was asked of a run (`run.toml`) and what it ran with (`lock.json`)."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.gateway import GatewayConfig
from worktrial.formats.suite import TaskMark


class TrialLimits(Record):
    """Limits of one trial; the sandbox enforces all but the steps."""

    timeout_s: float = 1800.0
    """Wall-clock seconds for the agent's part."""
    memory_mib: int = 4096
    """Resident memory of all processes together."""
    disk_mib: int = 2048
    """What a trial may write into its workspace and temporary files."""
    output_mib: int = 64
    """What one command may print before it is ended."""
    processes: int = 512
    cpu_s: float = 7200.0
    """Processor seconds of one command, all its processes together where the machine can tell."""
    open_files: int = 4096
    """Of one process."""
    standby_s: float = 15.0
    """Seconds without a call after which what still runs in a workspace is frozen; 0: never."""
    steps: int = 100
    """Model requests a built-in harness may make."""
    cost_usd: float | None = None
    """What the models of a trial may cost, enforced by the gateway; None: no limit."""
    tokens: int | None = None
    """Input and output together that a trial may use, likewise."""


class McpServer(Record):
    """An MCP server that an agent starts inside its sandbox and speaks to over standard input and output."""

    command: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    """Not for secrets: they are written down."""


class AgentConfig(Record):
    """A contender: an agent with its model and settings. In `worktrial.toml` it is a table `[agents.NAME]`."""

    name: str
    """Unique within the run, safe as a file name."""
    kind: str
    """Name of the plugin that runs it: `oracle`, `nop`, `basic`, `command`, …"""
    model: str | None = None
    base_url: str | None = None
    """Endpoint of a model server, up to but without `/chat/completions` or `/v1/messages`."""
    api: Literal["openai", "anthropic"] = "openai"
    key_env: str | None = None
    """Name of the environment variable that holds the key: the key itself is never written down."""
    command: tuple[str, ...] = ()
    """Program and arguments of a `command` agent, run in the workspace."""
    mounts: tuple[str, ...] = ()
    """Host directories or files shown read-only, at the same path, to an agent that runs inside."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables set for an agent that runs inside. Not for secrets: they are written down."""
    version: str | None = None
    """Of a real agent's program; None: the one worktrial was last tried with."""
    args: tuple[str, ...] = ()
    """Given to a real agent's program besides its own arguments."""
    context: str = "keep"
    """Files of the repository with instructions for agents (AGENTS.md, CLAUDE.md, …): `keep` them, take them away
    (`none`), or the path of a file to have in their place."""
    mcp: dict[str, McpServer] = Field(default_factory=dict)
    """MCP servers by name, for real agents that take them."""
    verify: bool = False
    """Whether it is given the project's own checks as tools: built in for ours, by MCP for real agents."""
    max_output_tokens: int = 8192
    """Asked of the model per request."""
    temperature: float | None = None
    """None: the server's default."""
    input_usd_per_mtok: float | None = None
    """Price that goes before the built-in list; None: use the list. Both prices or neither."""
    output_usd_per_mtok: float | None = None
    cutoff: date | None = None
    """Last day of what its model was trained on; None: unknown. Tasks that landed later it cannot have seen."""
    budget_usd: float | None = Field(default=None, ge=0)
    """What all its trials of a run may cost together; its other trials are left then. None: no limit of its own."""
    budget_tokens: int | None = Field(default=None, ge=0)
    """Input and output of all its trials together, likewise."""

    def without_budget(self) -> AgentConfig:
        """Return the contender as what it is, whatever may be spent on it."""
        return self.model_copy(update={"budget_usd": None, "budget_tokens": None})


class RunRequest(Record):
    """`run.toml`: all that was asked. The same request on the same directory resumes."""

    format: Literal["worktrial/run@1"] = "worktrial/run@1"
    suite: str
    """Absolute path."""
    agents: tuple[AgentConfig, ...]
    controls: tuple[AgentConfig, ...] = ()
    """What measures the suite beside the agents asked for: one trial per task each."""
    trials: int
    """Of each agent per task."""
    tasks: tuple[str, ...]
    """Ids of the tasks, fixed when the run was made."""
    budget_usd: float | None = None
    """What all trials may cost together; None: no limit."""
    budget_tokens: int | None = None
    """Input and output of all trials together; None: no limit."""
    limits: TrialLimits = Field(default_factory=TrialLimits)
    gateway: GatewayConfig = Field(default_factory=GatewayConfig)
    """The model servers, from `[gateway]`. An agent with a `base_url` has one of its own."""
    replay: str | None = None
    """Absolute path of the run whose record answers in the place of models; None: models are asked."""
    sandbox: str
    """What was asked: a tier's name, or `auto`."""
    runtime: str | None = None
    """Of the docker and podman tiers; None: the tool's default."""

    def everyone(self) -> tuple[AgentConfig, ...]:
        """Return agents and controls."""
        return self.agents + self.controls

    def trials_of(self, config: AgentConfig) -> int:
        """Return how many trials per task one of `everyone` makes."""
        return 1 if config in self.controls else self.trials


class RunLock(Record):
    """`lock.json`: what the run ran with, written once at its start."""

    format: Literal["worktrial/lock@1"] = "worktrial/lock@1"
    worktrial: str
    python: str
    git: str
    sandbox: str
    """Tier chosen by probing."""
    sandbox_detail: str = ""
    """What the tier was made of on that machine."""
    machine: str
    """Kernel, architecture, number of processors; no host name."""
    suite_digest: str
    """Hash over all task files."""
    suite_version: int | None = None
    """Of the suite, raised by every refresh; None: the run is of before versions were written down."""
    marks: dict[str, TaskMark] = Field(default_factory=dict)
    """What each task was when the run began, so that runs on two versions can be compared."""
    retired: dict[str, str] = Field(default_factory=dict)
    """Tasks that were left out because reviewers retired them, with who did."""
    quarantined: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Expected tests, by task, that the suite's ledger had set aside when the run began: they count for no trial."""
    set_aside: tuple[str, ...] = ()
    """Tasks that were left out because no test that decides was left."""
    prices: str
    """Version of the price list."""
    agents: dict[str, str] = Field(default_factory=dict)
    """Versions of the agents' programs, by the agent's name; of those that have one of their own."""
    started_at: Timestamp
