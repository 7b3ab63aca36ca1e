"""Reading the report of a test run: signed lines in order, and what contradicts them."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from worktrial.formats.evidence import Ended, Status

_STATUSES: tuple[Status, ...] = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


class SaidByTests:
    """What the report's lines say, in order. A test is what was said of it last only if nothing else was said before:
    two different answers are an error of that test."""

    def __init__(self, canary: str = "") -> None:
        self.finished = False
        self.forged = ""
        """Why the report is not the witness's alone; empty when it is."""
        self.covering: dict[str, dict[str, tuple[int, ...]]] = {}
        self.evidence: set[str] = set()
        self.sources: dict[str, str] = {}
        """SHA-256 of the source that each test module was compiled from, by path."""
        self.exceptions: dict[str, str] = {}
        """Type of the exception that ended a test, by id."""
        self.unproven: set[str] = set()
        """Passed tests whose body was not seen to come to its end."""
        self.canaries_passed: list[str] = []
        self._canary = canary
        self._done: dict[str, Status] = {}
        self._running: str | None = None
        self._exit_code: int | None = None
        self._failures = 0

    def hear(self, record: dict[str, Any]) -> None:
        """Take in one line."""
        match record:
            case {"started": str(test)}:
                self._running = test
            case {"test": str(test), "status": str(status)}:
                self._running = None
                self._hear_test(test, status if status in _STATUSES else "error", record)
            case {"uncollected": str(path)} if not self._is_canary(path):
                self._done[path] = "uncollected"
            case {"skipped_file": str(path)} if not self._is_canary(path):
                self._done.setdefault(path, "skipped")
            case {"covered": str(path), "tests": dict(tests)}:
                self._hear_covered(path, tests)
            case {"finished": int(code), "failures": int(failures), "canaries": int(canaries)}:
                self.finished = True
                self._exit_code, self._failures = code, failures
                if code in (0, 1) and not canaries:
                    self.evidence.add("canary_not_run")
            case _:
                self._hear_signs(record)

    def _hear_signs(self, record: dict[str, Any]) -> None:
        match record:
            case {"evidence": str(kind)}:
                self.evidence.add(kind)
            case {"source": str(path), "sha256": str(digest)}:
                if self.sources.setdefault(path, digest) != digest:
                    self.evidence.add(f"source_changed:{path}")
            case _:
                pass

    def _hear_covered(self, path: str, tests: dict[str, Any]) -> None:
        for test, lines in tests.items():
            if isinstance(lines, list) and all(isinstance(line, int) for line in lines):
                self.covering.setdefault(test, {})[path] = tuple(lines)

    def _hear_test(self, test: str, status: Status, record: dict[str, Any]) -> None:
        if self._is_canary(test):
            if status in ("passed", "xpassed"):
                self.canaries_passed.append(test)
            return
        self._done[test] = status if self._done.get(test, status) == status else "error"
        if status == "passed" and record.get("proved") is not True:
            self.unproven.add(test)
        if isinstance(why := record.get("why"), str) and why:
            self.exceptions[test] = why

    def _is_canary(self, test: str) -> bool:
        return bool(self._canary) and test.split("::", 1)[0].rpartition("/")[2] == self._canary

    def statuses(self, ended: Ended) -> dict[str, Status]:
        """Return every test's status; the one that was running when the process was ended did not come back."""
        found = dict(self._done)
        running = self._running
        if running is not None and running not in found and not self._is_canary(running):
            found[running] = "timeout" if ended == "timeout" else "error"
        return found

    def contradiction(self) -> str:
        """Return what in the report cannot be true, for people; empty when nothing is."""
        if self.forged or not self.finished:
            return self.forged
        failed = [test for test, status in self._done.items() if status in ("failed", "error", "uncollected")]
        if self._exit_code == 0 and failed:
            return f"the runner counted no failure, but {failed[0]} failed"
        if self._exit_code == 1 and not self._failures and not failed:
            return "the runner ended with exit code 1, but nothing failed"
        return ""


def read_report(data: bytes, key: bytes, canary: str = "", *, whole: bool = True) -> SaidByTests:
    """Return what a report says: the lines up to the first that the witness did not write.

    `whole` tells that the process came to an end of its own, so that a line without an end was not cut off by us.
    """
    said = SaidByTests(canary)
    lines = data.split(b"\n")
    rest = lines.pop()
    for number, line in enumerate(lines):
        record = None if said.finished else _signed(line, number, key)
        if record is None:
            said.forged = f"line {number + 1} of the report is not the runner's"
            return said
        said.hear(record)
    if rest and (whole or said.finished):
        said.forged = "the report ends in a line that is not the runner's"
    return said


def _signed(line: bytes, number: int, key: bytes) -> dict[str, Any] | None:
    """Return a line's content if its signature holds and it is the `number`th, from 0; else None."""
    signature, _, content = line.partition(b" ")
    expected = hashlib.blake2b(content, key=key, digest_size=16).hexdigest().encode()
    if not hmac.compare_digest(signature, expected):
        return None
    at, _, text = content.partition(b" ")
    if at != b"%d" % number:
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
