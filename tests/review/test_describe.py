"""A suite beside all the work it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.e2e.workshop import Repository, Shell
from tests.report.fakerun import HOSTILE, START

from worktrial.formats.candidate import Rejection
from worktrial.languages import load
from worktrial.mine.candidates import mine
from worktrial.mine.save import save
from worktrial.review.describe import describe, described_json
from worktrial.review.portrait import Facts, Portrait, portrait
from worktrial.store.git import open_repository
from worktrial.store.suite import Suite

CONTRAST = Path(__file__).parents[1] / "report/contrast.js"


def facts(name: str, lines: int, place: str = "src/a.py", kind: str | None = None) -> Facts:
    at = START - timedelta(days=lines)
    return Facts(
        id=name, language="Python", place=place, lines=lines, files=1 + lines // 50, landed_at=at, words=9, kind=kind
    )


def test_what_no_task_covers_is_said_with_its_share() -> None:
    small = [facts(f"s{n}", 20, kind="bug_fix") for n in range(30)]
    large = [facts(f"l{n}", 500, "src/b.py", "new_code") for n in range(30)]
    found = describe(
        Portrait(small[:12], [*small, *large], [*small, *large], {"docs_only": 3}, {"unstable": 1}, undecided=2), START
    )
    assert "Size: no task of 301 to 1,000 (50%) changed lines; in brackets, the share of all work." in found.gaps
    assert "Part of the repository: no task in src/b.py (50%); in brackets, the share of all work." in found.gaps
    assert "Kind of work: no task of the kind new code (50%); in brackets, the share of the candidates." in found.gaps
    size = described_json(found)["dimensions"]["size"]
    assert size["bins"]["11 to 30"] == {"tasks": 12, "candidates": 30, "all": 30}
    assert size["from_all"]["distance"] == 0.5
    assert not size["from_all"]["by_chance"]


def test_few_tasks_are_plain_counts() -> None:
    all_of_it = [facts(f"s{n}", 20) for n in range(9)]
    found = described_json(describe(Portrait(all_of_it, all_of_it, all_of_it, {}, {}, undecided=0), START))
    assert found["few"]
    assert all(one["from_all"] is None for one in found["dimensions"].values())


def test_all_work_is_every_change_that_mining_read(library_repo: Repository, tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    repo.git("fetch", "-q", str(library_repo.path), "main")
    repo.git("reset", "-q", "--hard", "FETCH_HEAD")
    repo.commit("Say more\n\n\x01odd\x02 text", {"README.md": "A shop.\nWith prices.\n", "docs/é ü.md": "x\n"})
    repo.git("mv", "shop/price.py", "shop/prices.py")
    repo.git("commit", "-qm", "Rename")
    suite = Suite(tmp_path / "suite")
    mined = mine(open_repository(repo.path), prefix="p", language=load("python"))
    save(suite, repo.path, mined)
    found = portrait(suite)
    assert (len(found.tasks), len(found.candidates), found.undecided) == (0, 2, 2)
    by_id = {one.id: one for one in found.everything}
    assert len(by_id) == 2 + 3  # the first commit, the text, the rename
    text = by_id[repo.commits[-1]]
    assert (text.language, text.files, text.lines) == ("documentation", 2, 2)
    price = next(one for one in found.candidates if one.id.endswith(library_repo.commits[2][:10]))
    assert price.place == "no longer there"
    assert found.reasons == {"docs_only": 1, "pure_rename": 1, "root_commit": 1} or sum(found.reasons.values()) == 3


def test_hostile_rejections_and_a_repository_that_is_gone_are_survived(suite_for_people: Suite, shell: Shell) -> None:
    suite_for_people.rejections.replace([Rejection(commit="f" * 40, subject=HOSTILE, reason="docs_only")])
    ended = shell.cold("describe", suite_for_people.path, "--out", "page", "--json")
    assert ended.code == 0, ended.err
    assert (ended.json["tasks"], ended.json["candidates"], ended.json["changes"]) == (4, 5, 5)
    folder = shell.folder / "page"
    assert json.loads((folder / "describe.json").read_text()) == ended.json
    assert "repository can&#39;t be read" in (folder / "index.html").read_text()
    assert shell("describe", suite_for_people.path, "--out", "page").code == 0  # over its own
    (folder / "thesis.txt").write_text("mine")
    assert shell("describe", suite_for_people.path, "--out", "page").is_clean_error("thesis.txt", code=4)


@pytest.fixture
def page(chromium: Browser, suite_for_people: Suite, shell: Shell) -> Iterator[Page]:
    assert shell("describe", suite_for_people.path, "--out", "page").code == 0
    complaints: list[str] = []
    context = chromium.new_context()
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("request", lambda request: complaints.append(request.url) if "file:" not in request.url else None)
    opened.goto((shell.folder / "page/index.html").as_uri())
    yield opened
    context.close()
    assert complaints == []


@pytest.mark.browser
def test_the_page_opens_from_disk_at_any_width_and_in_either_light(page: Page) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert page.evaluate(CONTRAST.read_text("utf-8")) == []
    assert page.evaluate("document.styleSheets.length") == 2
    for width in (320, 390, 800, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").inner_text() == "4 tasks out of 5 candidates and 5 changes"
