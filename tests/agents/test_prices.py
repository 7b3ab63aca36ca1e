"""What a request cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.agents.prices import cost_usd, price_known, price_list
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage


def _config(model: str | None, **settings: object) -> AgentConfig:
    return AgentConfig.model_validate({"name": "b", "kind": "basic", "model": model, **settings})


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 1000), st.floats(0, 1000))
def test_a_configured_price_goes_first_and_is_linear(into: int, out: int, price_in: float, price_out: float) -> None:
    """Also for a model of the public list."""
    config = _config("gpt-5", input_usd_per_mtok=price_in, output_usd_per_mtok=price_out)
    cost = cost_usd(config, Usage(input_tokens=into, output_tokens=out))
    assert cost == pytest.approx((into * price_in + out * price_out) / 1e6)


def test_the_public_list_knows_cached_tokens() -> None:
    """Claude Sonnet 4.5: 3 USD in, 15 out, 0.30 for a cache read, 3.75 for a write, per million."""
    used = Usage(input_tokens=1000, output_tokens=10, cache_read_tokens=500, cache_write_tokens=100)
    config = _config("claude-sonnet-4-5", api="anthropic")
    assert cost_usd(config, used) == pytest.approx((400 * 3 + 500 * 0.3 + 100 * 3.75 + 10 * 15) / 1e6)


def test_a_gateway_costs_what_its_vendor_does_and_other_models_are_unknown() -> None:
    """An unknown address with the vendor's model is a gateway; with another's it may be a machine of one's own."""
    gateway = "http://127.0.0.1:4000/v1"
    assert price_known(_config("gpt-5", base_url=gateway))
    assert price_known(_config("claude-sonnet-4-5", base_url=gateway, api="anthropic"))
    assert not price_known(_config("qwen3-coder-30b", base_url=gateway))
    assert not price_known(_config("my-model"))
    assert cost_usd(_config("my-model"), Usage(input_tokens=1)) is None


def test_a_known_providers_address_decides_the_price() -> None:
    """The same name can cost differently elsewhere."""
    assert price_known(_config("openai/gpt-5", base_url="https://openrouter.ai/api/v1"))


def test_agents_that_make_no_requests_need_no_price() -> None:
    """A budget cannot be broken by them."""
    assert price_known(AgentConfig(name="oracle", kind="oracle"))


def test_the_price_list_names_its_version() -> None:
    """For the run's lock file."""
    assert price_list().startswith("genai-prices 0.")
