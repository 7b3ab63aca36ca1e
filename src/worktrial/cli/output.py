"""What the commands print: data on standard output, talk on standard error, progress only where somebody looks."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import NONE_MEANS

talk = Console(stderr=True, highlight=False)
"""For people: progress, funnels, hints. Standard output is kept for data."""


def warn_of(sandbox: Sandbox) -> None:
    """Say what it means when there is no isolation."""
    if sandbox.tier == "none":
        talk.print(f"warning: no isolation. {NONE_MEANS}", markup=False, soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print the command's result as one line of JSON on standard output."""
    click.echo(json.dumps(value))  # ASCII, whatever the terminal can show


def print_funnel(title: str, rows: list[tuple[str, int, str]]) -> None:
    """Print a funnel: label, count, remark per row; rows of count 0 are left out."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for label, count, remark in rows:
        if count:
            table.add_row(label, str(count), remark)
    talk.print(table)
