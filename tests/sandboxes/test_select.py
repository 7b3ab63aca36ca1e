"""Which isolation is taken, and what is said when there is none."""

from __future__ import annotations

import pytest

from worktrial.errors import SandboxError, UsageError
from worktrial.sandboxes import select
from worktrial.sandboxes.select import BACKENDS, TIERS, Backend, Probe, choose, probe


def _backends(monkeypatch: pytest.MonkeyPatch, *tiers: str) -> None:
    """Make this very module the place where kinds of isolation are found."""
    made = tuple(Backend(tier, __name__, "make", (tier,)) for tier in tiers)
    monkeypatch.setattr(select, "BACKENDS", made)
    monkeypatch.setattr(select, "TIERS", ("auto", *tiers, "none"))
    monkeypatch.setattr(select, "import_module", lambda _: _Plugins)


class _Plugins:
    @staticmethod
    def probe(tier: str) -> Probe:
        return Probe(True) if tier.startswith("good") else Probe(False, f"no {tier}", f"install {tier}")

    @staticmethod
    def make(tier: str) -> str:
        return f"made {tier}"


def test_auto_takes_the_first_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    _backends(monkeypatch, "bad", "good", "good too")
    assert choose("auto") == "made good"  # type: ignore[comparison-overlap]


def test_where_nothing_works_all_causes_are_said_and_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _backends(monkeypatch, "bad", "worse")
    with pytest.raises(SandboxError, match="no isolation works") as caught:
        choose("auto")
    assert caught.value.cause == "bad: no bad; worse: no worse"
    assert "--sandbox none" in caught.value.hint


def test_one_that_was_asked_for_and_does_not_work_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    _backends(monkeypatch, "bad", "good")
    with pytest.raises(SandboxError, match="'bad' does not work") as caught:
        choose("bad")
    assert caught.value.cause == "no bad"


def test_none_is_only_taken_by_name_and_an_unknown_name_is_answered_with_all() -> None:
    assert choose("none").tier == "none"
    assert "none" not in {backend.tier for backend in BACKENDS}
    with pytest.raises(UsageError) as caught:
        choose("nothing")
    assert all(tier in caught.value.hint for tier in TIERS)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.tier)
def test_every_kind_can_be_probed_and_says_what_it_is_made_of(backend: Backend) -> None:
    found = probe(backend)
    if not found.works:
        assert found.cause
        assert found.hint
        return
    chosen = choose(backend.tier)
    assert chosen.tier == backend.tier
    assert chosen.detail
