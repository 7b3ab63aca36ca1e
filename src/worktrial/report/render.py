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

_SCRIPTS = {"index.html": ("tasks.js",), "trial.html": ("steps.js",), "under_way.html": ("steps.js",)}
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
    script = "".join(asset("worktrial.report", name) for name in names)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(script), content_policy(digest, live=live)  # noqa: S704  # files of ours


@cache
def _environment() -> Environment:
    return environment("worktrial.report")


def content_policy(script_digest: str, *, live: bool = False) -> str:
    """Return the content security policy of a page: our style sheets, its one script by its hash, nothing else.

    `file:` stands beside 'self' because what 'self' means on pages opened from disk is left to the browser. A `live`
    page comes from a server, which it may also ask for more.
    """
    return (
        f"default-src 'none'; style-src 'self'{'' if live else ' file:'}; script-src 'sha256-{script_digest}'; "
        f"{_CONNECT if live else ''}base-uri 'none'; form-action 'none'"
    )
