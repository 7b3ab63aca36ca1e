"""`worktrial view`: a run in progress in a browser, and what else may be asked of the server."""

from __future__ import annotations

import contextlib
import difflib
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.report.fakerun import (
    CONTROLS,
    HOSTILE,
    FakeTrial,
    agent,
    by_chance,
    make_run,
    make_suite,
    simple_tasks,
    write_trial,
)

from worktrial.formats.base import now
from worktrial.formats.gateway import GatewayRecord
from worktrial.formats.journal import JournalEntry
from worktrial.gateway.recording import Recorder
from worktrial.store.presence import working_in
from worktrial.store.run import RunDir

OUTCOMES = by_chance({"alpha": 0.3, "beta": 0.9}, {"alpha": 0.1, "beta": 0.3})


@pytest.fixture
def idle(tmp_path: Path) -> RunDir:
    """A run that has begun: all trials of the first task are there, and none of the others. Nobody works on it."""
    suite = make_suite(tmp_path / "suite", simple_tasks(4))
    first = suite.task_ids()[0]
    agents = [agent("alpha"), agent("beta"), *CONTROLS]
    run = make_run(
        tmp_path / "run",
        suite,
        agents,
        1,
        lambda config, task, n: OUTCOMES(config, task, n) if task == first else FakeTrial("unfinished"),
    )
    run.journal.append(JournalEntry(at=now(), event="started"))
    return run


@pytest.fixture
def work(idle: RunDir) -> Iterator[contextlib.ExitStack]:
    """Work on the run, by us, until this is closed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(working_in(idle.path))
        yield stack


@pytest.fixture
def run(idle: RunDir, work: contextlib.ExitStack) -> RunDir:
    """The run, with somebody at work on it."""
    return idle


@pytest.fixture
def viewer(run: RunDir) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command, serving; its address and the process."""
    command = [sys.executable, "-m", "worktrial", "view", str(run.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["url"], process
        finally:
            process.kill()


def ask(address: str, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """Ask the server as no browser would; `path` goes out as it is."""
    found = urlsplit(address)
    connection = http.client.HTTPConnection(found.hostname or "", found.port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def finish(run: RunDir, task: str) -> None:
    """Let all trials of a task come to their end."""
    for config in run.request().everyone():
        write_trial(run.trial_dir(config.name, task, 1), OUTCOMES(config, task, 1))
        run.journal.append(JournalEntry(at=now(), event="trial", agent=config.name, task=task, n=1))


def begin(run: RunDir, agent: str, task: str) -> Recorder:
    """Let a trial be under way, and return what its gateway records with."""
    run.journal.append(JournalEntry(at=now(), event="begun", agent=agent, task=task, n=1))
    return Recorder(run.trial_dir(agent, task, 1).path, f"{agent}/{task}/1")


def say(recorder: Recorder, text: str, command: str, cost_usd: float = 0.5) -> None:
    """Let the model answer with a text and a call."""
    call = {"id": "c", "type": "function", "function": {"name": "shell", "arguments": json.dumps({"command": command})}}
    answer: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": text, "tool_calls": [call]}}]}
    body = recorder.bodies.add(json.dumps(answer).encode())
    kind = {"content-type": "application/json"}
    recorder.end(
        GatewayRecord(
            format="worktrial/gateway@1", id=recorder.next_id(), at=datetime.now(UTC), trial=recorder.trial,
            api="openai_chat", operation="chat", status=200, outcome="answered", response_body=body, tools_offered=1,
            response_headers=kind, input_tokens=900, output_tokens=100, cost_usd=cost_usd,
        )
    )  # fmt: skip


def status(page: Page, text: str) -> None:
    expect(page.locator(".live [role=status]")).to_have_text(text, timeout=30_000)


@pytest.mark.browser
def test_the_page_keeps_up_with_the_run_and_keeps_what_the_reader_set(
    run: RunDir, work: contextlib.ExitStack, viewer: tuple[str, subprocess.Popen[str]], page: Page
) -> None:
    page.goto(viewer[0])
    status(page, "Live: 4 of 16 trials finished")
    page.locator("#show").select_option("any")
    page.locator("#q").fill("keep")
    finish(run, run.request().tasks[1])
    status(page, "Live: 8 of 16 trials finished")
    expect(page.locator(".caveats li").first).to_contain_text("8 of 16 trials are missing")
    assert page.locator("#q").input_value() == "keep"
    assert page.locator("#show").input_value() == "any"
    assert page.locator("table.grid tbody tr:visible").count() == 1
    run.journal.append(JournalEntry(at=now(), event="drained", why="interrupted"))
    work.close()
    status(page, "Interrupted: 8 of 16 trials finished")
    page.locator("table.grid a.m:visible").first.click()
    expect(page.locator("[aria-current=page]")).to_have_count(1)


@pytest.mark.browser
def test_an_update_leaves_focus_open_details_place_and_selection_where_they_are(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]], page: Page
) -> None:
    page.set_viewport_size({"width": 900, "height": 600})
    page.goto(viewer[0])
    status(page, "Live: 4 of 16 trials finished")
    page.locator("#show").select_option("any")
    mark = page.locator("table.grid tbody tr").nth(0).locator("a.m").first
    page.keyboard.press("j")
    mark.focus()
    page.locator("details").first.evaluate("one => { one.open = true; }")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('h2#run'))")
    page.evaluate("scrollTo(0, 700)")
    href, at = mark.get_attribute("href"), page.evaluate("scrollY")
    for task in run.request().tasks[1:3]:
        finish(run, task)
    status(page, "Live: 12 of 16 trials finished")
    expect(page.locator("table.grid tbody tr").nth(2).locator("a.m")).to_have_count(4)
    assert page.evaluate("document.activeElement.getAttribute('href')") == href
    assert page.locator("details").first.evaluate("one => one.open")
    assert page.evaluate("getSelection().toString()") == "What was run"
    assert page.evaluate("scrollY") == at
    page.keyboard.press("j")
    assert "at" in (page.locator("table.grid tbody tr").nth(1).get_attribute("class") or "")


@pytest.mark.browser
def test_a_page_that_was_updated_is_the_page_that_a_reload_gives(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]], page: Page
) -> None:
    """Sections come, agents change places, marks and charts change: nothing of what was there before is left."""
    page.goto(viewer[0])
    status(page, "Live: 4 of 16 trials finished")
    page.locator("#show").select_option("any")
    for number, task in enumerate(run.request().tasks[1:], 2):
        finish(run, task)
        status(page, f"Live: {4 * number} of 16 trials finished")
        expect(page.locator("table.grid tbody tr").nth(number - 1).locator("a.m")).to_have_count(4)
        updated = page.locator("#main").evaluate("one => one.outerHTML")
        other = page.context.new_page()
        other.goto(viewer[0])
        status(other, f"Live: {4 * number} of 16 trials finished")
        other.locator("#show").select_option("any")
        same = """(one, html) => {
            const made = new DOMParser().parseFromString(html, "text/html").querySelector("#main");
            return made.isEqualNode(one) ? [] : [made.outerHTML, one.outerHTML];
        }"""
        if differ := other.locator("#main").evaluate(same, updated):
            before, after = (text.splitlines() for text in differ)
            pytest.fail("\n".join(difflib.unified_diff(before, after, n=0, lineterm="")))
        other.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_of_a_run_in_progress_fit_and_axe_finds_no_serious_fault(
    run: RunDir,
    viewer: tuple[str, subprocess.Popen[str]],
    chromium: Browser,
    scheme: str,
    width: int,
) -> None:
    task = run.request().tasks[1]
    recorder = begin(run, "beta", task)
    say(recorder, f"First {HOSTILE}", "ls")
    context = chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        bypass_csp=True,
        viewport={"width": width, "height": 844},
    )
    page = context.new_page()
    for path in ("", f"trials/beta/{task}/1.html", f"tasks/{task}.html"):
        page.goto(f"{viewer[0]}{path}")
        status(page, "Live: 4 of 16 trials finished")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], path
    context.close()
    recorder.close()


@pytest.mark.browser
def test_a_trial_under_way_is_shown_as_such_and_can_be_opened_half_written(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]], page: Page
) -> None:
    task = run.request().tasks[1]
    page.goto(viewer[0])
    status(page, "Live: 4 of 16 trials finished")
    before = float(page.locator(".live .more").inner_text().split()[0].lstrip("$"))
    recorder = begin(run, "beta", task)
    expect(page.locator(".now li")).to_have_count(1)
    expect(page.locator("a.m.under_way")).to_have_count(1)
    assert page.locator("a.m.under_way").get_attribute("aria-label") == "trial 1: under way"
    page.locator(".now a").click()
    expect(page.locator("h2#verdict")).to_contain_text("Under way for")
    assert page.locator(".steps").count() == 0
    say(recorder, f"First {HOSTILE}", "ls")
    expect(page.locator(".steps > li")).to_have_count(1)
    assert "1 request to its model so far, 1k tokens, $0.50" in page.locator(".verdict").inner_text()
    page.locator(".steps summary").click()
    page.locator("#q").fill("second")
    assert page.locator(".steps > li:visible").count() == 0
    say(recorder, "Second", "pytest")
    expect(page.locator("#shown")).to_have_text("1 of 2 steps")
    assert page.locator("#q").input_value() == "second"
    page.locator("#q").fill("")
    assert page.locator("#step-1 details").evaluate("one => one.open")
    assert not page.locator("#step-2 details").evaluate("one => one.open")
    assert page.title() != "owned"
    page.goto(viewer[0])
    expect(page.locator(".live .more")).to_contain_text("1 under way")
    assert page.locator(".live .more").inner_text().startswith(f"${before + 1:.2f} so far")
    page.go_back()
    recorder.close()
    finish(run, task)
    expect(page.locator("h2#verdict")).to_contain_text("olved")
    expect(page.locator("h2#diff")).to_have_count(1)
    status(page, "Live: 8 of 16 trials finished")


@pytest.mark.browser
def test_a_run_that_was_killed_is_not_said_to_go_on(
    run: RunDir, work: contextlib.ExitStack, viewer: tuple[str, subprocess.Popen[str]], page: Page
) -> None:
    """The kernel lets go of what a killed process held; here it is let go of, and nothing is noted."""
    begin(run, "beta", run.request().tasks[1])
    page.goto(viewer[0])
    status(page, "Live: 4 of 16 trials finished")
    work.close()
    status(page, "Stopped without finishing: 4 of 16 trials finished")
    expect(page.locator(".live .more")).to_contain_text("last sign of life")
    expect(page.locator(".live .more")).to_contain_text("worktrial run … --out run goes on with it")
    expect(page.locator(".now")).to_have_count(0)
    expect(page.locator("a.m.under_way")).to_have_count(0)
    work.enter_context(working_in(run.path))
    run.journal.append(JournalEntry(at=now(), event="resumed"))
    status(page, "Live: 4 of 16 trials finished")
    for task in run.request().tasks[1:]:
        finish(run, task)
    run.journal.append(JournalEntry(at=now(), event="finished"))
    work.close()
    status(page, "Finished: all 16 trials")
    expect(page.locator(".caveats")).not_to_contain_text("not finished")


@pytest.mark.browser
def test_a_file_that_is_torn_for_a_while_is_said_and_the_page_goes_on(
    run: RunDir,
    viewer: tuple[str, subprocess.Popen[str]],
    chromium: Browser,
) -> None:
    page = chromium.new_page()  # which may complain of an answer that says what is wrong
    page.goto(viewer[0])
    status(page, "Live: 4 of 16 trials finished")
    whole = run.journal.path.read_bytes()
    run.journal.path.write_bytes(b"= broken\n")
    expect(page.locator(".live")).to_contain_text("can't be read", timeout=30_000)
    expect(page.locator(".live")).to_contain_text("journal.jsonl line 1 is not a valid record")
    assert page.locator("h1").count() == 1
    run.journal.path.write_bytes(whole)
    finish(run, run.request().tasks[1])
    status(page, "Live: 8 of 16 trials finished")
    page.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [("run.toml", "is not a valid run file"), ("lock.json", "is not a valid run lock"), (".", "there is no run at")],
)
def test_a_run_that_is_not_there_or_damaged_is_a_clear_error(idle: RunDir, name: str, words: str) -> None:
    if name == ".":
        idle.path.rename(idle.path.with_name("elsewhere"))
    else:
        (idle.path / name).write_bytes(b"= broken\n")
    command = [sys.executable, "-m", "worktrial", "view", str(idle.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert "hint:" in done.stderr
    assert done.stdout == ""


def test_several_viewers_show_one_run(run: RunDir, viewer: tuple[str, subprocess.Popen[str]]) -> None:
    command = [sys.executable, "-m", "worktrial", "view", str(run.path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        address = json.loads(other.stdout.readline())["url"]
        try:
            assert address != viewer[0]
            for one in (address, viewer[0]):
                assert ask(one)[0] == 200
                assert json.loads(news(one))["said"] == "Live: 4 of 16 trials finished"
        finally:
            other.kill()


def news(address: str) -> str:
    """Return the data of the first event."""
    found = urlsplit(address)
    connection = http.client.HTTPConnection(found.hostname or "", found.port, timeout=30)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.readline() == b"event: run\n"
    line = answer.readline().decode()
    connection.close()
    return line.removeprefix("data: ")


def test_all_pages_of_a_report_are_there_with_a_policy_that_allows_no_other_script(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]]
) -> None:
    task = run.request().tasks[0]
    for path in ("/", "/index.html", f"/tasks/{task}.html", f"/trials/beta/{task}/1.html"):
        code, headers, body = ask(viewer[0], path)
        assert code == 200, path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "file:" not in policy
        assert "frame-ancestors 'none'" in policy
        assert body.count("<script") == 1
    assert json.loads(ask(viewer[0], "/report.json")[2])["format"] == "worktrial/report@1"
    assert ask(viewer[0], "/assets/report.css")[1]["content-type"].startswith("text/css")


NO_PAGES = (
    "/tasks/../../run.toml.html",
    "/tasks/..%2f..%2frun.html",
    "/trials/beta/..%2f..%2f/1.html",
    "/trials/oracle/00-keep-the-default/../../1.html",
    "/trials/beta/01-don't-strip-quotes/1.html",
    "/assets/../report.py",
    "/run.toml",
    "/%00",
)


def test_what_is_no_page_is_not_there(viewer: tuple[str, subprocess.Popen[str]]) -> None:
    for path in NO_PAGES:
        assert ask(viewer[0], path)[0] in (400, 404), path


def test_it_answers_this_machine_alone_and_only_what_reads(viewer: tuple[str, subprocess.Popen[str]]) -> None:
    address = viewer[0]
    assert urlsplit(address).hostname == "127.0.0.1"
    port = urlsplit(address).port
    assert ask(address, Host=f"localhost:{port}")[0] == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{(port or 0) + 1}", ""):
        assert ask(address, Host=host)[0] in (400, 421), host
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(address, method=method)[0] == 405


def test_ctrl_c_ends_it_cleanly_even_while_a_browser_listens(viewer: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = viewer
    found = urlsplit(address)
    listening = http.client.HTTPConnection(found.hostname or "", found.port, timeout=30)
    listening.request("GET", "/events")
    events = listening.getresponse()
    assert events.readline() == b"event: run\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stderr
    assert process.stderr.read() == "Ctrl-C ends it.\n"
    listening.close()


def test_a_taken_port_is_said_to_be_taken(run: RunDir, viewer: tuple[str, subprocess.Popen[str]]) -> None:
    port = str(urlsplit(viewer[0]).port)
    command = [sys.executable, "-m", "worktrial", "view", str(run.path), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert f"could not listen on port {port}" in done.stderr
    assert "hint:" in done.stderr


def test_a_torn_file_is_said_on_the_page_and_does_not_end_the_server(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]]
) -> None:
    path = run.trial_dir("beta", run.request().tasks[0], 1).path / "trial.json"
    whole = path.read_text()
    path.write_text("{")
    code, _, body = ask(viewer[0])
    assert code == 500
    assert "trial.json is not a valid trial" in body
    path.write_text(whole)
    assert ask(viewer[0])[0] == 200
