"""`worktrial`: the group of all commands, each imported only when it is called so that `--help` stays fast."""

from __future__ import annotations

import difflib
import os
import sys
from importlib import import_module
from typing import Any

import click

from worktrial.errors import CALLED_WRONGLY, WorktrialError

_COMMANDS = {
    "init": "Write a worktrial.toml for the agents and keys that are here.",
    "mine": "Find candidate tasks in a repository's history.",
    "validate": "Prove candidates by running their tests before and after.",
    "review": "Let people check the tasks of a suite in a browser.",
    "refresh": "Bring a suite up to a newer head: a new version of it.",
    "describe": "Set a suite beside all the work it came from.",
    "run": "Let agents attempt the tasks of a suite, and grade them.",
    "grade": "Grade the trials of a run again.",
    "gateway": "Pass model requests on, meter and record them, for agents run by hand.",
    "report": "Write a static report of a run.",
    "view": "Show a run in the browser while it goes on.",
    "compare": "Compare two agents, of one run or of two, task by task.",
    "gate": "Let a run pass, or not, against a baseline: for CI.",
    "export": "Write a run's trials as CSV, SQLite, Parquet or Inspect logs.",
    "demo": "Do all of it in one go, with no key and no model.",
    "agents": "List the agents there are, and install them.",
    "verify-server": "Serve a repository's own checks to any MCP client.",
    "doctor": "Check what this machine has and name the remedy for what is missing.",
}


class _Commands(click.Group):
    """Commands found by name in a table; their one-line help is in the table too."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"worktrial.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            raise click.UsageError(f"no such command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="worktrial", message="worktrial %(version)s")
def cli() -> None:
    """Give coding agents a work trial on your own code.

    Turn a repository's history into a private benchmark (mine, validate), let agents attempt it in isolation (run),
    and read which one to use and how sure that is (report).
    """


def main() -> None:
    """Run the command line; every expected failure ends as `error:` / `cause:` / `hint:` and an exit code."""
    try:
        code: Any = cli.main(prog_name="worktrial", standalone_mode=False, color=_color())
    except click.ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help; click has it from 8.2 on
            error.show()
            sys.exit(CALLED_WRONGLY)
        command = getattr(getattr(error, "ctx", None), "command_path", "worktrial")
        fail(error.format_message(), hint=f"see {command} --help", code=CALLED_WRONGLY)
    except click.Abort:
        sys.exit(130)
    except BrokenPipeError:
        # The reader went away (`worktrial … | head`): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (WorktrialError, OSError, ExceptionGroup) as error:
        _report(error)
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: BaseException) -> None:
    """Print an expected failure and end the process; of several at once, the first. Any other goes on as it came."""
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, WorktrialError):
        fail(first.message, cause=first.cause, hint=first.hint, code=first.exit_code)
    if isinstance(first, OSError):
        # A forbidden folder, a full disk, a program that is not installed: the world's, wherever it comes up.
        what = f"{first.filename}: {first.strerror}" if first.filename else first.strerror or str(first)
        fail(what, hint="worktrial doctor says what this machine lacks", code=1)
    raise error


def _color() -> bool | None:
    """Return False where colours are unwanted (no-color.org), else None: where they can be shown."""
    return False if os.environ.get("NO_COLOR") else None


def fail(message: str, *, cause: str = "", hint: str = "", code: int) -> None:
    """Print an error in the three-line form on standard error and end the process with `code`."""
    for label, text in (("error", message), ("cause", cause), ("hint", hint)):
        if text:
            click.echo(
                f"{click.style(label, fg='red' if label == 'error' else None, bold=True)}: {text}",
                err=True,
                color=_color(),
            )
    sys.exit(code)
