"""Secrets and people in what grading writes for people to read: what tests printed, and what a verdict says of it.

The verdict is made of what was printed, not of what is left of it. Placeholders are numbered apart from those in the
attempt's own logs, whose values are gone.
"""

from __future__ import annotations

from dataclasses import replace

from worktrial.formats.redaction import Redaction
from worktrial.formats.verdict import Verdict
from worktrial.languages.protocol import TestReport
from worktrial.redaction.people import Identities, KnownNames
from worktrial.redaction.redactor import Redactor
from worktrial.store.run import TrialDir

TESTS_LOG, VERDICT = "logs/tests.log", "verdict.json"


class Redacting:
    """Redacts one grading of one trial; where that is not wanted all stays as it is."""

    def __init__(self, *, wanted: bool) -> None:
        self._redactor = Redactor(KnownNames(Identities.of_machine())) if wanted else None

    def report(self, report: TestReport) -> TestReport:
        """Return what tests said, for people."""
        if self._redactor is None:
            return report
        return replace(report, output=self._redactor.text(report.output, TESTS_LOG))

    def verdict(self, verdict: Verdict) -> Verdict:
        """Return a verdict whose detail, which may quote what was printed, is for people."""
        if self._redactor is None:
            return verdict
        return verdict.model_copy(update={"detail": self._redactor.text(verdict.detail, VERDICT)})

    def note(self, trial_dir: TrialDir) -> None:
        """List what was replaced, in the place of what an earlier grading listed."""
        found = self._redactor.found() if self._redactor is not None else ()
        kept = [item for item in trial_dir.redactions if item.where not in (TESTS_LOG, VERDICT)]
        fresh = [Redaction(of=trial_dir.name, where=item.where, kind=item.kind, count=item.count) for item in found]
        if kept or fresh or trial_dir.redactions.path.exists():
            trial_dir.redactions.replace([*kept, *fresh])
