"""`worktrial view` beside a real `worktrial run` that is interrupted, killed, resumed and finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import tomli_w
from playwright.sync_api import Page, expect
from tests.e2e.workshop import Shell
from tests.e2e.workshop import finish as ended
from tests.run.test_interrupt import graded, hurry, slow_agent, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LIMIT_MS = 60_000


@pytest.fixture
def command(suite: Path, shell: Shell) -> list[str]:
    """A run of 16 trials, of which eight take a while each."""
    agents = {"sleepy": slow_agent(shell.folder, seconds=2)}
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": agents}))
    return ["run", str(suite), "--agent", "sleepy", "--trials", "6", "--jobs", "1", "--out", "run"]


def test_the_viewer_tells_what_becomes_of_a_run(command: list[str], shell: Shell, page: Page) -> None:
    run, said = shell.folder / "run", page.locator(".live [role=status]")
    process = shell.start(*command)
    wait_for(lambda: graded(run) >= 1, process)
    with subprocess.Popen(
        shell.argv("view", run, "--json"), cwd=shell.folder, env=shell.env, stdout=subprocess.PIPE
    ) as viewer:
        assert viewer.stdout
        try:
            page.goto(json.loads(viewer.stdout.readline())["url"])
            expect(said).to_have_text("Live: 3 of 16 trials finished", timeout=LIMIT_MS)
            expect(page.locator(".now li").first).to_contain_text("sleepy on", timeout=LIMIT_MS)
            os.killpg(process.pid, signal.SIGINT)
            assert ended(process).code == 130
            expect(said).to_contain_text("Interrupted: ", timeout=LIMIT_MS)
            expect(page.locator(".now")).to_have_count(0)
            process = shell.start(*command)
            expect(said).to_contain_text("Live: ", timeout=LIMIT_MS)
            before = graded(run)
            wait_for(lambda: graded(run) > before, process)
            os.killpg(process.pid, signal.SIGKILL)
            ended(process)
            expect(said).to_contain_text("Stopped without finishing: ", timeout=LIMIT_MS)
            process = shell.start(*command)
            expect(said).to_contain_text("Live: ", timeout=LIMIT_MS)
            second = shell(*command)
            assert second.is_clean_error("another process is at work", code=4)
            hurry(shell.folder)
            assert ended(process).code == 0
            expect(said).to_have_text("Finished: all 16 trials", timeout=LIMIT_MS)
            expect(page.locator(".caveats li").first).not_to_contain_text("not finished", timeout=LIMIT_MS)
        finally:
            page.goto("about:blank")  # which would complain of the viewer's end
            viewer.kill()


def test_a_run_that_was_stopped_says_why_in_its_journal(command: list[str], shell: Shell) -> None:
    run = shell.folder / "run"
    process = shell.start(*command)
    wait_for(lambda: graded(run) >= 1, process)
    os.killpg(process.pid, signal.SIGINT)
    wait_for(lambda: b'"sleepy"' in (run / "journal.jsonl").read_bytes(), process)
    os.killpg(process.pid, signal.SIGINT)  # at once
    assert ended(process).code == 130
    last = json.loads((run / "journal.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["why"]) == ("drained", "interrupted")
