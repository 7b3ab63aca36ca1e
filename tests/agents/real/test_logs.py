"""Agents' own logs become trajectories: those that were seen, and whatever else may stand in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial import agents
from worktrial.agents.real.contract import CAPTURED, Heard
from worktrial.agents.real.logs import Steps, as_text, as_time, json_objects

LOGS = {path.name.partition("-")[0]: path for path in Path(__file__).with_name("logs").glob("*.json")}
"""Logs of one short session each, by agent: `KIND-VERSION.json` holds contents by path; long texts are cut."""
KINDS = [kind for kind in agents.real_kinds() if kind != "goose"]


def seen(kind: str) -> dict[str, bytes]:
    logs: dict[str, str] = json.loads(LOGS[kind].read_text("utf-8"))
    return {name: text.encode() for name, text in logs.items()}


def said(heard: Heard) -> list[tuple[str, str, list[str]]]:
    return [
        (step.source, step.message, [call.function_name for call in step.tool_calls or ()])
        for step in heard.steps
        if step.source != "system"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_was_seen_is_read_step_by_step(kind: str) -> None:
    """The prompt, the edit with what it gave, and the last words; tokens where the agent tells them."""
    heard = agents.real_agent(kind).read(seen(kind))
    steps = said(heard)
    if kind == "opencode":  # what it prints does not tell what it was asked
        steps.insert(0, ("user", "", []))
    else:
        assert steps[0][0] == "user"
        assert 'Fix add in calc.py: it "subtracts"' in steps[0][1]
    calls = [call for step in heard.steps for call in step.tool_calls or ()]
    results = [result for step in heard.steps if step.observation for result in step.observation.results]
    if kind == "aider":
        assert [(call.function_name, call.arguments) for call in calls] == [("edit", {"path": "calc.py"})]
    else:
        assert "sed -i" in str(calls[0].arguments)
        assert "I will fix it." in steps[1][1]
    assert results[0].source_call_id == calls[0].tool_call_id
    assert [step.step_id for step in heard.steps] == list(range(1, len(heard.steps) + 1))
    told = [step.metrics.prompt_tokens for step in heard.steps if step.metrics]
    assert told == ([] if kind in ("aider", "openhands") else [1000, 1000])


@pytest.mark.parametrize("kind", KINDS)
def test_the_pinned_version_is_the_one_whose_log_was_seen(kind: str) -> None:
    """A newer pin needs a newer log here."""
    assert LOGS[kind].name == f"{kind}-{agents.real_agent(kind).package.version}.json"


def test_what_the_agent_counted_itself_is_kept() -> None:
    """Claude's input is without what came from the cache; Codex's is with it."""
    for kind in ("claude_code", "codex"):
        usage = agents.real_agent(kind).read(seen(kind)).usage
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (2000, 40, 600)


def test_goose_is_read_as_its_source_writes() -> None:
    """Streamed pieces of one message have one id; results come as the user's."""
    events: list[dict[str, Any]] = [
        {"type": "message", "message": {"id": "m1", "role": "assistant", "created": 1700000000, "content": [
            {"type": "text", "text": "I will"}]}},
        {"type": "message", "message": {"id": "m1", "role": "assistant", "created": 1700000000, "content": [
            {"type": "toolRequest", "id": "t1", "toolCall": {"status": "success", "value": {
                "name": "developer__shell", "arguments": {"command": "ls"}}}}]}},
        {"type": "message", "message": {"id": "m2", "role": "user", "content": [
            {"type": "toolResponse", "id": "t1", "toolResult": {"status": "success", "value": {
                "content": [{"type": "text", "text": "calc.py"}]}}}]}},
        {"type": "complete", "total_tokens": 7},
    ]  # fmt: skip
    text = "starting session\n" + "\n".join(map(json.dumps, events))
    for log in (text, json.dumps({"messages": [event["message"] for event in events[:3]]}, indent=2)):
        heard = agents.real_agent("goose").read({CAPTURED: log.encode()})
        assert said(heard) == [("agent", "I will", ["developer__shell"])]
        assert heard.steps[0].observation is not None
        assert heard.steps[0].observation.results[0].content == "calc.py"


@pytest.mark.parametrize("kind", agents.real_kinds())
def test_an_agent_that_left_no_log_left_no_steps(kind: str) -> None:
    assert agents.real_agent(kind).read({}).steps == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_change_of_a_log_is_read_without_a_failure(kind: str, data: st.DataObject) -> None:
    """Logs are hostile: values of other types, missing keys, torn lines, bytes that are no text."""
    logs = seen(kind)
    name = data.draw(st.sampled_from(sorted(logs)))
    lines = logs[name].split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    try:
        value = json.loads(lines[at])
    except ValueError:
        lines[at] = data.draw(st.binary(max_size=60))
    else:
        lines[at] = json.dumps(_changed(value, data)).encode()[: data.draw(st.sampled_from([None, 40, 400]))]
    logs[name] = b"\n".join(lines)
    heard = agents.real_agent(kind).read(logs)
    assert [step.step_id for step in heard.steps] == list(range(1, len(heard.steps) + 1))
    ids = [call.tool_call_id for step in heard.steps for call in step.tool_calls or ()]
    assert len(ids) == len(set(ids))


def _changed(value: object, data: st.DataObject) -> object:
    """Put another value somewhere in a JSON value."""
    if isinstance(value, dict) and value and data.draw(st.booleans() | st.just(True)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: _changed(value[key], data)}
    if isinstance(value, list) and value:
        i = data.draw(st.integers(0, len(value) - 1))
        return [*value[:i], _changed(value[i], data), *value[i + 1 :]]
    return data.draw(json_values)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_text_without_json_has_no_objects(text: str) -> None:
    assert all(isinstance(value, dict) for value in json_objects(text))


@given(st.lists(st.dictionaries(st.text(max_size=4), json_values, max_size=3), max_size=4))
@settings(deadline=None)
def test_objects_are_found_between_other_things(values: list[dict[str, object]]) -> None:
    text = "".join(f"noise\n{json.dumps(value, indent=1)}\n" for value in values)
    assert list(json_objects(text)) == values


@given(json_values)
@settings(deadline=None)
def test_anything_can_be_a_time_or_a_text(value: object) -> None:
    moment = as_time(value)
    assert moment is None or moment.tzinfo is not None
    assert isinstance(as_text(value).encode(), bytes)


def test_a_result_of_a_call_that_nobody_made_is_dropped_and_a_call_made_twice_counts_once() -> None:
    steps = Steps()
    steps.gave("ghost", "boo")
    steps.called("a", "shell", '{"command": "ls"}')
    steps.called("a", "shell", '{"command": "ls"}')
    steps.gave("a", "calc.py")
    (step,) = steps.steps()
    assert [call.arguments for call in step.tool_calls or ()] == [{"command": "ls"}]
    assert step.observation is not None
    assert len(step.observation.results) == 1
