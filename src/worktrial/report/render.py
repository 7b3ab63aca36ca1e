"""Templates: everything is escaped and cleaned, whoever forgets to ask for it, and a missing name is an error."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from worktrial.analyse import words
from worktrial.report.diffs import FileDiff
from worktrial.report.text import plain

_CLASSES = {"+": "a", "-": "d", " ": "", "@": "h", "\\": "h"}


_SCRIPTS = {"index.html": ("tasks.js",), "trial.html": ("steps.js",)}
_CONNECT = "connect-src 'self'; "


class Links:
    """Addresses within the report, as seen from a page `depth` folders down; pages never know more than this."""

    def __init__(self, depth: int = 0) -> None:
        self.root = "../" * depth

    def index(self) -> str:
        """Return the address of the first page."""
        return f"{self.root}index.html"

    def asset(self, name: str) -> str:
        """Return the address of a style sheet."""
        return f"{self.root}assets/{name}"

    def task(self, task: str) -> str:
        """Return the address of a task's page."""
        return f"{self.root}tasks/{quote(task, safe='')}.html"

    def trial(self, agent: str, task: str, n: int) -> str:
        """Return the address of a trial's page."""
        return f"{self.root}trials/{quote(agent, safe='')}/{quote(task, safe='')}/{n}.html"


def render(template: str, links: Links, *, live: bool = False, **values: Any) -> str:
    """Return a page; a `live` one may ask the server it came from for itself again, and nobody else."""
    script, policy = _script(template, live=live)
    found = _environment().get_template(template)
    return found.render(links=links, live=live, script=script, policy=policy, **values)


def policy_of(template: str, *, live: bool) -> str:
    """Return the content security policy of the pages of a template, for a server to send along."""
    return _script(template, live=live)[1]


@cache
def _script(template: str, *, live: bool) -> tuple[Markup, str]:
    """Return a page's one script and the policy that lets no other run."""
    names = ["page.js", *_SCRIPTS.get(template, ()), *(["live.js"] if live else [])]
    script = "".join(asset(name) for name in names)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(script), content_policy(digest, live=live)  # noqa: S704  # files of ours


def asset(name: str) -> str:
    """Return the text of a style sheet or script of ours."""
    return files("worktrial.report").joinpath("assets", name).read_text("utf-8")


def diff_table(file: FileDiff) -> Markup:
    """Return the lines of one file as table rows with line numbers.

    Written by hand for its size: it is most of the report. Numbers are attributes, so that copying takes code alone.
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


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("worktrial.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters |= {
        "percent": words.percent,
        "points": words.points,
        "money": words.money,
        "duration": words.duration,
        "amount": words.amount,
        "count": words.count,
        "p_value": words.p_value,
        "label": lambda text: text.replace("_", " "),
        "tally": words.tally,
    }
    return environment


def content_policy(script_digest: str, *, live: bool = False) -> str:
    """Return the content security policy of a page: our style sheets, its one script by its hash, nothing else.

    `file:` stands beside 'self' because what 'self' means on pages opened from disk is left to the browser. A `live`
    page comes from a server, which it may also ask for more.
    """
    return (
        f"default-src 'none'; style-src 'self'{'' if live else ' file:'}; script-src 'sha256-{script_digest}'; "
        f"{_CONNECT if live else ''}base-uri 'none'; form-action 'none'"
    )


def _clean(value: Any) -> Any:
    """Clean every string a template prints; markup of ours has been through it."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
