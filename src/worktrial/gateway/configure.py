"""Which model servers a gateway has: those of the configuration, of the agents, and the vendors' own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from worktrial.errors import UsageError
from worktrial.formats.gateway import Api, GatewayConfig, PriceConfig, UpstreamConfig
from worktrial.formats.run import AgentConfig

_OPENAI: tuple[Api, ...] = ("openai_chat", "openai_responses")
_ALL: tuple[Api, ...] = (*_OPENAI, "anthropic_messages", "gemini")
_VENDOR_OF = {"claude_code": "anthropic", "codex": "openai", "gemini_cli": "gemini"}
"""Whose protocol agents speak that speak only one; all others say it in `api`."""
_VENDORS = {
    "openai": UpstreamConfig(base_url="https://api.openai.com/v1", apis=_OPENAI, key_env="OPENAI_API_KEY"),
    "anthropic": UpstreamConfig(
        base_url="https://api.anthropic.com", apis=("anthropic_messages",), key_env="ANTHROPIC_API_KEY"
    ),
    "gemini": UpstreamConfig(
        base_url="https://generativelanguage.googleapis.com", apis=("gemini",), key_env="GEMINI_API_KEY"
    ),
}


def vendor_upstreams(environment: Mapping[str, str] | None = None) -> dict[str, UpstreamConfig]:
    """Return the vendors' own servers, of those whose usual variable holds a key."""
    variables = os.environ if environment is None else environment
    return {name: one for name, one in _VENDORS.items() if one.key_env and variables.get(one.key_env, "").strip()}


def for_agents(base: GatewayConfig, agents: Iterable[AgentConfig]) -> tuple[GatewayConfig, dict[str, str]]:
    """Return a gateway's configuration for some agents, and the upstream that each is tied to, by the agent's name.

    An agent that names a `base_url` or a `key_env` has a server of its own. All others use what is configured, and the
    vendors' own servers where a key is there. Raises `UsageError` for an agent that
    nobody serves, or with prices that contradict.
    """
    upstreams = {**base.upstreams}
    for name, own_server in vendor_upstreams().items():
        if not any(set(own_server.apis) & set(one.apis) for one in base.upstreams.values()):
            upstreams.setdefault(name, own_server)
    tied = {}
    prices = dict(base.prices)
    for agent in agents:
        own = own_prices(agent)
        vendor = _VENDORS[_VENDOR_OF.get(agent.kind, agent.api)]
        if agent.base_url is None and agent.key_env is None:
            if own is not None and agent.model is not None:
                prices.setdefault(agent.model, own)
            if not any(set(vendor.apis) & set(one.apis) for one in upstreams.values()):
                raise UsageError(
                    f"agent {agent.name} has no key",
                    cause=f"the environment variable {vendor.key_env} is not set",
                    hint=f"export {vendor.key_env}=…, or write [gateway.upstreams.NAME] into worktrial.toml",
                )
            continue
        name = f"agent {agent.name}"
        tied[agent.name] = name
        upstreams[name] = UpstreamConfig(
            base_url=agent.base_url or vendor.base_url,
            apis=_ALL if agent.base_url else vendor.apis,
            # The vendor's usual variable is not read for another address: a key must not go to a server by accident.
            key_env=agent.key_env,
            prices={} if own is None else {"*": own},
        )
    return base.model_copy(update={"upstreams": upstreams, "prices": prices}), tied


def own_prices(agent: AgentConfig) -> PriceConfig | None:
    """Return the price an agent is configured with. Raises `UsageError` for half of one, or a negative one."""
    given = (agent.input_usd_per_mtok, agent.output_usd_per_mtok)
    if (given[0] is None) != (given[1] is None):
        raise UsageError(
            f"agent {agent.name} has one price of two",
            hint="give both input_usd_per_mtok and output_usd_per_mtok, or neither to use the public list",
        )
    if given[0] is None or given[1] is None:
        return None
    if given[0] < 0 or given[1] < 0:
        raise UsageError(f"agent {agent.name} has a negative price", hint="prices are USD per million tokens")
    return PriceConfig(input=given[0], output=given[1])
