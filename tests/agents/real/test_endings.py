"""Each way an agent's part ends has its own name."""

from __future__ import annotations

from typing import Any

import pytest

from worktrial.agents.metered import Request, Stopped
from worktrial.agents.real.endings import CAUSES, ending, last_words
from worktrial.formats.evidence import Ended
from worktrial.sandboxes.protocol import Finished

OK, LIMITED, DOWN, DEAD = Request(200), Request(429), Request(503, error="overloaded"), Request(None)
UNKNOWN, FORBIDDEN, LONG = Request(404, error="no such model"), Request(401), Request(400, error="too long")


def finished(code: int | None = 0, output: str = "", ended: Ended = "completed") -> Finished:
    return Finished(ended, code, output.encode(), b"", 7.0)


@pytest.mark.parametrize(
    ("how", "requests", "expected"),
    [
        (finished(), [OK], ("completed", "")),
        (finished(), [OK, LIMITED, OK], ("completed", "")),
        (finished(), [OK, DOWN], ("completed", "")),
        (finished(), None, ("completed", "")),
        (finished(1), None, ("error", "exit_code")),
        (finished(3, "oh no"), [OK], ("error", "exit_code")),
        (finished(1), [OK, LONG], ("error", "exit_code")),
        (finished(1), [], ("error", "no_model_request")),
        (finished(0), [], ("error", "no_model_request")),
        (finished(None, ended="timeout"), [OK], ("timeout", "timeout")),
        (finished(None, ended="timeout"), [DOWN], ("timeout", "timeout")),
        (finished(None, ended="output_flood"), [OK], ("limit", "output_flood")),
        (finished(None, ended="out_of_memory"), [OK], ("limit", "out_of_memory")),
        (finished(1), [OK, DOWN, DOWN], ("infrastructure", "provider_error")),
        (finished(0), [LIMITED, LIMITED], ("infrastructure", "provider_error")),
        (finished(1), [OK, DEAD], ("infrastructure", "provider_error")),
        (finished(1), [DEAD, DEAD], ("infrastructure", "model_unreachable")),
        (finished(0), [UNKNOWN], ("infrastructure", "model_refused")),
        (finished(1), [FORBIDDEN], ("infrastructure", "model_refused")),
        (finished(1), [OK, FORBIDDEN], ("infrastructure", "model_refused")),
        (finished(1, "worktrial: the model gateway does not answer: no"), [], ("infrastructure", "model_unreachable")),
        (finished(127, "worktrial: could not start /a: no"), [], ("infrastructure", "agent_not_started")),
    ],
)
def test_an_ending_is_told_by_the_process_and_the_gateway(
    how: Finished, requests: Any, expected: tuple[str, str]
) -> None:
    ended, cause, detail = ending(how, requests)
    assert (ended, cause) == expected
    assert ended == "completed" or detail
    assert not cause or cause in CAUSES


@pytest.mark.parametrize("why", ["budget", "limit"])
def test_what_the_gateway_stopped_is_told_before_all_else(why: Stopped) -> None:
    """The agent ends in whatever way it likes when it is answered no more."""
    assert ending(finished(1), [OK, Request(402)], why)[:2] == (why, f"gateway_{why}")


def test_the_last_words_are_without_colours_and_empty_lines() -> None:
    assert last_words("a\n\x1b[31merror: \x1b[1mno model\x1b[0m\n\n  ───\n") == "error: no model"
    assert last_words("") == ""
