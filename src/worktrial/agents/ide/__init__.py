"""The ide agent: the loop of `basic` with the tools of an editor."""

from __future__ import annotations

from worktrial.agents.basic import Basic
from worktrial.agents.basic.tools import Tools
from worktrial.agents.ide.tools import IdeTools
from worktrial.agents.protocol import Attempt


class Ide(Basic):
    """Like `basic`, with outline, definition, references, diagnostics, format, run_tests and knowledge besides.

    The two harnesses are alike in everything else, so that a difference between them is one of tools.
    """

    def tools(self, attempt: Attempt) -> Tools:
        """Return the tools of one attempt."""
        return IdeTools(attempt.workspace, attempt.env, attempt.mounts, attempt.checks)
