"""The pytest plugin that chooses, orders and reports tests. Loaded by `launch.py`; Python 3.8 or newer."""

import json
import os
import random
import time

import pytest


class Reporter:
    """Keeps the tests of the plan, shuffles them if asked, and writes a JSON line for everything that happens."""

    def __init__(self, report_fd, plan, coverage):
        self.report_fd = report_fd
        self.whole_files = None if plan["everything"] else set(plan["files"])
        self.ids = set(plan["ids"])
        self.seed = plan["seed"]
        self.reverse = plan["reverse"]
        self.lines = plan["lines"]
        self.first = {file: place for place, file in enumerate(plan["first"])}
        self.stop_at = None if plan["stop_after_s"] is None else time.monotonic() + plan["stop_after_s"]
        self.coverage = coverage
        self.outcome = {}
        self.switches = {}
        self.collected = False
        self.session = None

    def say(self, **record):
        """Write one line to the report."""
        data = json.dumps(record).encode("utf-8", "backslashreplace") + b"\n"
        while data:
            data = data[os.write(self.report_fd, data) :]

    def pytest_sessionstart(self, session):
        """Keep the session, to end it when its time is over."""
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config, parser):
        """Give options of ours that belong to a plugin which the repository has blocked a place to go."""
        for plugin, switch in self.switches.items():
            if not early_config.pluginmanager.hasplugin(plugin):
                name, _, value = switch.partition("=")
                parser.addoption(name, action="store" if value else "store_true")

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        """Take back what the repository's settings say on stopping early and on running only some tests."""
        for name in ("stepwise", "lf", "failedfirst", "newfirst", "collectonly"):
            if getattr(config.option, name, False):
                setattr(config.option, name, False)

    def nothing_there(self):
        """Report that none of the files of the plan exists, as pytest would a run without tests."""
        self.say(collected=0)
        self.say(finished=5)
        return 5

    def account_for(self, targets, code):
        """Report the files of the plan as not importable when pytest gave up on them before it collected anything.

        That is what it does when a `conftest.py` fails, exit code 4.
        """
        if not self.collected and code == 4:
            for path in targets:
                self.say(uncollected=path)
            self.say(finished=code)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        """Drop what the plan does not name, then shuffle."""
        if self.whole_files is not None:
            kept = [item for item in items if item.nodeid.split("::")[0] in self.whole_files or item.nodeid in self.ids]
            dropped = set(items) - set(kept)
            config.hook.pytest_deselected(items=list(dropped))
            items[:] = kept
        if self.seed is not None:
            items[:] = shuffled(items, random.Random(self.seed))
        if self.reverse:
            items.reverse()
        if self.first:
            items.sort(key=lambda item: self.first.get(item.nodeid.split("::")[0], len(self.first)))
        self.collected = True
        self.say(collected=len(items))

    def pytest_collectreport(self, report):
        """Report files that could not be imported, and files that skip themselves whole."""
        if report.failed:
            self.say(uncollected=report.nodeid.split("::")[0])
        elif report.skipped:
            self.say(skipped_file=report.nodeid.split("::")[0])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid, location):
        """Say which test is running, in case it never ends, and measure coverage under its name."""
        self.outcome[nodeid] = None
        self.say(started=nodeid)
        if self.coverage is not None:
            self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report):
        """Remember the worst of the test's phases."""
        if report.when == "teardown":
            if report.failed:
                self.outcome[report.nodeid] = "error"
        elif report.when == "setup":
            if not report.passed:
                self.outcome[report.nodeid] = status(report)
        elif self.outcome.get(report.nodeid) != "failed":  # subtests report before the test does, and it may pass
            self.outcome[report.nodeid] = status(report)

    def pytest_runtest_logfinish(self, nodeid, location):
        """Report how the test ended."""
        if self.coverage is not None:
            self.coverage.switch_context("")
        self.say(test=nodeid, status=self.outcome.get(nodeid) or "error")
        if self.stop_at is not None and time.monotonic() > self.stop_at:
            self.session.shouldstop = "out of time"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session, exitstatus):
        """Report coverage, and that the session came to its end."""
        if self.coverage is not None:
            self.coverage.stop()
            data = self.coverage.get_data()
            for path, wanted in self.lines.items():
                by_line = data.contexts_by_lineno(os.path.join(os.getcwd(), path))
                tests = {}
                for line in wanted:
                    for test in by_line.get(line, ()):
                        if test:
                            tests.setdefault(test, []).append(line)
                self.say(covered=path, tests=tests)
        self.say(finished=int(exitstatus))


def status(report):
    """Return the status of one phase of a test."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed:
        return "error" if report.when == "setup" else "failed"
    return "skipped" if report.skipped else "passed"


def shuffled(items, rng):
    """Return the items with files, classes and functions in random order, each still together.

    Fixtures of module or class scope stay as cheap as they were; what depends on the order is still found out.
    """
    groups = {}
    for item in items:
        parts = item.nodeid.split("::")
        groups.setdefault(parts[0], {}).setdefault(tuple(parts[1:-1]), []).append(item)
    files = list(groups)
    rng.shuffle(files)
    result = []
    for file in files:
        classes = list(groups[file])
        rng.shuffle(classes)
        for name in classes:
            members = groups[file][name]
            rng.shuffle(members)
            result += members
    return result
