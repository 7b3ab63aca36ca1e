"""`worktrial view`: a run in progress in a browser, and what else may be asked of the server."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.report.conftest import CHROMIUM
from tests.report.fakerun import CONTROLS, FakeTrial, agent, by_chance, make_run, make_suite, simple_tasks, write_trial

from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.store.run import RunDir

OUTCOMES = by_chance({"alpha": 0.3, "beta": 0.9}, {"alpha": 0.1, "beta": 0.3})


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run that has begun: all trials of the first task are there, and none of the others."""
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


@pytest.mark.browser
def test_the_page_keeps_up_with_the_run_and_keeps_what_the_reader_set(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]]
) -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page: Page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(viewer[0])
        expect(page.locator(".live")).to_have_text("Live: 4 of 16 trials finished", timeout=30_000)
        page.locator("#show").select_option("any")
        page.locator("#q").fill("keep")
        finish(run, run.request().tasks[1])
        expect(page.locator(".live")).to_have_text("Live: 8 of 16 trials finished", timeout=30_000)
        expect(page.locator(".caveats li").first).to_contain_text("8 of 16 trials are missing", timeout=30_000)
        assert page.locator("#q").input_value() == "keep"
        assert page.locator("table.grid tbody tr:visible").count() == 1
        run.journal.append(JournalEntry(at=now(), event="drained"))
        expect(page.locator(".live")).to_have_text("The run is over: 8 of 16 trials finished", timeout=30_000)
        page.locator("table.grid a.m:visible").first.click()
        expect(page.locator("[aria-current=page]")).to_have_count(1)
        assert complaints == []
        browser.close()


def test_all_pages_of_a_report_are_there_with_a_policy_that_allows_no_other_script(
    run: RunDir, viewer: tuple[str, subprocess.Popen[str]]
) -> None:
    task = run.request().tasks[0]
    for path in ("/", "/index.html", f"/tasks/{task}.html", f"/trials/beta/{task}/1.html"):
        status, headers, body = ask(viewer[0], path)
        assert status == 200, path
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
        assert ask(address, Host=host)[0] in (400, 403), host
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
    status, _, body = ask(viewer[0])
    assert status == 500
    assert "trial.json is not a valid trial" in body
    path.write_text(whole)
    assert ask(viewer[0])[0] == 200
