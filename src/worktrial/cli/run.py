"""`worktrial run`: let agents attempt the tasks of a suite, and grade them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("run")
@click.argument("suite", type=click.Path(path_type=Path))
@click.option(
    "--agent", "specs", multiple=True, metavar="NAME[:MODEL]",
    help="oracle, nop, basic:MODEL, command:CMDLINE, one of `worktrial agents` with :MODEL, or a name from "
    "worktrial.toml. May be given again. Default: all agents of worktrial.toml.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--no-controls", is_flag=True, help="Without the oracle and the no-op, which tell if the suite is sound.")
@click.option("--trials", type=click.IntRange(1, 1000), help="Attempts per task.  [default: 1]")
@click.option("--jobs", type=click.IntRange(1), help="Trials at once.  [default: one per processor]")
@click.option("--budget", type=click.FloatRange(min=0), metavar="USD", help="Stop when this much is spent.")
@click.option("--tokens", type=click.IntRange(min=0), metavar="N", help="Stop when so many were used, in and out.")
@click.option("--trial-budget", type=click.FloatRange(min=0), metavar="USD", help="What one trial may cost.")
@click.option("--task", "tasks", multiple=True, metavar="ID", help="Only this task. May be given again.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds per trial.  [default: 1800]")
@click.option("--steps", type=click.IntRange(1), help="Model requests per trial.  [default: 100]")
@click.option("--config", type=click.Path(path_type=Path), help="Instead of ./worktrial.toml.")
@click.option("--base-url", help="Of the model server, for NAME:MODEL.")
@click.option("--api", type=click.Choice(["openai", "anthropic"]), help="What it speaks, for NAME:MODEL.")
@click.option("--key-env", metavar="VARIABLE", help="Variable that holds the key, for NAME:MODEL.")
@click.option("--sandbox", metavar="TIER", help="auto, namespaces, podman, docker, landlock or none.  [default: auto]")
@click.option("--runtime", metavar="NAME", help="Of docker or podman: runc, crun, runsc (gVisor), …")
@click.option("--retry-infrastructure", is_flag=True, help="Attempt again what failed for reasons not the agent's.")
@click.option(
    "--replay", type=click.Path(path_type=Path), metavar="RUN",
    help="Ask no model: answer every request from the record of this run, made with the same agents and tasks.",
)  # fmt: skip
@click.option(
    "--with-verify", is_flag=True,
    help="Try every agent a second time, with the project's own checks as tools (MCP), to see if they help it.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only print the plan: trials, time, cost, and what they can show.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(**given: object) -> int:
    """Let agents attempt every task of SUITE in isolation, several times each, and grade what they leave.

    The controls `oracle` (applies the landed change) and `nop` (does nothing) are run as well, once per task: they tell
    whether the suite can be trusted.
    What the command line does not say is taken from the table [run] of worktrial.toml.
    Ctrl-C lets the trials under way finish; the same command goes on where a run was stopped.
    """
    from worktrial.cli.run_command import run

    return run(given)
