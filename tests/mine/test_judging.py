"""A model's word on a prompt stands beside the rules', with what was asked; it decides nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.mine.building import Repository, mined
from tests.tools.model_server import Fault, ModelServer, Script, Turn

from worktrial.agents.basic.client import Retry
from worktrial.agents.questions import Judge
from worktrial.errors import UsageError
from worktrial.formats.gateway import GatewayConfig, UpstreamConfig
from worktrial.mine.filters import PROMPT_REASONS
from worktrial.mine.judging import agreement, judge_prompts, parse_answer, with_model_kinds
from worktrial.store.suite import Suite

YES = {"reason": None, "kind": "refactoring", "difficulty": "small", "explanation": "It is clear."}
NO = {"reason": "too_vague", "kind": "other", "difficulty": "small", "explanation": "It says nothing."}
SCRIPTS = [
    Script((Turn(text=f"Here:\n```json\n{json.dumps(YES)}\n```"),), match="Add one"),
    Script((Turn(text=json.dumps(NO)),), match="Add two"),
    Script((Turn(text="I will not."),), match="Add three"),
    Script((Turn(text="x", faults=(Fault("status", status=400, message="no"),)),), match="Add four"),
]


@pytest.fixture(autouse=True)
def _no_keys_or_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    made = ModelServer(SCRIPTS)
    await made.start()
    yield made
    await made.stop()


def asking(server: ModelServer, model: str = "gpt-x") -> Judge:
    upstream = UpstreamConfig(base_url=f"{server.url}/v1", apis=("openai_chat", "anthropic_messages"))
    return Judge(model, GatewayConfig(upstreams={"local": upstream}), retry=Retry(tries=1))


@pytest.mark.parametrize("model", ["gpt-x", "claude-x"])
async def test_answers_are_stored_beside_the_rules_and_asked_for_once(
    repo: Repository, server: ModelServer, tmp_path: Path, model: str
) -> None:
    for name in ("one", "two", "three", "four"):
        repo.change(f"Add {name}", name)
    candidates = mined(repo.path).candidates
    suite = Suite(tmp_path / "suite")
    heard: list[str] = []
    said = await judge_prompts(suite, candidates, asking(server, model), lambda one: heard.append(one.of))

    by_subject = {candidate.subject: one for candidate, one in zip(candidates, said, strict=True)}
    one, two = by_subject["Add one"], by_subject["Add two"]
    assert (one.model_reason, one.model_kind, one.rule_kind, one.rule_reason) == (None, "refactoring", "new_code", None)
    assert (two.model_reason, two.explanation) == ("too_vague", "It says nothing.")
    assert by_subject["Add three"].error.startswith("not an answer")
    assert by_subject["Add four"].error.startswith("provider_refused")
    assert (one.model, one.prompt_version) == (model, "2")
    assert agreement(said) == {"kept": (1, 2), "kind": (0, 2)}
    assert {item.of for item in suite.classification} == set(heard) == {candidate.id for candidate in candidates}
    assert (suite.path / "judge" / "gateway.jsonl").exists()

    asked = len(server.requests)
    again = await judge_prompts(suite, candidates, asking(server, model), lambda _: None)
    assert len(server.requests) == asked + 2  # those without an answer
    assert [item.model_kind for item in again] == [item.model_kind for item in said]

    kinds = {item.subject: item.work for item in with_model_kinds(candidates, said)}
    work = kinds["Add one"]
    assert work is not None
    assert (work.kind, work.model_kind) == ("new_code", "refactoring")
    assert kinds["Add three"] == next(item.work for item in candidates if item.subject == "Add three")


async def test_a_model_that_no_server_speaks_for_is_refused(repo: Repository, tmp_path: Path) -> None:
    repo.change("Add one", "one")
    with pytest.raises(UsageError, match="no key"):
        await judge_prompts(
            Suite(tmp_path / "s"), mined(repo.path).candidates, Judge("gpt-x", GatewayConfig()), lambda _: None
        )


@given(
    st.text()
    | st.builds(json.dumps, st.recursive(st.none() | st.text() | st.integers(), st.lists))
    | st.text().map("{{{}}}".format)
)
def test_no_answer_of_a_model_is_taken_for_more_than_it_says(text: str) -> None:
    try:
        answer = parse_answer(text)
    except ValueError:
        return
    assert answer["model_reason"] is None or answer["model_reason"] in PROMPT_REASONS
