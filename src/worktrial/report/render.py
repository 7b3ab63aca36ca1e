"""Templates of the report, and the addresses within it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from worktrial.pages.render import asset, environment


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


def render(template: str, links: Links, **values: Any) -> str:
    """Return a page."""
    return _environment().get_template(template).render(links=links, **values)


@cache
def _environment() -> Environment:
    made = environment("worktrial.report")
    script = asset("worktrial.report", "report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals |= {"script": Markup(script), "policy": content_policy(digest)}  # noqa: S704  # a file of ours
    return made


def content_policy(script_digest: str) -> str:
    """Return the content security policy of every page: our style sheets, our one script by its hash, nothing else.

    `file:` stands beside 'self' because what 'self' means on pages opened from disk is left to the browser.
    """
    return (
        "default-src 'none'; style-src 'self' file:; "
        f"script-src 'sha256-{script_digest}'; base-uri 'none'; form-action 'none'"
    )
