"""`worktrial`: the group of all commands, each imported only when it is called so that `--help` stays fast."""

from __future__ import annotations

import difflib
import os
import sys
from importlib import import_module
from typing import Any

import click

from worktrial.errors import WorktrialError

_COMMANDS = {
    "mine": "Find candidate tasks in a repository's history.",
    "validate": "Prove candidates by running their tests before and after.",
    "run": "Let agents attempt the tasks of a suite, and grade them.",
    "grade": "Grade the trials of a run again.",
    "report": "Write a static report of a run.",
    "demo": "Do all of it in one go, with no key and no model.",
    "doctor": "Check what this machine has and name the remedy for what is missing.",
}


class _Commands(click.Group):
    """Commands found by name in a table; their one-line help is in the table too."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"worktrial.cli.{cmd_name}").command
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
        code: Any = cli.main(standalone_mode=False)
    except click.ClickException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "worktrial")
        fail(error.format_message(), hint=f"see {command} --help", code=2)
    except click.Abort:
        sys.exit(130)
    except WorktrialError as error:
        fail(error.message, cause=error.cause, hint=error.hint, code=error.exit_code)
    except BrokenPipeError:
        # The reader went away (`worktrial … | head`): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str, *, cause: str = "", hint: str = "", code: int) -> None:
    """Print an error in the three-line form on standard error and end the process with `code`."""
    for label, text in (("error", message), ("cause", cause), ("hint", hint)):
        if text:
            click.echo(f"{click.style(label, fg='red' if label == 'error' else None, bold=True)}: {text}", err=True)
    sys.exit(code)
