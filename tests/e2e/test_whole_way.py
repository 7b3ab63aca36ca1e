"""From a repository's history to verdicts, by the commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell


@pytest.mark.slow
def test_history_becomes_a_suite_whose_controls_are_at_both_ends(
    library_repo: Repository, shell: Shell, tmp_path: Path
) -> None:
    mined = shell.cold("mine", library_repo.path, "--suite", "suite", "--json")
    assert mined.code == 0, mined.err
    assert mined.json["candidates"] == 2
    validated = shell.cold("validate", "suite", "--runs", "2", "--json")
    assert validated.code == 0, validated.err
    counted = {"funnel": {"accepted": 2}, "candidates": 2, "accepted": 2}
    relevance = validated.json["relevance"]
    assert validated.json == {**counted, "quarantined": [], "returned": [], "relevance": relevance}
    assert (relevance["candidates"], relevance["recall"]) == (2, 1.0)
    ran = shell.cold("run", "suite", "--agent", "oracle", "--agent", "nop", "--out", "run", "--json")
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == 1
    agents = ran.json["agents"]
    assert {name: agent["rate"] for name, agent in agents.items()} == {"oracle": 1.0, "nop": 0.0}
    for agent in agents.values():
        assert set(agent) == {"tasks", "trials", "solved", "rate", "ci95", "infrastructure"}
        assert (agent["tasks"], agent["trials"], agent["infrastructure"]) == (2, 2, 0)
        low, high = agent["ci95"]
        assert 0 <= low <= agent["rate"] <= high <= 1
    again = shell.cold("validate", "suite", "--runs", "2", "--json")
    assert again.json == validated.json
    assert "nothing had changed" in again.err
