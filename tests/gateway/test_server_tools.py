"""Tools that the provider runs have a network of their own: they are taken out unless the run allows them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.gateway.bench import Bench, asking
from tests.tools.model_server import Turn

from worktrial.formats.gateway import Api

SERVER_TOOLS: list[tuple[Api, dict[str, Any], str]] = [
    ("anthropic_messages", {"type": "web_search_20250305", "name": "web_search"}, "web_search_20250305"),
    ("anthropic_messages", {"type": "code_execution_20250522", "name": "code_execution"}, "code_execution_20250522"),
    ("anthropic_messages", {"type": "web_fetch_20250910", "name": "web_fetch"}, "web_fetch_20250910"),
    ("openai_responses", {"type": "web_search"}, "web_search"),
    ("openai_responses", {"type": "code_interpreter", "container": {"type": "auto"}}, "code_interpreter"),
    ("openai_responses", {"type": "mcp", "server_url": "https://x"}, "mcp"),
    ("openai_responses", {"type": "computer_use_preview"}, "computer_use_preview"),
    ("openai_chat", {"type": "web_search_preview"}, "web_search_preview"),
    ("gemini", {"googleSearch": {}}, "googleSearch"),
    ("gemini", {"google_search": {}}, "google_search"),
    ("gemini", {"urlContext": {}}, "urlContext"),
    ("gemini", {"codeExecution": {}}, "codeExecution"),
]
CASES = pytest.mark.parametrize(("api", "tool", "name"), SERVER_TOOLS, ids=[case[2] for case in SERVER_TOOLS])


@CASES
async def test_they_are_taken_out(bench: Bench, api: Api, tool: dict[str, Any], name: str) -> None:
    """The agent's own tools stay, and the record says what was taken."""
    gateway, trial = await bench.trial(Turn("ok"))
    path, body = asking(api)
    own = body["tools"]
    body["tools"] = [*own, tool]
    assert (await bench.ask(gateway, trial, path, body)).status == 200
    assert bench.server.requests[0].body["tools"] == own
    (record,) = bench.records()
    assert record.changes == (f"server_tool:{name}",)
    assert record.sent_body


@CASES
async def test_they_are_refused_where_that_is_wanted(bench: Bench, api: Api, tool: dict[str, Any], name: str) -> None:
    """With a status that agents do not try again."""
    gateway, trial = await bench.trial(Turn("ok"), server_tools="refuse")
    path, body = asking(api)
    body["tools"].append(tool)
    got = await bench.ask(gateway, trial, path, body)
    assert (got.status, bench.records()[0].outcome) == (400, "server_tool")
    assert name in got.json["error"]["message"]
    assert not bench.server.requests


@CASES
async def test_they_pass_where_the_run_allows_them(bench: Bench, api: Api, tool: dict[str, Any], name: str) -> None:
    """Untouched."""
    gateway, trial = await bench.trial(Turn("ok"), server_tools="allow")
    path, body = asking(api)
    body["tools"].append(tool)
    assert (await bench.ask(gateway, trial, path, body)).status == 200
    assert bench.server.requests[0].body == body
    assert bench.records()[0].changes == ()


@pytest.mark.parametrize(
    ("api", "more"),
    [
        ("anthropic_messages", {"tools": [{"type": "web_search_1", "name": "s"}], "tool_choice": {"type": "any"}}),
        ("openai_responses", {"tools": [{"type": "web_search"}], "tool_choice": "required"}),
        ("openai_chat", {"model": "gpt-4o-search-preview"}),
    ],
)
async def test_a_request_for_nothing_else_is_refused(bench: Bench, api: Api, more: dict[str, Any]) -> None:
    """It would be an error without its tool."""
    gateway, trial = await bench.trial(Turn("ok"))
    path, body = asking(api)
    assert (await bench.ask(gateway, trial, path, body | more)).status == 400
    assert bench.records()[0].outcome == "server_tool"


@pytest.mark.parametrize(
    ("api", "more", "gone"),
    [
        ("anthropic_messages", {"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ("openai_chat", {"web_search_options": {}}, "web_search_options"),
        ("gemini", {"tools": [{"googleSearch": {}}], "toolConfig": {"a": 1}}, "toolConfig"),
        ("openai_responses", {"tools": [{"type": "web_search"}], "tool_choice": "auto"}, "tools"),
    ],
)
async def test_what_goes_with_them_is_taken_out_too(bench: Bench, api: Api, more: dict[str, Any], gone: str) -> None:
    """Connectors, options, and an empty list that some providers refuse."""
    gateway, trial = await bench.trial(Turn("ok"))
    path, body = asking(api)
    assert (await bench.ask(gateway, trial, path, body | more)).status == 200
    assert gone not in bench.server.requests[0].body


async def test_tools_that_the_agent_runs_are_left_alone(bench: Bench) -> None:
    """Whatever type they have: the body goes on byte for byte."""
    gateway, trial = await bench.trial(Turn("ok"))
    for api, tools in (
        ("anthropic_messages", [{"type": "bash_20250124", "name": "bash"}, {"type": "text_editor_1", "name": "e"}]),
        ("openai_responses", [{"type": "custom", "name": "apply_patch"}, {"type": "local_shell"}, {"type": "shell"}]),
    ):
        path, body = asking(api)  # type: ignore[arg-type]
        assert (await bench.ask(gateway, trial, path, body | {"tools": tools})).status == 200
    assert [record.changes for record in bench.records()] == [(), ()]
