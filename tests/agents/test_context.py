"""Keeping a conversation within the window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worktrial.agents.basic.context import cut_to_fit, estimated_tokens
from worktrial.agents.basic.messages import Asked, Call, Message, Reply, Result, Results


def _conversation(sizes: list[int]) -> list[Message]:
    messages: list[Message] = [Asked("Fix it. " * 20)]
    for i, size in enumerate(sizes):
        messages += [Reply("ok", (Call(str(i), "shell", {"command": "x"}),)), Results((Result(str(i), "y" * size),))]
    return messages


@given(st.lists(st.integers(0, 20_000), max_size=30), st.integers(100, 30_000))
def test_cutting_keeps_the_form_and_the_newest(sizes: list[int], limit: int) -> None:
    """Every call keeps its answer, nothing the model or we said is touched, and the two newest outputs stay."""
    before = _conversation(sizes)
    after, cut = cut_to_fit(before, limit)
    assert len(after) == len(before)
    assert estimated_tokens(after) <= estimated_tokens(before)
    for old, new in zip(before, after, strict=True):
        if isinstance(old, Results):
            assert isinstance(new, Results)
            assert [result.call_id for result in old.results] == [result.call_id for result in new.results]
        else:
            assert old == new
    assert after[-3:] == before[-3:]
    assert cut == sum(a != b for a, b in zip(before, after, strict=True))


@given(st.lists(st.integers(0, 20_000), max_size=30))
def test_a_conversation_that_fits_is_left_alone(sizes: list[int]) -> None:
    """Not even copied in another form."""
    messages = _conversation(sizes)
    assert cut_to_fit(messages, estimated_tokens(messages)) == (messages, 0)


def test_the_oldest_are_cut_first_and_with_room_to_spare() -> None:
    """So that the next turns do not cut again, which would spoil the provider's cache each time."""
    messages = _conversation([3000] * 20)
    after, cut = cut_to_fit(messages, estimated_tokens(messages) - 1)
    assert estimated_tokens(after) <= 0.7 * estimated_tokens(messages)
    flags = [message != old for message, old in zip(after, messages, strict=True) if isinstance(old, Results)]
    assert flags == [True] * cut + [False] * (20 - cut)
    assert cut_to_fit(after, estimated_tokens(messages) - 1) == (after, 0)
