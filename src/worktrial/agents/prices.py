"""What a model request cost: by the configured price, else by the public price list, else unknown. Never a guess."""

from __future__ import annotations

from importlib.metadata import version

from worktrial.errors import UsageError
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage

_VENDOR = {"openai": "openai", "anthropic": "anthropic"}
"""Whose price list holds, by wire format, where the endpoint's address is of no known provider: a gateway in front of
the vendor. A model of any other vendor on such an endpoint may be self-hosted, so its price is unknown."""


def price_list() -> str:
    """Return the name and version of the public price list, for the record."""
    return f"genai-prices {version('genai-prices')}"


def check_prices(config: AgentConfig) -> None:
    """Raise `UsageError` when a configuration gives only one of the two prices, or a negative one."""
    prices = (config.input_usd_per_mtok, config.output_usd_per_mtok)
    if (prices[0] is None) != (prices[1] is None):
        raise UsageError(
            f"agent {config.name} has one price of two",
            hint="give both input_usd_per_mtok and output_usd_per_mtok, or neither to use the public list",
        )
    if any(price is not None and price < 0 for price in prices):
        raise UsageError(f"agent {config.name} has a negative price", hint="prices are USD per million tokens")


def price_known(config: AgentConfig) -> bool:
    """Tell whether a budget can bound this agent: its model has a price, or it makes no requests of its own."""
    if config.model is None:
        return True
    return cost_usd(config, Usage(requests=1, input_tokens=1, output_tokens=1)) is not None


def cost_usd(config: AgentConfig, usage: Usage) -> float | None:
    """Return what one request cost, or None when no price is known.

    A configured price holds for all input tokens, cached ones too: it is then an upper bound. Give one request at a
    time, as some prices depend on the length of the single request.
    """
    if config.input_usd_per_mtok is not None and config.output_usd_per_mtok is not None:
        total = usage.input_tokens * config.input_usd_per_mtok + usage.output_tokens * config.output_usd_per_mtok
        return total / 1_000_000
    return None if config.model is None else _listed_cost(config, config.model, usage)


def _listed_cost(config: AgentConfig, model: str, usage: Usage) -> float | None:
    import genai_prices  # 0.25 s: only runs that call a model pay for it

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    if config.base_url:
        try:
            return float(genai_prices.calc_price(counted, model, provider_api_url=config.base_url).total_price)
        except LookupError:
            pass  # not the address of a known provider, or a model it does not list
    try:
        return float(genai_prices.calc_price(counted, model, provider_id=_VENDOR[config.api]).total_price)
    except LookupError:
        return None
