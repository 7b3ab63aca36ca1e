"""Templates: everything is escaped and cleaned, whoever forgets to ask for it, and a missing name is an error."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from worktrial.analyse import words
from worktrial.pages.diffs import FileDiff
from worktrial.pages.text import plain

_CLASSES = {"+": "a", "-": "d", " ": "", "@": "h", "\\": "h"}


def style() -> str:
    """Return the text of the style sheet that all pages share."""
    return asset("worktrial.pages", "report.css")


def asset(package: str, name: str) -> str:
    """Return the text of a style sheet or script in the folder `assets` of one of our packages."""
    return files(package).joinpath("assets", name).read_text("utf-8")


def environment(package: str) -> Environment:
    """Return an environment for the templates of one of our packages, and for those that all pages share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("worktrial.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    made.filters |= {
        "percent": words.percent,
        "points": words.points,
        "money": words.money,
        "duration": words.duration,
        "amount": words.amount,
        "count": words.count,
        "p_value": words.p_value,
        "tally": words.tally,
        "label": lambda text: text.replace("_", " "),
    }
    return made


def diff_table(file: FileDiff) -> Markup:
    """Return the lines of one file as table rows with line numbers.

    Written by hand for its size: it is most of a page. Numbers are attributes, so that copying takes code alone.
    """
    rows = []
    texts = str(escape("\n".join(line.text for line in file.lines))).split("\n")
    for line, text in zip(file.lines, texts, strict=False):
        kind = _CLASSES[line.kind]
        old = f' data-n="{line.old}"' if line.old is not None else ""
        new = f' data-n="{line.new}"' if line.new is not None else ""
        sign = "" if line.kind in "@\\" else line.kind
        rows.append(f'<tr class="{kind}"><td{old}><td{new}><td>{sign}{text}\n')
    return Markup("".join(rows))  # noqa: S704  # all but our own tags was escaped above


def _clean(value: Any) -> Any:
    """Clean every string a template prints; markup of ours has been through it."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
