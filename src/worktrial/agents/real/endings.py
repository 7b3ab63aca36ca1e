"""How an agent's part ended, each way by its own name. The gateway's record tells what is not the agent's doing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from worktrial.agents.metered import Request, Stopped
from worktrial.formats.trial import TrialEnd
from worktrial.sandboxes.protocol import Finished

Ending = tuple[TrialEnd, str, str]
"""How it ended, the machine-readable cause, and words for people."""

CAUSES = {
    "timeout": "it did not end within its time",
    "output_flood": "it printed more than it may",
    "out_of_memory": "it used more memory than it may",
    "process_flood": "it started more processes than it may",
    "disk_full": "it wrote more than it may",
    "exit_code": "it ended with an exit code that is not zero",
    "agent_not_started": "the program could not be started",
    "agent_changed": "the installed agent is not what it was",
    "no_gateway": "there was no model gateway for it",
    "model_unreachable": "its model gave no answer to any request",
    "model_refused": "the provider does not take the model, the key or the request",
    "provider_error": "the provider failed at its last request, and it gave up",
    "no_model_request": "it ended without asking the model",
    "gateway_budget": "the gateway answered no more: the run's money is spent",
    "gateway_limit": "the gateway answered no more: the trial's limit of requests, tokens or money is reached",
}
"""All causes that `ending` names, with what they mean."""

_NOT_STARTED = re.compile(r"^worktrial: could not start ", re.MULTILINE)
_REFUSED = (400, 401, 403, 404, 422)
_OWN_FAULT = (400, 413, 422)
"""After answers to earlier requests: what the agent asked was wrong, most often too long."""
_DOWN = "worktrial: the model gateway does not answer"


def ending(finished: Finished, requests: Sequence[Request] | None, stopped: Stopped = "") -> Ending:
    """Return how an agent's part ended. `requests` are the gateway's, None when nobody metered; `stopped` is why the
    gateway answered no more, if it did.

    An agent that ends by itself with nothing but failed requests behind it did not have its trial, whatever its exit
    code: that is *infrastructure*. So is one that gives up on a provider's failure.
    """
    if stopped:
        return stopped, f"gateway_{stopped}", CAUSES[f"gateway_{stopped}"]
    if finished.ended == "timeout":
        return "timeout", "timeout", f"stopped after {finished.wall_s:.0f} s"
    if finished.ended not in ("completed", "crashed"):
        return "limit", finished.ended, CAUSES.get(finished.ended, "the sandbox stopped it")
    return _not_begun(finished, requests) or _failure_of_the_model(finished, requests) or _exit(finished)


def _exit(finished: Finished) -> Ending:
    if finished.exit_code == 0:
        return "completed", "", ""
    said = last_words(finished.output.decode("utf-8", "replace"))
    return "error", "exit_code", ": ".join([f"ended with exit code {finished.exit_code}", said])


def _not_begun(finished: Finished, requests: Sequence[Request] | None) -> Ending | None:
    text = finished.output.decode("utf-8", "replace")
    if finished.exit_code in (126, 127) and _NOT_STARTED.search(text):
        return "infrastructure", "agent_not_started", last_words(text)
    if _DOWN in text and not any(one.answered for one in requests or ()):
        return "infrastructure", "model_unreachable", CAUSES["model_unreachable"]
    return None


def _failure_of_the_model(finished: Finished, requests: Sequence[Request] | None) -> Ending | None:
    if requests is None:
        return None
    if not requests:
        words = last_words(finished.output.decode("utf-8", "replace"))
        return "error", "no_model_request", f"{CAUSES['no_model_request']}: {words}"
    last = requests[-1]
    began = any(one.answered for one in requests)
    if began and (finished.exit_code == 0 or last.answered or last.status in _OWN_FAULT):
        return None
    said = f": {last.error}" if last.error else ""
    if last.status is None:
        cause = "provider_error" if began else "model_unreachable"
        return "infrastructure", cause, f"{CAUSES[cause]}{said}"
    if last.status in _REFUSED:
        return "infrastructure", "model_refused", f"the provider answered {last.status}{said}"
    return "infrastructure", "provider_error", f"the provider answered {last.status}{said}"


def last_words(text: str) -> str:
    """Return the last line that says something, without colours, at most 300 characters."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()]
    return next((line for line in reversed(lines) if re.search(r"\w", line)), "")[:300]
