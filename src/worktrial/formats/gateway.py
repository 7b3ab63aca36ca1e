"""What the gateway records of every model request (`gateway.jsonl`), and how it is set up (`[gateway]` in a TOML file).

Names of fields in JSON follow the OpenTelemetry conventions for generative AI where there is one; in Python they are
short.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from worktrial.formats.base import Record, Timestamp

Api = Literal["openai_chat", "openai_responses", "anthropic_messages", "gemini"]
"""A wire protocol."""

Outcome = Literal[
    "answered",
    "rate_limited",
    "provider_error",
    "provider_refused",
    "provider_auth",
    "unknown_model",
    "upstream_down",
    "upstream_timeout",
    "upstream_endless",
    "cut",
    "malformed",
    "stream_error",
    "client_gone",
    "client_slow",
    "too_large",
    "bad_request",
    "unknown_route",
    "no_websocket",
    "budget",
    "limit",
    "no_price",
    "server_tool",
    "not_recorded",
    "gateway_killed",
    "gateway_failed",
]
"""How a request ended.

*answered*: whole, status 2xx. *rate_limited*: 429. *provider_error*: 5xx. *provider_auth*: 401, 403.
*unknown_model*: 404, or no upstream is configured for it. *provider_refused*: any other 4xx. *upstream_down*: no
connection. *upstream_timeout*: no byte for too long. *upstream_endless*: an answer longer than any is. *cut*: the
connection broke amid the answer, or a stream ended before its end. *malformed*: an answer that is not what its protocol
says. *stream_error*: an error reported within a stream. *client_gone*: the agent hung up. *client_slow*: it did not
finish its request in time. *too_large*, *bad_request*, *unknown_route*, *no_websocket*: refused as what they are.
*budget*, *limit*: the run's or the agent's, or the trial's own, is spent. *no_price*: there is a budget in money, and
nobody knows what the model costs. *server_tool*: asked for a tool that the provider
would run. *not_recorded*: a replay has no answer for it. *gateway_killed*: under way when the gateway died.
*gateway_failed*: it could not write its record.
"""

INFRASTRUCTURE: frozenset[Outcome] = frozenset(
    {
        "rate_limited",
        "provider_error",
        "provider_auth",
        "upstream_down",
        "upstream_timeout",
        "upstream_endless",
        "cut",
        "malformed",
        "stream_error",
        "gateway_killed",
        "gateway_failed",
        "not_recorded",
    }
)
"""Outcomes that are no doing of the agent."""

UNSENT: frozenset[Outcome] = frozenset(
    {
        "client_slow",
        "too_large",
        "bad_request",
        "unknown_route",
        "no_websocket",
        "budget",
        "limit",
        "no_price",
        "server_tool",
        "not_recorded",
    }
)
"""Outcomes of requests that never went to a provider."""

Source = Literal["metered", "reported", "estimated"]
"""Where an amount is from. *metered*: the provider's count of the request, priced by a list. *reported*: the upstream
named the amount itself. *estimated*: from the lengths of what was seen, as the answer was cut before it told."""


class ToolAsked(Record):
    """A tool call that the model asked for."""

    id: str = Field(default="", alias="gen_ai.tool.call.id")
    name: str = Field(alias="gen_ai.tool.name")
    malformed: bool = False
    """Its arguments are not a JSON object."""

    model_config = ConfigDict(populate_by_name=True)


class GatewayRecord(Record):
    """One line of `gateway.jsonl`: a request of an agent, and what became of it. None is unknown throughout."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    format: Literal["worktrial/gateway@1"]
    id: str
    """Unique within the trial, in the order of arrival."""
    at: Timestamp
    """When it arrived, to the millisecond."""
    trial: str
    """`agent/task/n`."""
    agent: str = Field(default="", alias="gen_ai.agent.name")
    api: Api | None = None
    operation: str = Field(default="", alias="gen_ai.operation.name")
    """`chat`, `generate_content`, `count_tokens`, `list_models`, or empty when the route is unknown."""
    path: str = ""
    """As asked, from behind the trial's prefix."""
    upstream: str = ""
    provider: str = Field(default="", alias="gen_ai.provider.name")
    request_model: str = Field(default="", alias="gen_ai.request.model")
    response_model: str = Field(default="", alias="gen_ai.response.model")
    stream: bool = Field(default=False, alias="gen_ai.request.stream")
    status: int | None = Field(default=None, alias="http.response.status_code")
    """What the agent was sent; None: nothing."""
    outcome: Outcome
    error: str = ""
    """What was said of a failure: at most 300 characters, no keys."""
    finish_reasons: tuple[str, ...] = Field(default=(), alias="gen_ai.response.finish_reasons")
    """The provider's own words."""
    input_tokens: int | None = Field(default=None, alias="gen_ai.usage.input_tokens")
    """Including those read from and written to a cache, whatever the protocol counts."""
    output_tokens: int | None = Field(default=None, alias="gen_ai.usage.output_tokens")
    """Including reasoning."""
    cache_read_tokens: int | None = Field(default=None, alias="gen_ai.usage.cache_read.input_tokens")
    cache_write_tokens: int | None = Field(default=None, alias="gen_ai.usage.cache_creation.input_tokens")
    reasoning_tokens: int | None = Field(default=None, alias="gen_ai.usage.reasoning.output_tokens")
    usage_source: Literal["metered", "estimated"] | None = None
    raw_usage: dict[str, Any] | None = None
    """As the provider gave it."""
    cost_usd: float | None = None
    cost_source: Source | None = None
    prices: str = ""
    """The list the cost is by, with its version."""
    queued_s: float = 0.0
    """Held back by the upstream's limit of requests a minute, or the budget's."""
    first_byte_s: float | None = None
    """From arrival to the first byte of the answer."""
    first_chunk_s: float | None = Field(default=None, alias="gen_ai.response.time_to_first_chunk")
    """From sending it upstream to the first content of the answer."""
    total_s: float | None = None
    """From arrival to the end."""
    tools_offered: int = 0
    """How many tools the model was offered."""
    tool_calls: tuple[ToolAsked, ...] = ()
    try_number: int = 1
    """2 and on: the same body was sent before in this trial and not answered: a retry."""
    retry_of: str = ""
    """The first request with this body."""
    changes: tuple[str, ...] = ()
    """What the gateway changed in the body before it sent it on: `include_usage`, `model`, `server_tool:NAME`."""
    request_body: str = ""
    """SHA-256 of the body as it came, decoded; empty: none, or it was not read to its end."""
    sent_body: str = ""
    """SHA-256 of the body as it was sent on, where that differs."""
    response_body: str = ""
    """SHA-256 of what the agent was sent, decoded."""
    response_headers: dict[str, str] = Field(default_factory=dict)
    """Those that agents act upon."""
    replayed: bool = False
    """Answered from the record of an earlier run: no provider was asked and nothing was paid."""


class RequestBegun(Record):
    """A line of `gateway.open`: a request that is under way, so that one the gateway died on is not lost."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    id: str
    at: Timestamp
    api: Api | None
    operation: str
    path: str
    upstream: str
    provider: str
    request_model: str
    stream: bool
    body_bytes: int
    tools_offered: int


# -- configuration --


class PriceConfig(Record):
    """A price of one's own, USD per million tokens. It goes before the public list."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    """None: as `input`, which is then an upper bound."""
    cache_write: float | None = Field(default=None, ge=0)


class UpstreamConfig(Record):
    """A model server: a table `[gateway.upstreams.NAME]`."""

    base_url: str
    """Up to but without `/chat/completions`, `/responses`, `/v1/messages` or `/v1beta/models/…`."""
    apis: tuple[Api, ...]
    key_env: str | None = None
    """Name of the environment variable that holds the key; None: the server wants none."""
    auth: Literal["bearer", "x-api-key", "x-goog-api-key", "api-key"] | None = None
    """Header the key goes into; None: the protocol's own."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request. Not for secrets: they are written down."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    provider: str | None = None
    """Whose prices hold, by the public list's name for it; None: told by the address and the protocol."""
    prices: dict[str, PriceConfig] = Field(default_factory=dict)
    """By the model's name, as a pattern (`*` and `?`)."""


class ModelRoute(Record):
    """Where requests for a model go, and under which name."""

    upstream: str
    model: str | None = None
    """The name the upstream knows it by; None: the same."""


class GatewayConfig(Record):
    """The table `[gateway]`."""

    upstreams: dict[str, UpstreamConfig] = Field(default_factory=dict)
    models: dict[str, str | ModelRoute] = Field(default_factory=dict)
    """Upstream by the model's name, as a pattern (`*` and `?`): the first that fits. Without one, the first upstream
    that speaks the request's protocol."""
    prices: dict[str, PriceConfig] = Field(default_factory=dict)
    """By the model's name, as a pattern; the upstream's own go first."""
    server_tools: Literal["strip", "refuse", "allow"] = "strip"
    """What happens to tools that the provider would run, with a network of its own."""
    max_body_mib: float = Field(default=64, gt=0)
    """Longest request taken."""
    max_answer_mib: float = Field(default=128, gt=0)
    client_timeout_s: float = Field(default=60, gt=0)
    """An agent that sends nothing for so long amid a request is given up."""
    connect_timeout_s: float = Field(default=30, gt=0)
    read_timeout_s: float = Field(default=600, gt=0)
    """An upstream that sends nothing for so long is given up."""
    answer_timeout_s: float = Field(default=3600, gt=0)
    """Longest that one answer may take as a whole."""
