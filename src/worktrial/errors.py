"""The errors worktrial raises on purpose. Each says what happened, why, and what to do next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class WorktrialError(Exception):
    """Something the user can act on; the command line prints it as `error:` / `cause:` / `hint:`.

    `message` says what could not be done, `cause` what was found (empty: nothing more is known) and `hint`
    the next step (empty: there is none to name). `exit_code` is what the command ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.cause})" if self.cause else self.message


CALLED_WRONGLY = 4
"""Exit code of a command that was given what it does not take. The usual 2 is an answer of `gate`."""


class UsageError(WorktrialError):
    """The command was called with something that cannot work, whatever the state of the world."""

    exit_code = CALLED_WRONGLY


class RepositoryError(WorktrialError):
    """The repository given is not one, is empty, or cannot be read."""


class FormatError(WorktrialError):
    """A file of a suite or run is missing, torn, or not what its format says."""


class EnvironmentBuildError(WorktrialError):
    """The environment of a task could not be built."""


class AgentError(WorktrialError):
    """A real agent is not installed, or could not be."""


class SandboxError(WorktrialError):
    """No isolation of the wanted kind is to be had, or a sandbox failed to start."""


class StorageError(WorktrialError):
    """The disk is full or a file cannot be written."""


class InfrastructureError(WorktrialError):
    """A trial or test run failed for a reason that is not the agent's: it leaves the denominator."""


@contextlib.contextmanager
def first_error() -> Iterator[None]:
    """Raise the first of our errors from a task group in the block in place of the group.

    One failure ends the others of its group; what they were cancelled in is nobody's news.
    """
    try:
        yield
    except* WorktrialError as group:
        raise group.exceptions[0] from None
