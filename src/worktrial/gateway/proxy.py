"""The proxy: takes a request in, decides whether and where it goes, passes the answer on, and records both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic_core import to_json

from worktrial.errors import StorageError
from worktrial.formats.gateway import GatewayConfig, Outcome
from worktrial.gateway import intake
from worktrial.gateway.exchange import Exchange, Refusal
from worktrial.gateway.limits import Account, Exhausted, Hold, Till
from worktrial.gateway.openai_chat import with_usage
from worktrial.gateway.reading import Tokens, Wire, error_text, parse, parse_object
from worktrial.gateway.redact import Redactor
from worktrial.gateway.routing import CHAT, find, split_token
from worktrial.gateway.transport import Answer, Source, UpstreamFailure
from worktrial.gateway.trials import TrialMeter, tokens_of
from worktrial.gateway.upstreams import Upstreams

_WHOLE = 4 * 1024 * 1024
"""Bytes: answers of a known length up to this one are passed on in one piece."""
_THREAD = 1024 * 1024
"""Bytes: bodies from here on are compressed in a thread."""
_MIB = 1024 * 1024
_STATUS_OF: dict[Outcome, int] = {"upstream_timeout": 504, "not_recorded": 502}
_OUTPUT_EXPECTED = 1000
"""Tokens reckoned with for an answer that is not there yet."""
_BYTES_A_TOKEN = 4


class Proxy:
    """The handler of all requests."""

    def __init__(
        self,
        config: GatewayConfig,
        upstreams: Upstreams,
        trials: Mapping[str, TrialMeter],
        source: Source,
        *,
        replaying: bool = False,
    ) -> None:
        """`trials` by token. `replaying`: nothing is paid and no limit holds: the record says what was refused."""
        self._config = config
        self._upstreams = upstreams
        self._trials = trials
        self._source = source
        self._replaying = replaying
        self._redactor = Redactor(upstreams.keys())
        self._till = Till()
        self._costliest: dict[str, float] = {}
        """By model, USD."""
        self.failure: StorageError | None = None
        """Why nothing can be recorded any more; requests are refused from then on."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        raw_path, _, query = request.raw_path.partition("?")
        token, path = split_token(raw_path)
        if path == "/" and request.method in ("HEAD", "GET"):
            return web.Response()
        trial = self._trials.get(token)
        route = find(request.method, path, request.headers)
        if trial is None:
            return _error(route.wire, 404, "worktrial: no such trial: an address begins with /run/ and its token")
        exchange = Exchange(trial, route, request.method, path, query, trial.recorder.next_id())
        try:
            return await self._answer(exchange, request)
        except (Refusal, UpstreamFailure, StorageError) as error:
            return self._give_up(exchange, request, error)
        except (asyncio.CancelledError, ConnectionError):
            if not exchange.passed_on:
                exchange.outcome = exchange.outcome or "client_gone"
                exchange.error = exchange.error or "the agent hung up"
            raise
        finally:
            self._end(exchange)

    def _give_up(
        self, exchange: Exchange, request: web.BaseRequest, error: Refusal | UpstreamFailure | StorageError
    ) -> web.StreamResponse:
        """Answer with an error; one that has its answer in part sees it break off, as the upstream's did."""
        if isinstance(error, StorageError):
            self.failure = error
            exchange.outcome, exchange.error = "gateway_failed", f"worktrial: the gateway cannot record: {error}"
            return self._refuse(exchange, 503, {})
        exchange.outcome = exchange.outcome or error.outcome
        exchange.error = self._redactor.text(error.message)
        if isinstance(error, Refusal):
            return self._refuse(exchange, error.status, error.headers)
        if exchange.status is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return self._refuse(exchange, _STATUS_OF.get(error.outcome, 502), {})

    # -- the way in --

    async def _answer(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse:
        if self.failure is not None:
            raise self.failure
        if request.headers.get("Upgrade", "").lower() == "websocket":
            # An immediate 426 makes Codex fall back to plain HTTP; anything else costs it seven tries.
            raise Refusal("no_websocket", 426, "worktrial: no WebSocket here, use plain HTTP", {"Upgrade": "HTTP/1.1"})
        if not exchange.route.operation:
            raise Refusal(
                "unknown_route", 404, f"worktrial: the gateway does not know {request.method} {exchange.path}"
            )
        exchange.body = exchange.sent = await intake.read_body(request, self._config)
        if request.method == "POST":
            self._read(exchange)
        self._choose(exchange)
        await self._let_in(exchange)
        exchange.trial.recorder.begin(exchange.begun())
        exchange.sent_at = time.perf_counter()
        headers = intake.headers(request)
        asking = asyncio.ensure_future(self._source.ask(exchange, headers))
        pricing = asyncio.ensure_future(self._price(exchange))
        try:
            # It is on its way before its body is written down: recording costs the agent no time.
            await asyncio.sleep(0)
            await self._keep_request(exchange)
            answer = await asking
        except BaseException:
            asking.cancel()
            raise
        try:
            # Before the answer goes on: whoever has it must find it in the record, and this takes longer than some ask.
            await asyncio.shield(pricing)
            async with asyncio.timeout(self._config.answer_timeout_s):
                return await self._pass_on(exchange, request, answer)
        except TimeoutError:
            limit = f"{self._config.answer_timeout_s:.0f} s"
            raise UpstreamFailure("upstream_endless", f"the answer took longer than {limit}") from None
        finally:
            answer.close()

    def _read(self, exchange: Exchange) -> None:
        """Read what is asked for, and change what has to be changed."""
        wire = exchange.route.wire
        try:
            body = parse_object(exchange.body)
            exchange.asked = asked = wire.ask(body, exchange.path)
        except ValueError as error:
            raise Refusal("bad_request", 400, f"worktrial: the request cannot be read: {error}") from None
        changed = False
        if asked.server_tools and self._config.server_tools != "allow":
            names = ", ".join(asked.server_tools)
            if self._config.server_tools == "refuse" or not wire.strip(body):
                message = f"worktrial: tools run by the provider are not allowed here: {names}"
                raise Refusal("server_tool", 400, message, {"x-should-retry": "false"})
            exchange.changes += [f"server_tool:{name}" for name in asked.server_tools]
            changed = True
        chosen = self._upstreams.choose(wire, asked.model, exchange.trial.upstream)
        if chosen is not None:
            exchange.upstream, exchange.upstream_model = chosen.upstream, chosen.model
            if chosen.model != asked.model:
                exchange.path = wire.rename(body, exchange.path, chosen.model)
                exchange.changes.append("model")
                changed = True
        if changed:
            exchange.sent = to_json(body, inf_nan_mode="constants")
        if wire is CHAT and asked.stream and (asking := with_usage(exchange.sent, body)) is not None:
            exchange.sent = asking
            exchange.changes.append("include_usage")

    def _choose(self, exchange: Exchange) -> None:
        if exchange.upstream is None and not self._replaying:
            wire, model = exchange.route.wire, exchange.asked.model if exchange.asked else ""
            chosen = None if model else self._upstreams.choose(wire, "", exchange.trial.upstream)
            if chosen is None:
                what = f"model {model!r}" if model else "this"
                raise Refusal("unknown_model", 404, f"worktrial: no upstream is configured for {what} by {wire.api}")
            exchange.upstream = chosen.upstream

    async def _let_in(self, exchange: Exchange) -> None:
        """Wait for the upstream's pace, and for room in the budgets. Raises `Refusal` when one is spent."""
        if self._replaying or exchange.upstream is None or not exchange.generates:
            return
        before = time.perf_counter()
        hold = await self._expected(exchange)
        if any(account.budget.limit_usd is not None for account in exchange.trial.accounts):
            _require_price(exchange)
        try:
            await self._till.enter(exchange.trial.accounts, hold)
        except Exhausted as spent:
            raise _spent(spent.account) from None
        exchange.hold = hold
        await exchange.upstream.pace.enter(exchange.trial.trial)
        exchange.queued_s = time.perf_counter() - before

    async def _expected(self, exchange: Exchange) -> Hold:
        """Return what a request is likely to cost: by its length and an answer of some length, but no less than the
        costliest to that model did."""
        if exchange.upstream is None or not any(account.bounded for account in exchange.trial.accounts):
            return Hold(0.0, 0)
        await exchange.upstream.prices(exchange.route.wire).prepare(exchange.upstream_model)
        tokens = Tokens(-(-len(exchange.sent) // _BYTES_A_TOKEN), _OUTPUT_EXPECTED)
        cost = exchange.cost(tokens, estimated=True).usd or 0.0
        return Hold(max(cost, self._costliest.get(exchange.upstream_model, 0.0)), tokens.input + tokens.output)

    async def _price(self, exchange: Exchange) -> None:
        """Have the model's price at hand by the time it is needed."""
        if exchange.generates and exchange.upstream is not None:
            await exchange.upstream.prices(exchange.route.wire).prepare(exchange.upstream_model)

    async def _keep_request(self, exchange: Exchange) -> None:
        if not exchange.body:
            return
        bodies, kind = exchange.trial.recorder.bodies, exchange.route.wire.api
        body = self._redactor.clean(exchange.body)
        if len(exchange.body) > _THREAD:
            exchange.request_digest = await asyncio.to_thread(bodies.add, body, kind)
        else:
            exchange.request_digest = bodies.add(body, kind)
        exchange.tried = exchange.trial.try_of(exchange.id, exchange.body, exchange.request_digest)

    # -- the way out --

    async def _pass_on(self, exchange: Exchange, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        """Give the agent the answer as it comes, byte for byte but for keys, and meter it on the way."""
        exchange.headers = {name: self._redactor.text(value) for name, value in answer.headers.items()}
        asked, kind = exchange.asked, answer.headers.get("Content-Type", "")
        if exchange.generates and answer.status < 300:
            streamed = asked is not None and asked.stream and "json" not in kind.partition(";")[0]
            streamed = streamed or (asked is not None and asked.stream and exchange.route.wire.api == "gemini")
            exchange.meter = exchange.route.wire.meter(stream=streamed)
        if answer.length is not None and answer.length <= _WHOLE:
            return await self._whole(exchange, request, answer)
        response = web.StreamResponse(status=answer.status, headers=exchange.headers)
        most = int(self._config.max_answer_mib * _MIB)
        clean = self._redactor.stream()
        async for piece in answer.pieces():
            if exchange.first_byte is None:
                exchange.first_byte = time.perf_counter()
                exchange.status = answer.status
                await response.prepare(request)
            if passed := clean.feed(piece):
                await response.write(passed)
                self._note(exchange, passed)
            if exchange.answer_bytes > most:
                raise UpstreamFailure(
                    "upstream_endless", f"the answer is longer than {self._config.max_answer_mib} MiB"
                )
        if exchange.status is None:
            exchange.status = answer.status
            await response.prepare(request)
        if passed := clean.end():
            await response.write(passed)
            self._note(exchange, passed)
        await response.write_eof()
        exchange.passed_on = True
        return response

    async def _whole(self, exchange: Exchange, request: web.BaseRequest, answer: Answer) -> web.Response:
        pieces = []
        async for piece in answer.pieces():
            if exchange.first_byte is None:
                exchange.first_byte = time.perf_counter()
            pieces.append(piece)
        body = self._redactor.clean(b"".join(pieces))
        exchange.status = answer.status
        response = web.Response(status=answer.status, headers=exchange.headers, body=body)
        await response.prepare(request)
        await response.write_eof()
        exchange.passed_on = True
        self._note(exchange, body)
        return response

    def _note(self, exchange: Exchange, data: bytes) -> None:
        exchange.note_answer(data)
        if exchange.meter is not None:
            exchange.meter.feed(data)

    def _refuse(self, exchange: Exchange, status: int, headers: dict[str, str]) -> web.Response:
        """Answer with an error of our own in the protocol's shape."""
        response = _error(exchange.route.wire, status, exchange.error, headers)
        exchange.status = status
        exchange.headers = dict(response.headers)
        exchange.note_answer(bytes(response.body or b""))  # type: ignore[arg-type]
        return response

    # -- the end --

    def _end(self, exchange: Exchange) -> None:
        """Meter, charge and record, whatever happened. Nothing here waits, so nothing can come between."""
        exchange.conclude()
        tokens, estimated = exchange.tokens()
        if exchange.outcome != "answered" and not exchange.error and exchange.answer:
            exchange.error = _said(exchange.answer)
        cost = exchange.cost(tokens, estimated=estimated)
        trial = exchange.trial
        try:
            if exchange.body and not exchange.request_digest:  # refused before it went on
                exchange.request_digest = trial.recorder.bodies.add(self._redactor.clean(exchange.body))
            if exchange.sent is not exchange.body and exchange.sent_at is not None:
                # Only now: it differs from what was asked by little that is known, and no agent waits for it.
                kind = f"{exchange.route.wire.api} sent"
                exchange.sent_digest = trial.recorder.bodies.add(self._redactor.clean(exchange.sent), kind)
            exchange.response_digest = trial.recorder.bodies.add(b"".join(exchange.answer)) if exchange.answer else ""
            record = exchange.record(cost, tokens, estimated=estimated)
            trial.recorder.end(record)
        except StorageError as error:
            self.failure = error
            record = exchange.record(cost, tokens, estimated=estimated)
        trial.add(record)
        if exchange.outcome != "answered" and exchange.sent_at is not None:
            trial.failed(exchange.id, exchange.body, exchange.tried)
        if exchange.hold is not None:
            model = exchange.upstream_model
            self._costliest[model] = max(self._costliest.get(model, 0.0), cost.usd or 0.0)
            self._till.leave(trial.accounts, exchange.hold, cost.usd, tokens_of(record))


def _require_price(exchange: Exchange) -> None:
    """Refuse a request that a budget could not be charged for: an agent may ask models beside its own."""
    upstream = exchange.upstream
    if upstream is not None and not upstream.prices(exchange.route.wire).known(exchange.upstream_model):
        message = f"worktrial: there is a budget, and no price is known for model {exchange.upstream_model!r}"
        raise Refusal("no_price", 400, message, {"x-should-retry": "false"})


def _spent(account: Account) -> Refusal:
    """Return the refusal of a request that nobody may pay.

    Status 400 is the one that no agent tries again: 402 and 403 are retried, or taken for a wrong key, by some.
    """
    # A trial's own is a limit like that of time: it is graded then. Otherwise it was not its doing that it stops.
    budget, outcome = account.budget, "limit" if account.name == "trial" else "budget"
    limits = [f"{budget.limit_usd} USD"] if budget.limit_usd is not None else []
    limits += [f"{budget.limit_tokens} units of text"] if budget.limit_tokens is not None else []
    message = f"worktrial: the budget of the {account.name} is spent ({' or '.join(limits)})"
    headers = {"x-should-retry": "false", "x-worktrial-stop": outcome}
    return Refusal("budget" if outcome == "budget" else "limit", 400, message, headers)


def _error(wire: Wire, status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = to_json(wire.error(status, message))
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _said(answer: list[bytes]) -> str:
    """Return what the body of an error says."""
    raw = b"".join(answer)[:65536]
    try:
        body: Any = parse(raw)
    except ValueError:
        body = raw.decode("utf-8", "replace")
    return error_text(body)
