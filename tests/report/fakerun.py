"""Suites and runs on disk, written by the real store, with what the trials came to chosen by the test."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from worktrial.formats.provenance import Difficulty, Link, Provenance, Work, WorkKind
from worktrial.formats.run import AgentConfig, RunLock, RunRequest
from worktrial.formats.suite import SuiteInfo
from worktrial.formats.task import ExpectedTests, Task
from worktrial.formats.trajectory import (
    AgentInfo,
    Observation,
    ObservationResult,
    Step,
    ToolCall,
    Trajectory,
)
from worktrial.formats.trial import Timings, ToolUse, Trial, TrialEnd, Usage
from worktrial.formats.verdict import Verdict
from worktrial.store.files import write_bytes, write_text
from worktrial.store.run import RunDir, TrialDir
from worktrial.store.suite import Suite

START = datetime(2025, 11, 18, 9, 0, tzinfo=UTC)
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b[31mred\x1b[0m\u202eevil"
)
SUBJECTS = (
    "Keep the default of a flag when the environment variable is empty",
    "Don't strip quotes twice in shell completion for zsh",
    "Let `Choice` take an enum and show its names in help",
    "Close the pager's pipe when the reader quits early",
    "Show the range of a bounded integer in the error message",
    "Pass the parent context to lazily loaded commands",
    "Hide deprecated options from completion",
    "Measure wide characters when wrapping help text",
    "Write atomic files with the permissions of the old one",
    "Raise UsageError, not KeyError, for an unknown parameter name",
)
OutcomeKind = Literal["solved", "not_solved", "tampered", "infrastructure", "ungraded", "unfinished"]


@dataclass(frozen=True)
class FakeTask:
    """A task of a fake suite."""

    id: str
    prompt: str
    solution: bytes
    tests: ExpectedTests = field(
        default_factory=lambda: ExpectedTests(
            fail_to_pass=("tests/test_core.py::test_new",),
            pass_to_pass=tuple(f"tests/test_core.py::test_old[{n}]" for n in range(6)),
        )
    )
    work: Work | None = None
    provenance: Provenance | None = None
    prompts: tuple[str, ...] = ()
    landed_at: datetime = START - timedelta(days=30)


@dataclass(frozen=True)
class FakeTrial:
    """What one trial came to and left behind."""

    outcome: OutcomeKind = "solved"
    cost_usd: float | None = 0.25
    agent_s: float = 120.0
    cause: str = ""
    detail: str = ""
    failed: Mapping[str, Literal["failed", "missing"]] = field(default_factory=dict)
    patch: bytes | None = b""
    logs: Mapping[str, str] = field(default_factory=dict)
    trajectory: Trajectory | None = None
    requests: int = 5
    tool_use: ToolUse | None = None


Outcomes = Callable[[AgentConfig, str, int], FakeTrial]


def change(path: str, old: str, new: str) -> bytes:
    """Return a patch that replaces one line of a file."""
    return (
        f"diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n--- a/{path}\n+++ b/{path}\n"
        f"@@ -41,7 +41,8 @@ def convert(self, value):\n     if value is None:\n         return None\n"
        f"     parts = split(value)\n-    {old}\n+    {new}\n+    check(parts)\n     for part in parts:\n"
        f"         yield part\n     return\n"
    ).encode()


def simple_tasks(count: int) -> list[FakeTask]:
    """Return so many tasks, each with its own subject and landed change."""
    return [
        FakeTask(
            f"{n:02d}-{'-'.join(SUBJECTS[n % len(SUBJECTS)].lower().split()[:3]).strip(',')}".replace("`", ""),
            f"{SUBJECTS[n % len(SUBJECTS)]}\n\nSeen with version 8.{n}; 8.0 worked. Please keep the old spelling.\n",
            change("src/click/types.py", "return parts[0]", f"return tuple(parts[:{n + 2}])"),
        )
        for n in range(count)
    ]


def varied_tasks(count: int) -> list[FakeTask]:
    """Return tasks of several kinds, sizes and origins, some of it unknown."""
    kinds: tuple[WorkKind, ...] = ("bug_fix", "new_code", "refactoring")
    sizes: tuple[tuple[Difficulty, int], ...] = (("small", 6), ("medium", 40), ("large", 300))
    found = []
    for n, task in enumerate(simple_tasks(count)):
        difficulty, lines = sizes[n % 7 % 3]
        work = Work(kind=kinds[n % 5 % 3], difficulty=difficulty, lines=lines + n % 4, files=1 + n % 3)
        link = Link(source="claude_code", session=f"s{n}", reason="checkpoint_trailer", confidence=0.99)
        written = Provenance(
            links=(link,), agent_lines=n % 4 * 3, human_lines=6, models=("opus-4", "gpt-5")[n % 2 :][:1]
        )
        landed = START - timedelta(days=20 * n % 700)
        turns = ("Please do this.", "And with tests, please.") if n % 10 == 3 else ()
        found.append(
            replace(
                task,
                work=work if n % 9 else None,
                provenance=written if n % 3 else None,
                landed_at=landed,
                prompts=turns,
            )
        )
    return found


def make_suite(folder: Path, tasks: list[FakeTask]) -> Suite:
    """Write a suite."""
    suite = Suite(folder)
    suite.write_info(
        SuiteInfo(name=folder.name, repository="/src/click", head="c0ffee" * 6, mined_at=START, commits_read=600)
    )
    for task in tasks:
        suite.write_task(
            Task(
                id=task.id,
                language="python",
                mode="backout",
                commit="ab12cd34" * 5,
                landed_at=task.landed_at,
                base_tree="1" * 40,
                tests_tree="2" * 40,
                solution_tree="3" * 40,
                environment="e1",
                source_files=("src/click/types.py",),
                test_files=("tests/test_core.py",),
                tests=task.tests,
                test_timeout_s=60,
                work=task.work,
                provenance=task.provenance,
                prompts=task.prompts,
                prompt_kind="conversation" if task.prompts else "message",
            ),
            prompt=task.prompt,
            solution=task.solution,
            tests=b"",
        )
    return suite


def make_run(
    folder: Path,
    suite: Suite,
    agents: list[AgentConfig],
    trials: int,
    outcomes: Outcomes,
    *,
    sandbox: str = "namespaces",
) -> RunDir:
    """Write a run of every task of `suite`, each trial as `outcomes` says."""
    run = RunDir(folder)
    tasks = tuple(suite.task_ids())
    run.create(
        RunRequest(suite=str(suite.path), agents=tuple(agents), trials=trials, tasks=tasks, sandbox=sandbox),
        RunLock(
            worktrial="0.1.0",
            python="3.11.7",
            git="2.43.0",
            sandbox=sandbox,
            machine="Linux 6.8 x86_64, 16 processors",
            suite_digest=suite.digest(),
            prices="2025-11-01",
            started_at=START,
        ),
    )
    for agent in agents:
        for task in tasks:
            for n in range(1, trials + 1):
                write_trial(run.trial_dir(agent.name, task, n), outcomes(agent, task, n))
    return run


def write_trial(folder: TrialDir, fake: FakeTrial) -> None:
    """Write the files of one trial."""
    if fake.outcome == "unfinished":
        return
    ended: TrialEnd = "infrastructure" if fake.outcome == "infrastructure" else "completed"
    known = fake.cost_usd is not None
    folder.write_trial(
        Trial(
            agent=folder.agent,
            task=folder.task,
            n=folder.n,
            started_at=START + timedelta(minutes=folder.n),
            ended=ended,
            cause=fake.cause if ended == "infrastructure" else "",
            detail=fake.detail if ended == "infrastructure" else "",
            usage=Usage(
                requests=fake.requests if known else 0,
                input_tokens=84_000 if known and fake.requests else 0,
                output_tokens=3_100 if known and fake.requests else 0,
                cost_usd=fake.cost_usd,
                cost_source="metered" if known else None,
            ),
            tool_calls={"shell": 7, "edit": 2},
            tool_use=fake.tool_use,
            steps=9,
            timings=Timings(workspace_s=0.04, agent_s=fake.agent_s, patch_s=0.02, grade_s=2.3, test_s=2.2),
            sandbox="namespaces",
            patch_files=1,
            patch_bytes=len(fake.patch or b""),
        )
    )
    if fake.patch is not None:
        write_bytes(folder.patch_path, fake.patch)
    for name, text in fake.logs.items():
        write_text(folder.logs / name, text)
    if fake.trajectory is not None:
        folder.write_trajectory(fake.trajectory)
    if fake.outcome not in ("ungraded", "infrastructure"):
        folder.write_verdict(
            Verdict(
                outcome=fake.outcome if fake.outcome in ("solved", "tampered") else "not_solved",
                cause="" if fake.outcome == "solved" else fake.cause or "tests_failed",
                detail=fake.detail,
                expected=7,
                passed=7 - len(fake.failed),
                failed=dict(fake.failed),
                ended="completed",
                test_s=2.2,
                grade_s=2.3,
                graded_at=START,
            )
        )


def trajectory(*messages: str, failing: int = 0) -> Trajectory:
    """Return a trajectory in which the agent says each message, calls the shell and reads what it gave back.

    `failing` is the number of the step whose call fails; 0: none.
    """
    steps = [Step(step_id=1, source="user", message="Please fix the type conversion.")]
    for number, message in enumerate(messages, 2):
        call = ToolCall(tool_call_id=f"c{number}", function_name="shell", arguments={"command": f"grep -n {message}"})
        result = ObservationResult(
            source_call_id=call.tool_call_id, content=f"\x1b[32m41\x1b[0m: {message}\nexit {int(number == failing)}"
        )
        steps.append(
            Step(
                step_id=number,
                source="agent",
                message=message,
                reasoning_content="The conversion drops the second part." if number == 2 else None,
                tool_calls=(call,),
                observation=Observation(results=(result,)),
            )
        )
    return Trajectory(session_id="s", agent=AgentInfo(name="basic", version="1"), steps=tuple(steps))


CONTROLS = [AgentConfig(name="oracle", kind="oracle"), AgentConfig(name="nop", kind="nop")]


def agent(name: str, **settings: str) -> AgentConfig:
    """Return a contender."""
    return AgentConfig.model_validate({"name": name, "kind": "basic", **settings})


def control(config: AgentConfig) -> FakeTrial:
    """Return what a control does when all is well."""
    failed: dict[str, Literal["failed", "missing"]] = {"tests/test_core.py::test_new": "failed"}
    if config.kind == "oracle":
        return FakeTrial("solved", cost_usd=0.0, agent_s=0.1, requests=0, patch=change("src/click/types.py", "a", "b"))
    return FakeTrial("not_solved", cost_usd=0.0, agent_s=0.0, requests=0, cause="no_changes", failed=failed)


def by_chance(rates: Mapping[str, float], costs: Mapping[str, float | None], seed: int = 7) -> Outcomes:
    """Return outcomes in which tasks differ in difficulty and each agent solves about its rate of them."""

    def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
        if config.name not in rates:
            return control(config)
        ease = random.Random(f"{seed}/{task}").betavariate(0.9, 0.9)
        luck = random.Random(f"{seed}/{config.name}/{task}/{n}")
        solved = luck.random() < min(1.0, max(0.0, rates[config.name] + (ease - 0.5) * 0.9))
        cost = costs[config.name]
        return FakeTrial(
            "solved" if solved else "not_solved",
            cost_usd=None if cost is None else cost * luck.uniform(0.6, 1.5),
            agent_s=luck.uniform(60, 400),
            failed={} if solved else {"tests/test_core.py::test_new": "failed"},
            patch=change("src/click/types.py", "return parts[0]", "return tuple(parts)") + NEW_FILE,
            logs={"tests.log": TEST_LOG, "agent.log": "reading…\rdone\n"},
            trajectory=trajectory("looking for the conversion", "editing it", "running the tests"),
            tool_use=ToolUse(
                calls={
                    "read": luck.randint(2, 9),
                    "search": luck.randint(0, 5),
                    "edit": 2,
                    "run_test": luck.randint(0, 3),
                },
                tests_after_last_edit=int(luck.random() < (0.8 if solved else 0.5)),
            ),
        )

    return outcome


NEW_FILE = (
    b"diff --git a/notes.md b/notes.md\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/notes.md\n"
    b"@@ -0,0 +1,2 @@\n+# What I did\n+Nothing much.\n\\ No newline at end of file\n"
)
TEST_LOG = (
    "\x1b[1mcollected 7 items\x1b[0m\n\ntests/test_core.py ......F\n\nE   assert ('a',) == 'a'\n1 failed, 6 passed\n"
)
