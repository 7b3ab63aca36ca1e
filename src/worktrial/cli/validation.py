"""A validation as the command line and the demo show it: its progress, and the words for its outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from worktrial.cli.output import print_funnel, talk
from worktrial.cli.progress import command, working
from worktrial.cli.retired import print_retired
from worktrial.curate.bench import Settings
from worktrial.curate.validate import PASSING, Summary, chosen, validate
from worktrial.errors import FormatError
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import Decision
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.suite import Suite

REASONS = {
    "accepted": "a stable test fails without the change and passes with it",
    "no_fail_to_pass": "no test tells the change from its absence",
    "unstable": "its tests do not do the same every time",
    "broken_by_solution": "a test that passed before fails with the change",
    "solution_fails": "no test passes even with the change",
    "environment_failed": "its environment could not be built",
    "needs_build": "touches sources that need a compiler",
    "no_test_change": "its tests are the same before and after",
    "no_source_change": "its source is the same before and after",
    "no_tests_ran": "no test was found to run",
    "missing_objects": "the clone lacks objects of it",
    "needs_secret": "its code names people or holds keys, and may not do the same without",
    "leaks_solution": "an agent could find the change in its workspace or packages",
    "infrastructure": "the sandbox failed",
}


class Validation:
    """`validate` with progress on the terminal."""

    def __init__(
        self,
        suite: Suite,
        sandbox: Sandbox,
        settings: Settings,
        limit: int | None = None,
        *,
        only: Collection[str] | None = None,
        retry_infrastructure: bool = False,
    ) -> None:
        """`only` are the ids of the candidates it is about; None: all."""
        self._only = only
        self._suite = suite
        self._sandbox = sandbox
        self._settings = settings
        self._limit = limit
        self._retry_infrastructure = retry_infrastructure
        self._reasons: Counter[str] = Counter()

    async def run(self) -> Summary:
        """Validate, and return what it came to. Raises `FormatError` for a suite without candidates."""
        left_out = print_retired(self._suite, [one.id for one in chosen(self._suite, self._limit, only=self._only)])
        total = len(chosen(self._suite, self._limit, only=self._only, skip=left_out))
        if not total and self._only is None and not left_out:
            raise FormatError(
                f"{self._suite.path} has no candidates", hint="find some: worktrial mine REPO --suite DIR"
            )
        with working("Validating", total) as work:

            def listen(candidate: Candidate, decision: Decision | None) -> None:
                if decision is not None:
                    self._reasons[decision.reason] += 1
                    work.done(_decision_line(candidate, decision))

            def watch(doing: Mapping[str, int]) -> None:
                under_way = ", ".join(f"{what} ({count})" if count > 1 else what for what, count in doing.items())
                work.now("; ".join([f"{self._reasons['accepted']} accepted", *([under_way] if under_way else [])]))

            return await validate(
                self._suite,
                self._sandbox,
                self._settings,
                limit=self._limit,
                only=self._only,
                skip=left_out,
                retry_infrastructure=self._retry_infrastructure,
                listen=listen,
                watch=watch,
            )

    @property
    def decided(self) -> int:
        """How many candidates were decided by this call."""
        return sum(self._reasons.values())

    def print_funnel(self, summary: Summary) -> None:
        """Print how many candidates ended how."""
        rows = [(reason, count, REASONS.get(reason, "")) for reason, count in summary.funnel.items()]
        print_funnel("Candidates", rows)
        if any(reason in PASSING for reason in summary.funnel):
            again = command("validate", self._suite.path, "--retry-infrastructure")
            talk.print(f"Was it the network, or this machine? Then: {again}", markup=False, soft_wrap=True)


def _decision_line(candidate: Candidate, decision: Decision) -> str:
    if decision.accepted:
        counts = decision.counts
        deciding = counts.get("fail_to_pass", 0) + counts.get("missing_to_pass", 0)
        detail = f"{deciding} deciding, {counts.get('pass_to_pass', 0)} guarding tests"
    else:
        detail = f"{decision.reason}: {decision.detail}" if decision.detail else decision.reason
    mark = "✓" if decision.accepted else "·"
    return f"{mark} {candidate.commit[:10]} {_title(candidate)[:60]} — {detail[:160]}"


def _title(candidate: Candidate) -> str:
    """Return what a change is told by: what it asks for, where its subject names a branch and no more."""
    if not candidate.subject.startswith("Merge "):
        return candidate.subject
    return next((line.strip() for line in candidate.prompt.splitlines() if line.strip()), candidate.subject)
