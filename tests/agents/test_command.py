"""Any program as an agent."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agents.bench import Bench, Serve
from tests.tools.model_server import Turn, Usage

from worktrial.agents.command import CommandAgent, command_config
from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig, TrialLimits
from worktrial.sandboxes.protocol import Sandbox


def _agent(script: str, *, env: dict[str, str] | None = None, mounts: tuple[str, ...] = ()) -> CommandAgent:
    config = AgentConfig(name="c", kind="command", command=("sh", "-c", script), env=env or {}, mounts=mounts)
    return CommandAgent(config)


async def test_the_program_gets_the_prompt_and_works_in_the_workspace(bench: Bench) -> None:
    """The prompt is on standard input and in $WORKTRIAL_PROMPT; what is printed is logged and in the trajectory."""
    attempt = await bench.attempt("Mach's größer\nbitte", env={"TASK": "t1", "MODE": "slow"})
    agent = _agent('cat > asked; printf %s "$WORKTRIAL_PROMPT" > variable; echo "$MODE $TASK"', env={"MODE": "fast"})
    outcome = await agent.attempt(attempt)
    assert (outcome.ended, outcome.exit_code, outcome.cause) == ("completed", 0, "")
    assert await bench.read(attempt, "asked") == "Mach's größer\nbitte"
    assert await bench.read(attempt, "variable") == "Mach's größer\nbitte"
    assert (bench.logs / "agent.log").read_text() == "fast t1\n"
    assert outcome.trajectory is not None
    assert [step.source for step in outcome.trajectory.steps] == ["user", "agent"]
    assert outcome.trajectory.steps[1].message == "fast t1\n"


async def test_what_it_cost_is_unknown(bench: Bench) -> None:
    """A foreign program's usage is not known, and unknown is not zero."""
    outcome = await _agent("true").attempt(await bench.attempt())
    assert outcome.usage.cost_usd is None
    assert outcome.usage.cost_source is None


async def test_a_failing_program_is_an_error_with_its_last_words(bench: Bench) -> None:
    """A non-zero exit is the agent's own failure; its work stays."""
    attempt = await bench.attempt()
    outcome = await _agent("echo done > made; echo first; echo 'no such model' >&2; exit 3").attempt(attempt)
    assert (outcome.ended, outcome.exit_code, outcome.cause) == ("error", 3, "exit_code")
    assert outcome.detail == "ended with exit code 3: no such model"
    assert await bench.read(attempt, "made") == "done\n"


async def test_a_program_that_is_not_there_is_an_error(bench: Bench) -> None:
    """It is told from one that fails only by exit code and words, in every kind of sandbox."""
    agent = CommandAgent(AgentConfig(name="c", kind="command", command=("sh", "-c", "exec no-such-program")))
    outcome = await agent.attempt(await bench.attempt())
    assert (outcome.ended, outcome.exit_code) == ("error", 127)
    assert "not found" in outcome.detail


async def test_time_and_output_are_limited(bench: Bench) -> None:
    """A program that does not end is a timeout; one that floods its log is stopped at a limit; both keep their log."""
    slow = await bench.attempt(limits=TrialLimits(timeout_s=0.5))
    outcome = await _agent("echo started; sleep 60").attempt(slow)
    assert (outcome.ended, outcome.cause, outcome.exit_code) == ("timeout", "timeout", None)
    assert (bench.logs / "agent.log").read_text() == "started\n"
    flood = await bench.attempt(limits=TrialLimits(timeout_s=30, output_mib=1))
    outcome = await _agent("yes").attempt(flood)
    assert (outcome.ended, outcome.cause) == ("limit", "output_flood")
    assert 0 < (bench.logs / "agent.log").stat().st_size < 2 * 1024 * 1024
    assert outcome.trajectory is not None
    assert outcome.trajectory.steps[1].message.startswith("[… ")
    assert len(outcome.trajectory.steps[1].message) < 21_000


async def test_a_prompt_too_long_for_a_variable_still_arrives(bench: Bench) -> None:
    """Then it is on standard input alone."""
    attempt = await bench.attempt("x" * 300_000)
    outcome = await _agent('cat > asked; echo "${WORKTRIAL_PROMPT-unset}"').attempt(attempt)
    assert outcome.ended == "completed"
    assert len(await bench.read(attempt, "asked")) == 300_000
    assert (bench.logs / "agent.log").read_text() == "unset\n"


async def test_output_that_is_no_text_is_kept_as_it_is(bench: Bench) -> None:
    """The log has the bytes; the trajectory what can be shown of them."""
    outcome = await _agent(r"printf '\377\000ok'").attempt(await bench.attempt())
    assert (bench.logs / "agent.log").read_bytes() == b"\xff\x00ok"
    assert outcome.trajectory is not None
    assert outcome.trajectory.model_dump_json()
    assert outcome.trajectory.steps[1].message.endswith("ok")


async def test_mounts_are_shown_at_the_same_path(bench: Bench, tmp_path: Path) -> None:
    """A tool of the host named in the configuration can be run inside."""
    tool = tmp_path / "tools" / "fix.sh"
    tool.parent.mkdir()
    tool.write_text("sed -i 's/a - b/a + b/' calc.py\n")
    attempt = await bench.attempt()
    outcome = await _agent(f"sh {tool}", mounts=(str(tool.parent),)).attempt(attempt)
    assert outcome.ended == "completed"
    assert "a + b" in await bench.read(attempt, "calc.py")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (AgentConfig(name="c", kind="command"), "has no command"),
        (AgentConfig(name="c", kind="command", command=("x",), mounts=("relative",)), "mounts relative"),
        (AgentConfig(name="c", kind="command", command=("x",), mounts=("/no/such",)), "mounts /no/such"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_the_agent_is_loaded(config: AgentConfig, complaint: str) -> None:
    """The message names the agent's setting."""
    with pytest.raises(UsageError, match=complaint):
        CommandAgent(config)


# -- the shorthand --


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder: a project with a script, and a folder of tools."""
    folder = tmp_path / "project"
    (folder / "tools").mkdir(parents=True)
    for name in ("agent.py", "tools/agent.py"):
        (folder / name).write_text("#!/usr/bin/env python3\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(folder)
    return folder


def test_programs_of_the_path_are_left_alone(here: Path) -> None:
    """Nothing is mounted for them, and words that name files of the workspace stay relative."""
    config = command_config("c", "python3 -c 'print(1)' tools/agent.py --flag")
    assert config.command == ("python3", "-c", "print(1)", "tools/agent.py", "--flag")
    assert config.mounts == ()
    assert (config.name, config.kind) == ("c", "command")


def test_a_program_of_the_host_is_shown_with_its_folder(here: Path) -> None:
    """Its path is made absolute, so that it is the same inside."""
    config = command_config("c", "tools/agent.py --fast")
    assert config.command == (str(here / "tools/agent.py"), "--fast")
    assert config.mounts == (str(here / "tools"),)


def test_a_script_given_to_an_interpreter_is_shown_too(here: Path) -> None:
    """Later words count as host files when they say so: absolute, or from `./`, `../` or `~/`."""
    config = command_config("c", "python3 ./tools/agent.py")
    assert config.command == ("python3", str(here / "tools/agent.py"))
    assert config.mounts == (str(here / "tools"),)


def test_a_folder_that_may_hold_solutions_is_not_shown(here: Path) -> None:
    """Of the current folder, or one with a repository, suite or run in it, the file alone is shown."""
    assert command_config("c", "agent.py").mounts == (str(here / "agent.py"),)
    assert command_config("c", "./agent.py").mounts == (str(here / "agent.py"),)
    for mark in (".git", "suite.toml", "runs/run.toml"):
        (here / "tools" / mark).parent.mkdir(exist_ok=True)
        (here / "tools" / mark).touch()
        assert command_config("c", "tools/agent.py").mounts == (str(here / "tools/agent.py"),)
        (here / "tools" / mark).unlink()


def test_a_program_of_a_virtual_environment_is_shown_with_all_of_it() -> None:
    """The environment and the interpreter it was made from, as neither works without the other."""
    ruff = Path(sys.prefix, "bin", "ruff")
    mounts = command_config("c", str(ruff)).mounts
    assert str(ruff.parent.parent) in mounts
    base = Path(sys.base_prefix).resolve()
    assert str(base) in mounts or str(base).startswith("/usr")


def test_a_link_to_a_program_means_the_program(here: Path) -> None:
    """The link's target would not be there inside."""
    (here / "agent").symlink_to(here / "tools/agent.py")
    config = command_config("c", "./agent")
    assert config.command == (str(here / "tools/agent.py"),)
    assert config.mounts == (str(here / "tools"),)


async def test_a_program_of_a_virtual_environment_runs_inside(bench: Bench) -> None:
    """Also where its interpreter lies somewhere under the home folder."""
    script = Path(sys.prefix, "bin", "pytest")
    config = command_config("c", f"{script} --version")
    outcome = await CommandAgent(config).attempt(await bench.attempt())
    assert outcome.ended == "completed", (bench.logs / "agent.log").read_text()
    assert "pytest" in (bench.logs / "agent.log").read_text()


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [("", "no command"), ("   ", "no command"), ("sh -c 'open", "could not read"), ("./gone --x", "no program")],
)
def test_a_command_line_that_cannot_work_is_refused(here: Path, spec: str, complaint: str) -> None:
    """Empty, with an open quote, or with a program that is not there."""
    with pytest.raises(UsageError, match=complaint):
        command_config("c", spec)


def test_paths_with_blanks_survive(here: Path) -> None:
    """Words are split as a shell would."""
    folder = here / "my tools"
    folder.mkdir()
    (folder / "agent").write_text("")
    config = command_config("c", f"{shlex.quote(str(folder / 'agent'))} 'two words'")
    assert config.command == (str(folder / "agent"), "two words")


ASKING = """
import json, os, sys, urllib.request
body = {"model": os.environ["WORKTRIAL_MODEL"], "messages": [{"role": "user", "content": sys.stdin.read()}]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    json.dumps(body).encode(),
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
)
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
"""


@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
async def test_a_program_with_a_model_reaches_it_by_the_gateway_and_is_metered(
    tmp_path: Path,
    tier: str,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    isolation: Callable[[str], Sandbox],
) -> None:
    """It gets an address and a key that is none; the real key stays outside."""
    server = await serve(Turn("forty-two", usage=Usage(100, 7)), key="the-real-key-of-this-test")
    monkeypatch.setenv("OWN_KEY", "the-real-key-of-this-test")
    config = AgentConfig(
        name="c",
        kind="command",
        command=("python3", "-c", ASKING),
        model="any-model",
        base_url=f"{server.url}/v1",
        key_env="OWN_KEY",
        input_usd_per_mtok=1000.0,
        output_usd_per_mtok=1000.0,
    )
    own = Bench(isolation(tier), tmp_path)
    attempt = await own.attempt("How many?")
    outcome = await CommandAgent(config).attempt(attempt)
    assert (outcome.ended, outcome.cause) == ("completed", ""), outcome.detail
    assert (own.logs / "agent.log").read_text() == "forty-two\n"
    assert server.requests[0].body["messages"][0]["content"] == "How many?"
    used = outcome.usage
    assert (used.requests, used.input_tokens, used.output_tokens, outcome.steps) == (1, 100, 7, 1)
    assert used.cost_usd == pytest.approx(0.107)
    assert b"the-real-key" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    await attempt.workspace.close()
