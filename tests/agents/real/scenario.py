"""A real agent does a real task of a real suite: through the gateway, against the scripted model server, isolated."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.model_server import Fault, ModelServer, Script, ToolUse, Turn, Usage

from worktrial import agents
from worktrial.agents.real.install import Receipt, install
from worktrial.formats.gateway import Api, GatewayConfig, GatewayRecord, PriceConfig, UpstreamConfig
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.formats.trajectory import Trajectory
from worktrial.formats.trial import Trial
from worktrial.formats.verdict import Verdict
from worktrial.gateway.limits import Budget
from worktrial.gateway.recording import read_trial
from worktrial.gateway.server import Gateway
from worktrial.grade.grader import Grader
from worktrial.run.attempt import Attempts
from worktrial.run.link import GatewayLink
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite

TASK = "fix"
EDIT = r"sed -i 's/name.upper()/name[:1].upper() + name[1:]/' shop/names.py"
TEST = "PYTHONDONTWRITEBYTECODE=1 python -m pytest -q -p no:cacheprovider tests/test_names.py"
USED = Usage(input=1000, output=20, cache_read=300)
"""Of every answer."""
KEY = "sk-canary-7f3a9c"
"""What the gateway knows and nobody else may."""
APIS: tuple[Api, ...] = ("openai_chat", "openai_responses", "anthropic_messages", "gemini")

MODELS = {"claude_code": "claude-sonnet-4-5", "codex": "gpt-5.5", "gemini_cli": "gemini-2.5-flash"}
SHELLS: Mapping[str, tuple[str, Any]] = {
    "claude_code": ("Bash", lambda command: {"command": command, "description": "do it"}),
    "codex": ("exec_command", lambda command: {"cmd": command}),
    "gemini_cli": ("run_shell_command", lambda command: {"command": command}),
    "qwen_code": (
        "run_shell_command",
        lambda command: {"command": command, "is_background": False, "description": "do it"},
    ),
    "opencode": ("bash", lambda command: {"command": command, "description": "do it"}),
    "mini_swe_agent": ("bash", lambda command: {"command": command}),
    "openhands": ("terminal", lambda command: {"command": command, "summary": "do it", "security_risk": "LOW"}),
    "goose": ("developer__shell", lambda command: {"command": command}),
}
"""Each agent's shell, and the arguments it takes."""
HEARD_BEFORE = {"qwen_code": 1}
"""Answers of a model that an agent puts before the conversation."""


@dataclass(frozen=True)
class Done:
    """What became of it."""

    trial: Trial
    verdict: Verdict
    trajectory: Trajectory
    records: list[GatewayRecord]
    server: ModelServer
    folder: Path
    """Of the run."""
    wall_s: float
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """How many requests the server answered whole."""
        return sum(seen.status == 200 for seen in self.server.requests if seen.body)


def turns(kind: str, faults: tuple[Fault, ...] = ()) -> tuple[Turn, ...]:
    """Return what the model says to an agent: an edit, a run of the tests, and the end."""
    if kind == "aider":
        return _for_aider(faults)
    tool, arguments = SHELLS[kind]
    said = [
        Turn(text="I will fix it.", calls=(ToolUse(tool, arguments(EDIT)),), usage=USED, faults=faults),
        Turn(text="Now the tests.", calls=(ToolUse(tool, arguments(TEST)),), usage=USED),
    ]
    if kind == "mini_swe_agent":
        end = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
        said.append(Turn(text="Done.", calls=(ToolUse(tool, arguments(end)),), usage=USED))
    before = [Turn(text="not asked", usage=USED)] * HEARD_BEFORE.get(kind, 0)
    return (*before, *said, *[Turn(text="All done.", usage=USED)] * 8)


def _for_aider(faults: tuple[Fault, ...]) -> tuple[Turn, ...]:
    """Aider puts answers before the conversation too, as many as it likes: each turn is the same edit."""
    text = (
        "I will fix it.\n\nshop/names.py\n```python\n<<<<<<< SEARCH\n    return name.upper()\n=======\n"
        "    return name[:1].upper() + name[1:]\n>>>>>>> REPLACE\n```\n"
    )
    return tuple(Turn(text=text, usage=USED, faults=faults) for _ in range(12))


def config(kind: str, **more: Any) -> AgentConfig:
    """Return the agent that is tried."""
    args = ("--edit-format", "diff") if kind == "aider" else ()
    return AgentConfig(name="it", kind=kind, model=MODELS.get(kind, "test-model"), args=args, **more)


@contextlib.asynccontextmanager
async def gateway_for(server: ModelServer, folder: Path, replay: Path | None = None) -> AsyncIterator[Gateway]:
    """Run a gateway before a started model server, or one that answers from the record of the run `replay`.

    Its socket is in a short path, as sockets must be.
    """
    prices = {"*": PriceConfig(input=2.0, output=10.0, cache_read=1.0)}
    upstreams = {}
    for api in APIS:
        base = server.url if api in ("anthropic_messages", "gemini") else f"{server.url}/v1"
        upstreams[api] = UpstreamConfig(base_url=base, apis=(api,), key_env="CANARY", prices=prices)
    gateway = Gateway(GatewayConfig(upstreams=upstreams), keys={"CANARY": KEY}, replay=replay)
    with tempfile.TemporaryDirectory(prefix="gw-") as short:
        Path(short).chmod(0o755)
        await gateway.start(socket=Path(short, "s"), port=0)
        try:
            yield gateway
        finally:
            await gateway.stop()


async def installed(kind: str, sandbox: Sandbox) -> Receipt:
    """Install an agent unless it is there. Raises `AgentError`."""
    return await install(agents.real_agent(kind), None, sandbox, lambda _: None)


async def attempt(
    wanted: AgentConfig,
    suite: Path,
    sandbox: Sandbox,
    folder: Path,
    *,
    scripts: tuple[Turn, ...] | None = None,
    limits: TrialLimits | None = None,
    replay: Path | None = None,
) -> Done:
    """Let an installed agent attempt the task, grade it, and return all there is to see."""
    opened = Suite.open(suite)
    limits = limits or TrialLimits(timeout_s=240)
    said = turns(wanted.kind) if scripts is None else scripts
    side = Script((Turn(text="a title", usage=USED),) * 30, tools=False)
    server = ModelServer([Script(said)] if wanted.kind == "aider" else [Script(said, tools=True), side], key=KEY)
    await server.start()
    started = time.monotonic()
    try:
        async with gateway_for(server, folder, replay) as gateway:
            making = Attempts(
                opened, sandbox, folder / "attempts.git", limits, Budget(None), gateway=GatewayLink(gateway, {})
            )
            trial_dir = RunDir(folder / "run").trial_dir(wanted.name, TASK, 1)
            task = opened.task(TASK)
            trial = await making.make(agents.load(wanted), wanted, task, trial_dir)
    finally:
        await server.stop()
    wall_s = time.monotonic() - started
    verdict = await Grader(opened, sandbox, folder / "grader.git", limits, {}).grade(trial_dir, task)
    trajectory = trial_dir.trajectory()
    assert trajectory is not None, trial
    records, _ = read_trial(trial_dir.path)
    return Done(trial, verdict, trajectory, records, server, folder / "run", wall_s)
