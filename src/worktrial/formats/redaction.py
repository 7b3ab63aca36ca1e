"""What was taken out of stored texts because it is secret or tells who someone is, without its value."""

from __future__ import annotations

from typing import Literal

from worktrial.formats.base import Record


class Redaction(Record):
    """How often one kind of thing was replaced in one text."""

    format: Literal["worktrial/redaction@1"] = "worktrial/redaction@1"
    of: str
    """Id of the candidate or trial, or of the commit of a rejection."""
    where: str
    """The field or file: `prompt`, `message`, `prompts/2`, `tests/test_a.py`, `logs/agent.log`."""
    kind: str
    """What its placeholders are called, without the number: `email`, `name`, `user`, `host`, `secret`, `aws-key`, …"""
    count: int
