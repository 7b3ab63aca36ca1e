"""A model's word on which test files concern a change stands beside coverage; it decides nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests.e2e.workshop import Shell
from tests.tools.model_server import Fault, ModelServer, Script, Turn

from worktrial.agents.basic.client import Retry
from worktrial.agents.questions import Judge
from worktrial.curate.judging import judge_relevance, parse_answer
from worktrial.formats.evidence import Relevance
from worktrial.formats.gateway import GatewayConfig, UpstreamConfig
from worktrial.store.suite import Suite


@pytest.fixture(autouse=True)
def _no_keys_or_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def says(files: list[str]) -> Turn:
    return Turn(text=f"So:\n```json\n{json.dumps({'files': files, 'explanation': 'They call it.'})}\n```")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    # The suite's two tasks, told apart by the files that they touch.
    scripts = [Script((says(["tests/test_names.py"]),), match=r"source: shop/names\.py")]
    scripts.append(Script((says(["tests/test_names.py", "tests/test_price.py"]),), match=r"source: shop/"))
    made = ModelServer(scripts)
    await made.start()
    yield made
    await made.stop()


def judge_at(server: ModelServer) -> Judge:
    upstream = UpstreamConfig(base_url=f"{server.url}/v1", apis=("openai_chat",))
    return Judge("gpt-x", GatewayConfig(upstreams={"local": upstream}), retry=Retry(tries=1))


def rankings(suite: Suite) -> dict[str, Relevance]:
    return {
        one.id: record for one in suite.candidates for record in suite.evidence(one.id) if isinstance(record, Relevance)
    }


async def test_answers_are_held_against_coverage_which_no_model_is_shown_and_asked_for_once(
    suite: Path, server: ModelServer
) -> None:
    opened = Suite.open(suite)
    before = {task: opened.decision(task) for task in opened.task_ids()}
    found = await judge_relevance(opened, list(opened.candidates), judge_at(server), lambda _: None)
    by_id, ranked = {one.of: one for one in found}, rankings(opened)
    assert set(by_id) == set(ranked) == {"fix", "add"}
    for name, one in by_id.items():
        shown = {each.path for each in ranked[name].ranked}
        covering = shown & set(ranked[name].covering_files)
        if set(one.files) <= shown and not one.error:
            assert one.precision == len(covering & set(one.files)) / len(one.files)
            assert one.recall == len(covering & set(one.files)) / min(5, len(covering))
    assert by_id["fix"].files == ("tests/test_names.py",)
    assert (by_id["fix"].precision, by_id["fix"].explanation) == (1.0, "They call it.")
    sent = [json.dumps(request.body) for request in server.requests]
    assert len(sent) == 2
    assert not [text for text in sent if "test: tests/" in text or "covering" in text]
    assert list(opened.judged_relevance) == sorted(found, key=lambda one: list(opened.judged_relevance).index(one))
    assert (opened.path / "judge/gateway.jsonl").exists()
    assert {task: opened.decision(task) for task in opened.task_ids()} == before

    answered = sum(not one.error for one in found)
    await judge_relevance(opened, list(opened.candidates), judge_at(server), lambda _: None)
    assert len(server.requests) == 2 + (2 - answered)


async def test_a_request_without_an_answer_is_noted_and_the_others_go_on(suite: Path) -> None:
    refusing = ModelServer(
        [
            Script((Turn(text="x", faults=(Fault("status", status=400, message="no"),)),), match=r"source: shop/names"),
            Script((says(["tests/test_elsewhere.py"]),)),
        ]
    )
    await refusing.start()
    opened = Suite.open(suite)
    found = await judge_relevance(opened, list(opened.candidates), judge_at(refusing), lambda _: None)
    await refusing.stop()
    errors = {one.of: one.error for one in found}
    assert errors["fix"].startswith("provider_refused")
    assert errors["add"] == "not an answer: 'tests/test_elsewhere.py' was not shown"
    assert all(one.precision is one.recall is None for one in found)


@pytest.mark.slow
async def test_validate_prints_what_a_model_says_of_relevance(suite: Path, server: ModelServer, shell: Shell) -> None:
    (shell.folder / "worktrial.toml").write_text(
        f'[gateway.upstreams.local]\nbase_url = "{server.url}/v1"\napis = ["openai_chat"]\n'
    )
    import asyncio

    ended = await asyncio.to_thread(shell, "validate", suite, "--runs", "1", "--judge", "gpt-x", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["relevance_judged"]["answers"] + ended.json["relevance_judged"]["failed"] == 2
    assert ended.json["relevance"]["candidates"] == 2
    assert "Test files that gpt-x names, against coverage of the changed lines: precision" in " ".join(
        ended.err.split()
    )


@given(
    st.text()
    | st.builds(json.dumps, st.recursive(st.none() | st.text() | st.integers(), st.lists))
    | st.lists(st.sampled_from(["a.py", "b.py", "c.py"])).map(lambda files: json.dumps({"files": files}))
)
def test_no_answer_of_a_model_names_a_file_that_it_was_not_shown(text: str) -> None:
    try:
        files, _ = parse_answer(text, {"a.py", "b.py"})
    except ValueError:
        return
    assert set(files) <= {"a.py", "b.py"}
    assert len(files) <= 5
