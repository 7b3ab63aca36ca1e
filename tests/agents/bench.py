"""Attempts in real workspaces, and a look at what they left."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.tools.model_server import ModelServer, Turn

from worktrial.agents.protocol import Attempt, Endpoint, Gateway
from worktrial.formats.gateway import GatewayConfig
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.gateway import server as gateway_server
from worktrial.gateway.configure import for_agents
from worktrial.gateway.limits import Budget
from worktrial.languages.protocol import Checks
from worktrial.run.link import GatewayLink
from worktrial.sandboxes.protocol import Mount, Sandbox, Workspace

FILES = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "README.md": "# calc\n\nAdds numbers.\n",
    "lib/deep.py": "TODO = 1\n",
}


class Serve(Protocol):
    """Starts a model server on a list of turns."""

    async def __call__(self, *turns: Turn, key: str | None = None) -> ModelServer: ...


@dataclass(frozen=True)
class OwnGateway:
    """Runs a gateway for each attempt, as a run does for all of its own; it charges the attempt's budget."""

    budget: Budget

    @contextlib.asynccontextmanager
    async def endpoint(self, trial: str, config: AgentConfig, folder: Path) -> AsyncIterator[Endpoint]:
        settings, tied = for_agents(GatewayConfig(), [config])
        running = gateway_server.Gateway(settings, budget=self.budget)
        with tempfile.TemporaryDirectory() as place:
            await running.start(socket=Path(place) / "gateway.sock", port=0)
            try:
                async with GatewayLink(running, tied).endpoint(trial, config, folder) as endpoint:
                    yield endpoint
            finally:
                await running.stop()


@dataclass
class Bench:
    """Makes attempts, and looks at what they left."""

    sandbox: Sandbox
    folder: Path
    opened: list[Workspace] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    async def attempt(
        self,
        prompt: str = "Fix add.",
        *,
        files: dict[str, str] | None = None,
        limits: TrialLimits | None = None,
        budget: Budget | None = None,
        gateway: Gateway | None = None,
        env: dict[str, str] | None = None,
        mounts: tuple[Mount, ...] = (),
        solution: bytes = b"",
    ) -> Attempt:
        layer = self.folder / f"layer-{len(self.opened)}"
        for name, text in (FILES if files is None else files).items():
            (layer / name).parent.mkdir(parents=True, exist_ok=True)
            (layer / name).write_bytes(text.encode())
        layer.mkdir(exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        limits = limits or TrialLimits(timeout_s=60)
        budget = budget or Budget(None)
        workspace = await self.sandbox.open((layer,), limits)
        self.opened.append(workspace)
        return Attempt(
            trial="agent/task/1",
            prompt=prompt,
            workspace=workspace,
            env=env or {},
            mounts=mounts,
            limits=limits,
            budget=budget,
            logs=self.logs,
            checks=Checks(),
            solution=lambda: solution,
            gateway=OwnGateway(budget) if gateway is None else gateway,
        )

    async def read(self, attempt: Attempt, path: str) -> str:
        return (await self.shell(attempt, f"cat {path}")).decode()

    async def shell(self, attempt: Attempt, script: str) -> bytes:
        command = ["sh", "-c", f'cd "$1" && {script}', "sh", "{workspace}"]
        return await attempt.workspace.host(command, env=os.environ)
