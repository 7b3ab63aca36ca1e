"""What a trial leaves to be read holds no key and no address; logs stay what their readers can read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from worktrial.agents.protocol import Attempt, Outcome
from worktrial.errors import SandboxError
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.formats.trajectory import AgentInfo, Step, Trajectory
from worktrial.formats.trial import Trial
from worktrial.gateway.limits import Budget
from worktrial.run.attempt import Attempts
from worktrial.run.redacting import redact_trial
from worktrial.sandboxes.select import choose
from worktrial.store.run import TrialDir
from worktrial.store.suite import Suite

SECRET = "sk-" + "proj-" + "a1B2c3D4e5F6g7H8i9J0k1L2m3"


def test_trajectory_and_logs_are_redacted_with_the_same_placeholders_and_listed(tmp_path: Path) -> None:
    trial = TrialDir(tmp_path, "basic", "task", 1)
    (trial.logs / "session").mkdir(parents=True)
    (trial.logs / "agent.log").write_text(f"mail eve@corp.io\nkey {SECRET}\n")
    whole = {"text": "line\neve@corp.io", "n": 1}
    (trial.logs / "session" / "a.jsonl").write_text(json.dumps(whole) + "\n" + '{"torn": "bob@corp.io')
    (trial.logs / "session" / "a.db").write_bytes(b"\0 eve@corp.io")
    steps = (Step(step_id=1, source="agent", message=f"I use {SECRET} of eve@corp.io"),)
    trajectory = Trajectory(session_id="s", agent=AgentInfo(name="basic", version="1"), steps=steps)

    redacted, detail = redact_trial(trial, trajectory, "could not reach eve@corp.io")

    assert detail == "could not reach [email-1]"
    assert redacted is not None
    assert redacted.steps[0].message == "I use [openai-key-1] of [email-1]"
    assert (trial.logs / "agent.log").read_text() == "mail [email-1]\nkey [openai-key-1]\n"
    first, torn = (trial.logs / "session" / "a.jsonl").read_text().split("\n")
    assert json.loads(first) == {"text": "line\n[email-1]", "n": 1}
    assert torn == '{"torn": "[email-2]'
    assert (trial.logs / "session" / "a.db").read_bytes() == b"\0 eve@corp.io"
    listed = [(item.where, item.kind, item.count) for item in trial.redactions]
    assert ("logs/agent.log", "email", 1) in listed
    assert ("trajectory.json", "openai-key", 1) in listed


def test_what_a_killed_attempt_left_is_redacted_when_it_is_set_aside(suite: Path, tmp_path: Path) -> None:
    trial = TrialDir(tmp_path / "run/trials/basic/fix/1", "basic", "fix", 1)
    trial.logs.mkdir(parents=True)
    (trial.logs / "agent.log").write_text(f"mail eve@corp.io\nkey {SECRET}\n")
    limits = TrialLimits()
    attempts = Attempts(Suite.open(suite), choose("none", None), tmp_path / "attempts.git", limits, Budget(None))
    asyncio.run(attempts.set_aside(trial))
    kept = trial.path.with_name("1.attempt-1")
    assert (kept / "logs/agent.log").read_text() == "mail [email-1]\nkey [openai-key-1]\n"
    assert not trial.path.exists()


class Lost:
    """An agent that leaves a log before its sandbox is gone."""

    async def attempt(self, attempt: Attempt) -> Outcome:
        (attempt.logs / "agent.log").write_text(f"key {SECRET}\n")
        raise SandboxError("the sandbox of eve@corp.io is gone")


def test_what_an_attempt_leaves_that_its_sandbox_failed_is_redacted_and_so_is_why(suite: Path, tmp_path: Path) -> None:
    opened, limits = Suite.open(suite), TrialLimits()
    trial_dir = TrialDir(tmp_path / "run/trials/lost/fix/1", "lost", "fix", 1)
    config = AgentConfig(name="lost", kind="command", command=("true",))

    async def make() -> Trial:
        attempts = Attempts(opened, choose("auto", None), tmp_path / "attempts.git", limits, Budget(None))
        return await attempts.make(Lost(), config, opened.task("fix"), trial_dir)

    trial = asyncio.run(make())
    assert (trial.ended, trial.detail) == ("infrastructure", "the sandbox of [email-1] is gone")
    assert trial_dir.trial() == trial
    assert (trial_dir.logs / "agent.log").read_text() == "key [openai-key-1]\n"
