"""A command whose exit codes 0, 1 and 2 are answers: whatever else ends it has another code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import click

from worktrial.errors import CALLED_WRONGLY, WorktrialError

FAILED = CALLED_WRONGLY
"""Called wrongly, or could not be done: neither is an answer."""
UNREAD = 141
"""The reader went away."""


class VerdictCommand(click.Command):
    """A command that ends with `FAILED` where others end with 1 or 2 without having come to an answer."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        with _failing():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Do it."""
        with _failing():
            return super().invoke(ctx)


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except (click.exceptions.Exit, click.Abort):
        raise  # --help; Ctrl-C ends with 130
    except BrokenPipeError:
        # click itself would end with 1, which is an answer. What is left to write has nobody to go to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(UNREAD) from None
    except WorktrialError as error:
        error.exit_code = FAILED
        raise
    except click.ClickException as error:
        error.exit_code = FAILED  # type: ignore[misc]  # click's own exceptions differ in it by class alone
        raise
    except OSError as error:
        failed = WorktrialError(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        failed.exit_code = FAILED
        raise failed from error
    except Exception:  # noqa: BLE001 - a fault of ours must not look like the answer 1; it is shown in full
        traceback.print_exc()
        raise click.exceptions.Exit(FAILED) from None
