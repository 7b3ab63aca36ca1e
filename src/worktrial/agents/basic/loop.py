"""The loop: ask the model, run the tools it calls, show it what they gave, until it is done or a limit is reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from worktrial.agents.basic.client import ModelClient
from worktrial.agents.basic.context import cut_to_fit, estimated_tokens
from worktrial.agents.basic.messages import (
    Asked,
    Call,
    ContextOverflow,
    Message,
    ProviderError,
    Reply,
    Result,
    Results,
)
from worktrial.agents.basic.record import Record
from worktrial.agents.basic.tools import Tools
from worktrial.agents.protocol import Attempt, Outcome
from worktrial.errors import SandboxError
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import TrialEnd

SYSTEM_PROMPT = """\
You are a software engineer working alone in a code repository; it is the folder your tools start in. Nobody answers \
questions: where the task leaves something open, decide as the code around it suggests.

Read the code that matters before you change it. Make the change that was asked for, completely and nowhere else, in \
the style of the code around it. Then check it: run the tests that concern it, and write one if there is none. There \
is no network.

When the work is done, answer without calling a tool, in a sentence or two on what you changed.
"""
_GO_ON = "Your answer was cut off at the output limit. Go on, in smaller steps."
_SHRINK = 0.6

Ending = tuple[TrialEnd, str, str]
"""How it ended, the machine-readable cause, and words for people."""


class Loop:
    """One attempt of the basic agent."""

    def __init__(
        self,
        config: AgentConfig,
        attempt: Attempt,
        *,
        tools: Tools,
        client: ModelClient,
        record: Record,
        window: int,
    ) -> None:
        self._config = config
        self._attempt = attempt
        self._client = client
        self._record = record
        self._window = window
        self._toolbox = tools
        self._tools = tools.specs()
        self._messages: list[Message] = []
        self._call_ids: set[str] = set()
        self._deadline = time.monotonic() + attempt.limits.timeout_s

    async def run(self) -> Outcome:
        """Work until an end is reached, and say which."""
        try:
            ended, cause, detail = await self._work()
        except ProviderError as error:
            words = (error.message, error.cause, error.hint)
            ended, cause, detail = "infrastructure", error.code, "; ".join(word for word in words if word)
        except SandboxError as error:
            ended, cause, detail = "infrastructure", "sandbox_failed", str(error)
        self._record.note(f"ended: {' '.join(part for part in (ended, cause, detail) if part)}")
        return Outcome(
            ended,
            cause=cause,
            detail=detail,
            steps=self._record.requests,
            tool_calls=dict(self._record.tool_calls),
            served_by=dict(self._record.served_by),
            trajectory=self._record.trajectory(self._config, self._attempt.trial, self._tools),
        )

    async def _work(self) -> Ending:
        self._record.said("system", SYSTEM_PROMPT)
        self._tell(self._attempt.prompt)
        then = list(reversed(self._attempt.then))
        while True:
            if limit := self._limit_reached():
                return limit
            try:
                async with asyncio.timeout(self._left_s()) as clock:
                    reply = await self._ask()
            except TimeoutError:
                if clock.expired():
                    continue  # and the limit is reached
                raise
            except ContextOverflow as error:
                if self._record.requests == 0:  # the prompt alone does not fit: model or settings are wrong
                    return "infrastructure", "provider_refused", str(error)
                return "limit", "context_overflow", str(error)
            if not reply.calls:
                if reply.stop == "refused":
                    return "error", "refused", reply.text[:300]
                if reply.stop == "end" and not then:
                    return "completed", "", ""
                self._tell(then.pop() if reply.stop == "end" else _GO_ON)
                continue
            self._show(await self._run_calls(reply.calls))

    def _limit_reached(self) -> Ending | None:
        """Return the end that a limit puts to it before the next request, if one does."""
        limits = self._attempt.limits
        if self._left_s() <= 0:
            return "timeout", "timeout", f"stopped after {limits.timeout_s:.0f} s"
        if self._record.requests >= limits.steps:
            return "limit", "step_limit", f"stopped after {limits.steps} requests"
        budget = self._attempt.budget
        if budget.exhausted:
            return "budget", "budget_exhausted", f"the run has spent its {budget.limit_usd} USD"
        return None

    async def _ask(self) -> Reply:
        """Ask the model once, with as much of the conversation as it takes. Raises `ContextOverflow`."""
        while True:
            self._cut()
            try:
                reply = await self._client.ask(SYSTEM_PROMPT, self._messages, self._tools)
            except ContextOverflow as error:
                self._record.note(f"the conversation is too long: {error}")
                self._window = int(estimated_tokens(self._messages) * _SHRINK)
                if not self._cut():
                    raise
                continue
            return self._take(reply)

    def _cut(self) -> int:
        self._messages, cut = cut_to_fit(self._messages, self._window)
        if cut:
            self._record.note(f"cut {cut} old tool outputs to stay below {self._window} tokens")
        return cut

    def _take(self, reply: Reply) -> Reply:
        """Keep a reply in the conversation and the record."""
        reply = replace(reply, calls=tuple(self._with_own_id(call) for call in reply.calls))
        self._record.replied(reply)
        if reply.text or reply.calls:
            self._messages.append(reply)
        return reply

    def _with_own_id(self, call: Call) -> Call:
        """Return the call with an id no other call has: some servers leave it out or repeat it."""
        identifier = call.id
        if not identifier or identifier in self._call_ids:
            identifier = f"call_{len(self._call_ids) + 1}"
        self._call_ids.add(identifier)
        return replace(call, id=identifier)

    async def _run_calls(self, calls: Sequence[Call]) -> list[Result]:
        """Run the calls of one reply in order."""
        results = []
        for call in calls:
            if self._left_s() <= 0:
                results.append(Result(call.id, "error: not run, the time is up", failed=True))
                continue
            started = time.monotonic()
            result, counted = await self._toolbox.run(call, self._left_s())
            self._record.called(counted, result.served_by)
            state = "failed" if result.failed else "done"
            self._record.note(f"{counted} {state} after {time.monotonic() - started:.2f} s")
            results.append(result)
        return results

    def _show(self, results: Sequence[Result]) -> None:
        self._record.observed(results)
        self._messages.append(Results(tuple(results)))

    def _tell(self, text: str) -> None:
        self._record.said("user", text)
        self._messages.append(Asked(text))

    def _left_s(self) -> float:
        return self._deadline - time.monotonic()
