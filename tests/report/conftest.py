"""A rich and partly hostile run, and the report of it, made once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.report.fakerun import (
    CONTROLS,
    HOSTILE,
    FakeTask,
    FakeTrial,
    agent,
    by_chance,
    change,
    make_run,
    make_suite,
    trajectory,
    varied_tasks,
)

from worktrial.formats.run import AgentConfig
from worktrial.formats.task import ExpectedTests
from worktrial.report.site import Built, build
from worktrial.store.run import RunDir

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE_TASK = "99-hostile"
HOSTILE_PATCH = (
    change("src/click/types.py", HOSTILE, "</td></table><script>document.title='owned'</script>")
    + b'diff --git "a/t\\303\\251st\\n.py" "b/t\\303\\251st\\n.py"\nnew file mode 120000\n--- /dev/null\n'
    + b'+++ "b/t\\303\\251st\\n.py"\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n'
    + b"diff --git a/old name.py b/new name.py\nsimilarity index 100%\nrename from old name.py\nrename to new name.py\n"
    + b"diff --git a/logo.png b/logo.png\nindex 1..2 100644\nGIT binary patch\nliteral 9\nQcmZ\x00\xff\xfe\n\n"
    + b"diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
)


@dataclass(frozen=True)
class Site:
    """A run and its report."""

    run: RunDir
    suite: Path
    out: Path
    built: Built

    def page(self, *parts: str) -> str:
        """Return the text of a page."""
        return self.out.joinpath(*parts).read_text("utf-8")


def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
    """Return what each trial of the rich run came to."""
    usual = by_chance(
        {"alpha": 0.4, "beta": 0.8, "house:script": 0.3}, {"alpha": 0.1, "beta": 0.3, "house:script": None}
    )
    if task == HOSTILE_TASK and config.name == "beta":
        return FakeTrial(
            "not_solved",
            detail=HOSTILE,
            failed={f"tests/test_core.py::test[{HOSTILE}]": "failed", "tests/test_core.py::test_gone": "missing"},
            patch=HOSTILE_PATCH,
            logs={
                "tests.log": HOSTILE + "\n" + "x" * 300_000 + "the end",
                "agent.log": "10%\r50%\r100% \x1b]0;title\x07done",
            },
            trajectory=trajectory(HOSTILE, "word " * 10_000, failing=2),
        )
    if task.startswith("03") and config.name == "alpha" and n == 2:
        return FakeTrial("infrastructure", cause="provider_error", detail=f"429 {HOSTILE}")
    if task.startswith("04") and config.name == "house:script":
        return FakeTrial("unfinished" if n == 2 else "ungraded", patch=None)
    return usual(config, task, n)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A run of five agents on 25 tasks, one of them hostile, and its report."""
    folder = tmp_path_factory.mktemp("rich")
    hostile = FakeTask(
        HOSTILE_TASK,
        f"{HOSTILE} \u00fcnic\u00f6de \u65e5\u672c\n\n{HOSTILE}",
        change("src/click/types.py", "old", HOSTILE),
        ExpectedTests(
            fail_to_pass=(f"tests/test_core.py::test[{HOSTILE}]",), pass_to_pass=("tests/test_core.py::test_gone",)
        ),
    )
    suite = make_suite(folder / "suite", [*varied_tasks(24), hostile])
    agents = [
        agent("alpha", model=HOSTILE),
        agent("beta", model="m-2", cutoff="2025-06-01"),
        AgentConfig(name="house:script", kind="command"),
        *CONTROLS,
    ]
    run = make_run(folder / "run", suite, agents, 2, outcome)
    out = folder / "report"
    return Site(run, suite.path, out, build(run, out))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser; closed with the module, as its event loop would be in the way of other tests."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        )
        yield browser
        browser.close()
