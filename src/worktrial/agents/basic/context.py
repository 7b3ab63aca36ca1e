"""Keeping a conversation within the model's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worktrial.agents.basic.messages import Asked, Message, Reply, Result, Results

_CHARACTERS_A_TOKEN = 3
"""Code has three to four: the estimate is on the safe side."""
_MESSAGE_TOKENS = 10
_CUT_TO = 0.7
_KEPT_TURNS = 2
"""The newest results that are never cut."""
_WORTH_CUTTING = 200


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Return about how many tokens a conversation has: one per three characters."""
    return sum(_characters(message) // _CHARACTERS_A_TOKEN + _MESSAGE_TOKENS for message in messages)


def cut_to_fit(messages: Sequence[Message], limit: int) -> tuple[list[Message], int]:
    """Return the conversation with its oldest tool outputs cut out, if it is estimated beyond `limit` tokens.

    The rule: nothing is cut up to the limit; beyond it, outputs are replaced by a remark, oldest first, until the
    estimate is below 70% of the limit, so that what a provider caches of the beginning changes seldom. The prompt, what
    the model said, and the outputs of the two newest turns stay. The second value is how many outputs were cut.
    """
    kept = list(messages)
    size = estimated_tokens(kept)
    if size <= limit:
        return kept, 0
    turns = [i for i, message in enumerate(kept) if isinstance(message, Results)]
    cut = 0
    for i in turns[:-_KEPT_TURNS]:
        if size <= limit * _CUT_TO:
            break
        message = kept[i]
        if isinstance(message, Results):
            before = estimated_tokens([message])
            shorter = Results(tuple(_without_output(result) for result in message.results))
            cut += sum(a is not b for a, b in zip(message.results, shorter.results, strict=True))
            kept[i] = shorter
            size -= before - estimated_tokens([shorter])
    return kept, cut


def _without_output(result: Result) -> Result:
    if len(result.text) < _WORTH_CUTTING:
        return result
    return replace(result, text=f"[{len(result.text)} characters were cut here to save room; run it again if needed]")


def _characters(message: Message) -> int:
    if isinstance(message, Asked):
        return len(message.text)
    if isinstance(message, Reply):
        calls = sum(
            len(call.name) + sum(len(str(value)) for value in call.arguments.values()) for call in message.calls
        )
        return len(message.text) + len(message.reasoning) + calls
    return sum(len(result.text) for result in message.results)
