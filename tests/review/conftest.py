"""A suite with hostile text in it, for people to review."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.report.conftest import HOSTILE_PATCH, chromium  # noqa: F401
from tests.report.fakerun import HOSTILE, START, FakeTask, change, make_suite, simple_tasks

from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate, FileChange
from worktrial.formats.evidence import Decision, Started, TestRun
from worktrial.formats.provenance import Link, Provenance, Work
from worktrial.review.desk import Desk
from worktrial.review.sample import sample
from worktrial.review.server import ReviewServer
from worktrial.store.suite import Suite

HOSTILE_TASK = "99-hostile"
TURNED_DOWN = "turned-down"


def candidate(name: str, prompt: str, kind: str = "bug_fix") -> Candidate:
    """Return a candidate with all a page can show."""
    return Candidate(
        id=name,
        commit="ab12cd34" * 5,
        parent="0" * 40,
        kind="commit",
        commits=("ab12cd34" * 5,),
        landed_at=START - timedelta(days=30),
        subject=prompt.splitlines()[0],
        message=f"{prompt}\n\nSigned-off-by: {HOSTILE}",
        prompt=prompt,
        removed=(),
        language="python",
        files=(FileChange(path="src/click/types.py", status="M", role="source", added=2, removed=1),),
        provenance=Provenance(
            links=(Link(source="codex", session="s", reason="note", confidence=0.9, detail=HOSTILE),),
            agent_lines=3,
            human_lines=1,
            models=(HOSTILE,),
        ),
        work=Work.model_validate({"kind": kind, "difficulty": "small", "lines": 3, "files": 1, "rule": "the subject"}),
    )


@pytest.fixture
def suite_for_people(tmp_path: Path) -> Suite:
    """A suite of four tasks, one hostile, and a candidate that was turned down and whose repository is gone."""
    tasks = [
        *simple_tasks(3),
        FakeTask(HOSTILE_TASK, f"{HOSTILE}\n\n{HOSTILE}", HOSTILE_PATCH + change("src/click/types.py", "old", HOSTILE)),
    ]
    suite = make_suite(tmp_path / "suite", tasks)
    made = [candidate(task.id, task.prompt) for task in tasks] + [candidate(TURNED_DOWN, "Turn it down", "other")]
    suite.candidates.replace(made)
    for one in made:
        evidence = suite.evidence(one.id)
        evidence.append(Started(input_key="k", started_at=now()))
        evidence.append(
            TestRun(
                state="solution", index=0, shuffle_seed=None, started_at=now(), wall_s=1.2, ended="completed",
                exit_code=1, outcomes={"passed": ("t",)}, output_tail=HOSTILE,
            )
        )  # fmt: skip
        accepted = one.id != TURNED_DOWN
        evidence.append(
            Decision(
                input_key="k", accepted=accepted, reason="accepted" if accepted else "no_fail_to_pass",
                detail=HOSTILE, decided_at=now(),
            )
        )  # fmt: skip
    return suite


@pytest.fixture
def desk(suite_for_people: Suite) -> Desk:
    """Ann's desk, with everything on it."""
    return Desk(suite_for_people, "ann", sample(suite_for_people, None, 0, rejected=True))


@pytest.fixture
async def server(desk: Desk) -> Iterator[ReviewServer]:  # type: ignore[misc]
    """Ann's pages, being served."""
    made = ReviewServer(desk)
    await made.start()
    yield made
    await made.close()
