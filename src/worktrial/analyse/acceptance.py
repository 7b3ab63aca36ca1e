"""Reading what people made of an agent's patches."""

from __future__ import annotations

import csv
import io

from pydantic import ValidationError

from worktrial.errors import FormatError
from worktrial.formats.acceptance import Acceptance
from worktrial.store.files import explain, read_text
from worktrial.store.journal import Journal
from worktrial.store.run import RunDir

Reviews = dict[tuple[str, str, int], Acceptance]
"""By agent, task and number of the trial."""


def read_acceptance(run: RunDir) -> Reviews:
    """Return the reviews in `acceptance.jsonl` and `acceptance.csv`; the last one of a trial holds.

    Empty when there is no such file. Raises `FormatError` naming the line that is wrong.
    """
    found = list(Journal(run.path / "acceptance.jsonl", Acceptance))
    path = run.path / "acceptance.csv"
    if path.exists():
        for number, row in enumerate(csv.DictReader(io.StringIO(read_text(path, "acceptance file"))), 2):
            try:
                given = {key: value for key, value in row.items() if value not in ("", None)}
                found.append(Acceptance.model_validate(given))
            except ValidationError as error:
                raise FormatError(
                    f"{path} line {number} is not a valid record",
                    cause=explain(error),
                    hint="columns: agent, task, n, accepted, review_minutes",
                ) from error
    return {(one.agent, one.task, one.n): one for one in found}
