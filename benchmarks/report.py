"""The report of 5,400 trials (3 agents x 600 tasks x 3): time to build it, weight and quickness of its first page.

The run is made up and written by the store: prompts, patches, logs and trajectories are of the sizes that small tasks
leave. The first page is opened from disk in headless Chromium, where there is one, and timed until its filter answers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.report.fakerun import agent, by_chance, make_run, make_suite, varied_tasks

from worktrial.report.site import build

_RATES = {"alpha": 0.53, "beta": 0.66, "gamma": 0.71}
_COSTS: dict[str, float | None] = {"alpha": 0.08, "beta": 0.21, "gamma": 0.66}
_TRIALS = 3
_OPENED = 5
_CHROMIUM = Path("/usr/bin/chromium")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", help="not used: the run is made up")
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--keep", type=Path, help="write run and report to this folder and leave them there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as scratch:
        folder = given.keep or Path(scratch)
        suite = make_suite(folder / "suite", varied_tasks(given.tasks))
        agents = [agent(name, model=f"model-{name}", cutoff=f"2025-0{3 + n}-01") for n, name in enumerate(_RATES)]
        run = make_run(folder / "run", suite, agents, _TRIALS, by_chance(_RATES, _COSTS))
        started, busy = time.perf_counter(), time.process_time()
        built = build(run, folder / "report")
        figures = {
            "trials": len(built.summary.rows),
            "build_s": round(time.perf_counter() - started, 2),
            "build_cpu_s": round(time.process_time() - busy, 2),
            "first_page_bytes": built.index.stat().st_size,
            "usable_ms": usable_ms(built.index),
        }
    print(json.dumps(figures))


def usable_ms(page: Path) -> float | None:
    """Return the median time from asking for the page until its filter has answered; None without a browser."""
    if not _CHROMIUM.exists():
        return None
    from playwright.sync_api import sync_playwright

    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        for _ in range(_OPENED):
            opened = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            opened.goto(page.as_uri())
            opened.locator("#q").fill("enum")
            opened.locator("#shown").filter(has_text="of").wait_for()
            times.append((time.perf_counter() - started) * 1000)
            opened.close()
        browser.close()
    return round(statistics.median(times))


if __name__ == "__main__":
    main()
