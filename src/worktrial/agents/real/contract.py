"""The contract of a real agent: how it is installed, started, and its log read. One file each beside this folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import Step
from worktrial.formats.trial import Usage
from worktrial.sandboxes.protocol import Mount

URL = "@URL@"
"""Stands in arguments, variables and files for the gateway's address, this trial's path included."""
HOME = "@HOME@"
ROOT = "@ROOT@"
PROMPT = "@PROMPT@"
"""As a whole argument, or as standard input: the prompt, verbatim."""
CAPTURED = ".worktrial/stdout"
"""Where what the agent printed is found among its logs, when `Launch.capture` asked for it."""

Wire = Literal["anthropic_messages", "openai_chat", "openai_responses", "gemini"]
"""What an agent speaks to the model."""


@dataclass(frozen=True)
class Package:
    """Where an agent comes from and which version is taken when none is named."""

    registry: Literal["npm", "pip", "path"]
    """*path*: no registry has it; a program that the user installed is taken from PATH."""
    name: str
    version: str
    """The version these files were last seen to work with; empty for *path*."""
    requirement: str = "{name}@{version}"
    """What the package's client is told; `{arch}` is `x64` or `arm64`."""
    beside: tuple[str, ...] = ()
    """Further packages that it needs and does not declare."""
    built: tuple[str, ...] = ()
    """Packages without a wheel, which are built: their code runs while installing, in the sandbox."""
    node: int = 0
    """Least major version of the Node that has to be there to run it; 0: none is needed."""
    python: str = ""
    """Versions of Python it runs on, as PEP 440 has it; empty for others than pip."""


@dataclass(frozen=True)
class Installed:
    """An agent on this machine."""

    version: str
    folder: Path
    """Layer that all trials share and none can write to."""
    interpreter: Path | None
    """The node or Python that runs it; None for a binary."""
    mounts: tuple[Mount, ...]
    """All that has to be seen inside so that it runs."""


@dataclass(frozen=True)
class Ask:
    """What a launch is made from."""

    config: AgentConfig
    installed: Installed
    prompt: str
    token: str
    """Given in the place of a key; the gateway knows the trial by its path."""

    @property
    def model(self) -> str:
        """The model's name as the configuration has it."""
        return self.config.model or ""


@dataclass(frozen=True)
class Launch:
    """How an agent is started inside. `URL`, `HOME`, `ROOT` and `PROMPT` are filled in there."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Written before it starts, by path below the sandbox's home: never into the repository."""
    stdin: str = ""
    """Empty: nothing, and an end at once."""
    capture: bool = False
    """Whether what it prints is its log."""


@dataclass(frozen=True)
class Heard:
    """What an agent's own log says of a session. Hostile input: nothing in it is trusted, only shown."""

    steps: tuple[Step, ...] = ()
    """Numbered from 1; empty when no log was found or none of it could be read."""
    session: str = ""
    version: str = ""
    usage: Usage | None = None
    """What the agent itself counted; None when it does not say."""


class RealAgent(Protocol):
    """One agent. Each property is a fact about the program, each method a pure function."""

    @property
    def name(self) -> str:
        """The kind, as configurations have it."""
        ...

    @property
    def title(self) -> str:
        """Its name for people."""
        ...

    @property
    def package(self) -> Package:
        """Where it comes from."""
        ...

    @property
    def context_file(self) -> str:
        """The file of a repository's root it reads instructions from; empty when it reads none by itself."""
        ...

    @property
    def mcp(self) -> bool:
        """Whether it takes MCP servers."""
        ...

    @property
    def probe(self) -> tuple[str, ...]:
        """Arguments that make it say its version, without network and at exit code 0."""
        ...

    @property
    def quiet(self) -> Mapping[str, str]:
        """Variables that turn off what it sends home, its updates and its questions."""
        ...

    @property
    def logs(self) -> tuple[str, ...]:
        """Globs, below the home, of the files `read` wants."""
        ...

    @property
    def leftovers(self) -> tuple[str, ...]:
        """Globs, below the repository's root, of what it puts there for itself whatever it is told."""
        ...

    def wire(self, config: AgentConfig) -> Wire:
        """Return what it will speak to the gateway."""
        ...

    def program(self, folder: Path) -> Path:
        """Return the file to start, or to give to the interpreter, in an installed layer."""
        ...

    def launch(self, ask: Ask) -> Launch:
        """Return how to start it without a terminal, all permissions given and its phone-home off."""
        ...

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        """Return what its log says, skipping whatever is not understood; `logs` are contents by path below the home."""
        ...
