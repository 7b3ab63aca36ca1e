"""The page of a suite's representativeness: static, opens from disk, asks no host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from worktrial.analyse.likeness import FEW, Distance
from worktrial.analyse.words import percent
from worktrial.errors import UsageError
from worktrial.pages.render import asset, environment, style
from worktrial.pages.text import plain
from worktrial.review.describe import Bin, Described, Dimension, described_json
from worktrial.store.files import write_text

_POLICY = "default-src 'none'; style-src 'self' file:; base-uri 'none'; form-action 'none'"
_OWN = {"index.html", "describe.json", "assets"}


def write(described: Described, out: Path, *, name: str, head: str, head_at: datetime) -> Path:
    """Write the page and its figures to the folder `out` and return the page's path.

    Raises `UsageError` when `out` holds anything but an earlier page, `StorageError`.
    """
    check_target(out)
    page = _environment().get_template("describe.html").render(
        policy=_POLICY, described=described, portrait=described.portrait, name=name, head=head, head_at=head_at,
        few=FEW, chart=chart, likeness=likeness,
    )  # fmt: skip
    write_text(out / "assets" / "report.css", style())
    write_text(out / "assets" / "describe.css", asset("worktrial.review", "describe.css"))
    write_text(out / "describe.json", json.dumps(described_json(described), indent=1) + "\n")
    write_text(out / "index.html", page)
    return out / "index.html"


def check_target(out: Path) -> None:
    """Raise `UsageError` unless `out` is absent, empty, or an earlier description and nothing besides."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file, not a folder", hint="give --out a new folder; nothing was written")
    names = {path.name for path in out.iterdir()}
    if names and ("describe.json" not in names or names - _OWN):
        other = sorted(names - _OWN) or sorted(names)
        raise UsageError(
            f"won't write over {out}", cause=f"it holds {other[0]}", hint="give --out a new folder; nothing was written"
        )


def chart(dimension: Dimension) -> Markup:
    """Return the bins as rows of bars: tasks, candidates, all work, as shares of each."""
    populations = [("tasks", [one.tasks for one in dimension.bins])]
    populations.append(("candidates", [one.candidates for one in dimension.bins]))
    if all(one.everything is not None for one in dimension.bins):
        populations.append(("all", [one.everything or 0 for one in dimension.bins]))
    totals = {key: sum(counts) or 1 for key, counts in populations}
    top = max((max(counts, default=0) / totals[key] for key, counts in populations), default=0) or 1
    rows = [_row(one, [(key, counts[at], totals[key]) for key, counts in populations], top)
            for at, one in enumerate(dimension.bins)]  # fmt: skip
    return Markup("").join(rows)


def _row(one: Bin, values: Sequence[tuple[str, int, int]], top: float) -> Markup:
    bars = Markup("").join(
        Markup('<rect class="{key}" x="0" y="{y}" width="{width}%" height="{height}" rx="1"/>').format(
            key=key, y=y, width=f"{count / total / top * 100:.2f}", height=height
        )
        for (key, count, total), (y, height) in zip(values, ((1, 8), (11, 4), (17, 4)), strict=False)
        if count
    )
    figures = Markup("").join(
        Markup('<td class="{key}" data-label="{label}">{share} <small>{count}</small></td>').format(
            key=key, label=_HEADS[key], share=percent(count / total), count=f"{count:,}"
        )
        for key, count, total in values
    )
    gap = Markup(' class="gap"') if one.tasks == 0 else ""
    return Markup(
        '<tr{gap}><th scope="row">{name}</th><td class="bars"><svg aria-hidden="true">{bars}</svg></td>{figures}</tr>\n'
    ).format(gap=gap, name=plain(one.name), bars=bars, figures=figures)


_HEADS = {"tasks": "Tasks", "candidates": "Candidates", "all": "All work"}


def likeness(distance: Distance | None, whole: str) -> str:
    """Return how unlike the suite is to `whole`, in one clause."""
    if distance is None:
        return ""
    if distance.by_chance:
        verdict = f"no further from {whole} than a random draw may be"
    else:
        verdict = f"further from {whole} than chance makes it"
    return f"{verdict}: {distance.value:.2f}, where 95% of random draws are within {distance.unusual:.2f}"


@cache
def _environment() -> Environment:
    return environment("worktrial.review")
