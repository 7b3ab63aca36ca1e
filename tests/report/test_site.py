"""The report as a folder."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.report.conftest import HOSTILE_TASK, Site
from tests.report.fakerun import CONTROLS, FakeTrial, agent, control, make_run, make_suite, simple_tasks

from worktrial.errors import FormatError, UsageError
from worktrial.formats.run import RunRequest
from worktrial.pages.text import title_of
from worktrial.report.site import build
from worktrial.store.files import read_model, write_toml
from worktrial.store.run import RunDir


class Page(HTMLParser):
    """Collects what a page links to and every element it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self.links += [value for name in ("href", "src") if (value := found.get(name))]


@pytest.fixture
def small(tmp_path: Path) -> RunDir:
    suite = make_suite(tmp_path / "suite", simple_tasks(3))
    return make_run(tmp_path / "run", suite, [agent("alpha"), *CONTROLS], 1, lambda config, task, n: control(config))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_is_a_page_for_every_task_and_every_finished_trial(site: Site) -> None:
    pages = {path.relative_to(site.out).as_posix() for path in site.out.rglob("*.html")}
    rows = [row for row in site.built.summary.rows if row.outcome != "unfinished"]
    assert len([page for page in pages if page.startswith("tasks/")]) == 25
    assert {page for page in pages if page.startswith("trials/")} == {
        f"trials/{row.agent}/{row.task}/{row.n}.html" for row in rows
    }


def test_every_link_leads_to_a_file_of_the_report_and_nowhere_else(site: Site) -> None:
    for path in site.out.rglob("*.html"):
        for link in Page(path.read_text("utf-8")).links:
            target, _, fragment = link.partition("#")
            assert not re.match(r"[a-z]+:|//", target), link
            assert (path.parent / unquote(target)).is_file() if target else fragment


def test_every_page_has_the_policy_and_one_script_of_ours(site: Site) -> None:
    for path in site.out.rglob("*.html"):
        elements = Page(path.read_text("utf-8")).elements
        assert [tag for tag, _ in elements].count("script") == 1
        assert not [attrs for _, attrs in elements if any(name.startswith("on") or name == "style" for name in attrs)]
        policies = [attrs for tag, attrs in elements if tag == "meta" and attrs.get("http-equiv")]
        assert "default-src 'none'" in str(policies)
        assert "unsafe" not in str(policies)


def test_the_first_page_opens_with_the_decision(site: Site) -> None:
    text = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", "", site.page("index.html").partition("</h1>")[0].partition("<h1>")[2])
    )
    sentence = site.built.decision.sentence.replace("\N{EN DASH} ", "")
    assert text.replace("&ndash; ", "").replace("  ", " ") == sentence


def test_report_json_has_the_decision_the_figures_and_a_row_per_trial(site: Site) -> None:
    value = json.loads(site.page("report.json"))
    assert value["format"] == "worktrial/report@1"
    assert value["decision"]["sentence"] == site.built.decision.sentence
    assert len(value["trials"]) == 25 * 5 * 2
    assert value["agents"]["beta"]["rate"] > value["agents"]["alpha"]["rate"]
    assert value["agents"]["house:script"]["cost_usd"] is None
    assert value["agents"]["oracle"]["rate"] == 1


def test_an_unknown_cost_is_shown_as_unknown(site: Site) -> None:
    row = re.search(r"<tr role=\"row\">\s*<th[^>]*><strong>house:script.*?</tr>", site.page("index.html"), re.DOTALL)
    assert row
    assert "unknown" in row[0]
    assert "$0<" not in row[0]


def test_infrastructure_failures_are_listed_with_their_cause(site: Site) -> None:
    page = site.page("index.html")
    assert "Infrastructure failures" in page
    assert "provider error" in page
    assert "1 trial failed for reasons that are not the agent" in page


def test_a_trial_page_says_which_tests_failed_and_of_which_class(site: Site) -> None:
    page = site.page("trials", "beta", HOSTILE_TASK, "1.html")
    assert "Not solved: 2 of 7 expected tests do not pass" in page
    assert re.search(r"test_gone</td><td>missing</td><td>pass to pass", page)


def test_hostile_text_is_escaped_and_codes_are_gone(site: Site) -> None:
    for path in (
        site.out / "index.html",
        site.out / f"trials/beta/{HOSTILE_TASK}/1.html",
        site.out / f"tasks/{HOSTILE_TASK}.html",
    ):
        page = path.read_text("utf-8")
        assert "&lt;script&gt;document.title" in page
        assert "<img" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "[U+202E]" in page


def test_the_diffs_stand_side_by_side_with_renames_links_and_binaries_named(site: Site) -> None:
    page = site.page("trials", "beta", HOSTILE_TASK, "1.html")
    assert page.count('class="file pair"') == 5
    for words in (
        "renamed from old name.py",
        "Binary file",
        "mode 120000",
        "mode 100644 to 100755",
        "t\u00e9st\u2424.py",
    ):
        assert words in page
    assert "Not touched by the landed change." in page


def test_huge_logs_and_messages_are_cut_and_say_so(site: Site) -> None:
    page = site.page("trials", "beta", HOSTILE_TASK, "1.html")
    assert len(page) < 400_000
    assert "KiB cut" in page
    assert "the end" in page
    assert "characters cut" in page
    assert "100% done" in page


def test_a_second_report_replaces_the_first_whole(small: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "out" / "report"
    build(small, out)
    (out / "trials" / "stale.html").write_text("old")
    build(small, out)
    assert not (out / "trials" / "stale.html").exists()
    assert [path.name for path in out.parent.iterdir()] == ["report"]


@pytest.mark.parametrize("name", ["notes.txt", "report.json"])
def test_a_folder_with_anything_else_in_it_is_left_alone(small: RunDir, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text('{"format": "mine"}')
    with pytest.raises(UsageError, match="won't write over"):
        build(small, out)
    assert files_of(out) == {name: b'{"format": "mine"}'}


def test_a_note_beside_an_earlier_report_is_not_lost(small: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(small, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        build(small, out)
    assert (out / "notes.txt").read_text() == "mine"


def test_a_torn_file_found_late_leaves_the_earlier_report_as_it_was(small: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "out" / "report"
    build(small, out)
    before = files_of(out)
    last = list(small.trial_dirs())[-1]
    (last.path / "trajectory.json").write_text("{")
    with pytest.raises(FormatError, match=r"trajectory\.json"):
        build(small, out)
    assert files_of(out) == before
    assert [path.name for path in out.parent.iterdir()] == ["report"]


def test_many_trials_are_shared_among_processes_and_the_pages_are_the_same(
    small: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(small, tmp_path / "one")
    monkeypatch.setattr("worktrial.report.crew.MANY_TRIALS", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(3))
    build(small, tmp_path / "three")
    one, three = (files_of(tmp_path / name) for name in ("one", "three"))
    assert set(one) == set(three)
    for name in set(one) - {"index.html", "report.json"}:  # those say when they were made
        assert one[name] == three[name], name


def test_what_another_process_finds_torn_is_named_as_well(
    small: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worktrial.report.crew.MANY_TRIALS", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(3))
    last = small.request().tasks[-1]
    (small.trial_dir("alpha", last, 1).path / "trajectory.json").write_text("{")
    with pytest.raises(FormatError, match=r"trajectory\.json"):
        build(small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_its_suite_a_run_is_still_reported(small: RunDir, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "suite")
    built = build(small, tmp_path / "out")
    assert "suite can&#39;t be read" in built.index.read_text()
    task = small.request().tasks[0]
    assert "no longer holds this task" in (tmp_path / "out/tasks" / f"{task}.html").read_text()
    assert "the suite is not there" in (tmp_path / f"out/trials/oracle/{task}/1.html").read_text()


def test_a_prompt_made_of_points_is_listed_by_its_first_one() -> None:
    assert title_of("- Signer takes keys\n- Serializer too\n", 90) == "Signer takes keys"
    assert title_of("\n## Fix -1\n\n- more\n", 90) == "Fix -1"
    assert title_of("-\n", 90) == "-"


def test_a_suite_changed_since_the_run_is_said_to_be_so(small: RunDir, tmp_path: Path) -> None:
    next((tmp_path / "suite").glob("tasks/*/prompt.md")).write_text("Something else\n")
    assert "suite has changed since this run" in build(small, tmp_path / "out").index.read_text()


def test_a_run_in_progress_says_how_many_trials_are_missing(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(3))
    run = make_run(
        tmp_path / "run",
        suite,
        [agent("alpha")],
        2,
        lambda config, task, n: FakeTrial("solved" if n == 1 else "unfinished"),
    )
    page = build(run, tmp_path / "out").index.read_text()
    assert "3 of 6 trials not finished" in page


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", "", "nul\x00"])
def test_names_that_lead_out_of_the_folder_are_refused(small: RunDir, tmp_path: Path, name: str) -> None:
    path = small.path / "run.toml"
    request = read_model(path, RunRequest, "run file")
    write_toml(path, request.model_copy(update={"tasks": (name,)}))
    with pytest.raises(FormatError, match="no name for a folder"):
        build(small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_of_nothing_is_reported_as_that(small: RunDir, tmp_path: Path) -> None:
    path = small.path / "run.toml"
    request = read_model(path, RunRequest, "run file")
    for change in ({"tasks": ()}, {"agents": ()}):
        write_toml(path, request.model_copy(update=change))
        built = build(small, tmp_path / "out")
        assert built.decision.level == "no_data"
        assert "Nothing to decide yet" in built.index.read_text()
