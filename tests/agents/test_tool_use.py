"""What tool calls are for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.agents.tool_use import command_kind, kind_of, tool_use
from worktrial.formats.trajectory import Step, ToolCall

KINDS = {"read", "search", "edit", "run_test", "validate", "other"}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("pytest", "run_test"),
        ("python -m pytest -q tests/test_a.py::test_b", "run_test"),
        ("PYTHONPATH=src python3.12 -m pytest -x", "run_test"),
        ("cd lib && timeout 60 pytest -q 2>&1 | tail -20", "run_test"),
        ("uv run pytest -q", "run_test"),
        ("uv run --with pytest --extra dev python -m pytest", "run_test"),
        ("poetry run python -m unittest discover", "run_test"),
        ("python -m unittest tests.test_x", "run_test"),
        ("bash -lc 'pytest -q'", "run_test"),
        ("/opt/venv/bin/pytest tests", "run_test"),
        ("tox -e py312", "run_test"),
        ("npm test", "run_test"),
        ("npm run test:unit -- --watch=false", "run_test"),
        ("npx jest src/a.test.ts", "run_test"),
        ("yarn test", "run_test"),
        ("go test ./...", "run_test"),
        ("cargo test --all -- --nocapture", "run_test"),
        ("cargo nextest run", "run_test"),
        ("./gradlew :app:test", "run_test"),
        ("mvn -q -Dtest=FooTest test", "run_test"),
        ("make test", "run_test"),
        ("make check", "run_test"),
        ("python manage.py test shop", "run_test"),
        ("python tests/test_names.py", "run_test"),
        ("./run_tests.sh", "run_test"),
        ("node --test", "run_test"),
        ("bundle exec rspec spec/a_spec.rb", "run_test"),
        ("dotnet test", "run_test"),
        ("sed -i s/a/b/ x.py && pytest", "run_test"),
        ("cat > tests/test_x.py <<'EOF'\nimport pytest\npytest.main()\nEOF\npytest tests/test_x.py", "run_test"),
        ("ruff check .", "validate"),
        ("mypy src", "validate"),
        ("python -m mypy src", "validate"),
        ("npx tsc --noEmit", "validate"),
        ("npm run lint", "validate"),
        ("npm run build", "validate"),
        ("cargo clippy", "validate"),
        ("go vet ./...", "validate"),
        ("make", "validate"),
        ("black --check .", "validate"),
        ("python -m py_compile a.py", "validate"),
        ("pre-commit run --all-files", "validate"),
        ("sed -i 's/a/b/' x.py", "edit"),
        ("perl -pi -e s/a/b/ x.py", "edit"),
        ("echo 'x = 1' > a.py", "edit"),
        ("cat >> a.py <<EOF\npytest\nEOF", "edit"),
        ("cat <<'EOF' > newfile.py\nimport numpy as np\nEOF", "edit"),
        ("git apply fix.patch", "edit"),
        ("git checkout -- a.py", "edit"),
        ("apply_patch <<'EOF'\n*** Begin Patch\nEOF", "edit"),
        ("black .", "edit"),
        ("ruff format .", "edit"),
        ("rm -rf build", "edit"),
        ("echo x | tee a.txt", "edit"),
        ("grep -rn foo src | head", "search"),
        ("rg --files", "search"),
        ("find . -name '*.py'", "search"),
        ("git grep foo", "search"),
        ("cd src; grep -rn foo", "search"),
        ("cat a.py", "read"),
        ("sed -n 1,40p a.py", "read"),
        ("nl -ba a.py | sed -n '1,20p'", "read"),
        ("ls -la && git status", "read"),
        ("git log --oneline -5", "read"),
        ("git diff 2>/dev/null", "read"),
        ("cat a.py 2>&1", "read"),
        ("pip install requests", "other"),
        ("python -c 'print(1)'", "other"),
        ("python repro.py", "other"),
        ("echo pytest", "other"),
        ("python repro.py > /tmp/out", "other"),
        ("", "other"),
        ("echo 'unclosed", "other"),
    ],
)
def test_a_command_line_is_told_by_what_it_runs(command: str, kind: str) -> None:
    assert command_kind(command) == kind


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("Read", {"file_path": "a"}, "read"),
        ("read_file", {}, "read"),
        ("list_directory", {}, "read"),
        ("Grep", {}, "search"),
        ("search_file_content", {}, "search"),
        ("glob", {}, "search"),
        ("Edit", {}, "edit"),
        ("MultiEdit", {}, "edit"),
        ("apply_patch", {"input": "*** Begin Patch"}, "edit"),
        ("write_file", {}, "edit"),
        ("str_replace_editor", {"command": "view"}, "read"),
        ("str_replace_editor", {"command": "str_replace"}, "edit"),
        ("file_editor", {"command": "create"}, "edit"),
        ("Bash", {"command": "pytest"}, "run_test"),
        ("exec_command", {"cmd": "pytest"}, "run_test"),
        ("shell", {"command": ["bash", "-lc", "pytest -q"]}, "run_test"),
        ("shell", {"command": ["grep", "-rn", "a b", "."]}, "search"),
        ("local_shell_call", {"command": ["cat", "a"]}, "read"),
        ("developer__shell", {"command": "ruff check"}, "validate"),
        ("mcp__verify__run_tests", {}, "run_test"),
        ("mcp__verify__diagnostics", {}, "validate"),
        ("verify_run_tests", {}, "run_test"),
        ("mcp_verify_lint", {}, "validate"),
        ("todo_write", {}, "other"),
        ("google_web_search", {}, "other"),
        ("tool_search", {}, "other"),
        ("run_shell_command", {"command": "ls"}, "read"),
        ("TodoWrite", {}, "other"),
        ("web_fetch", {}, "other"),
        ("", {}, "other"),
    ],
)
def test_a_tool_is_told_by_its_name_and_arguments(name: str, arguments: dict[str, Any], kind: str) -> None:
    assert kind_of(name, arguments) == kind


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_is_of_some_kind(text: str) -> None:
    """A model may write anything into a command line."""
    assert command_kind(text) in KINDS


given_values = st.none() | st.integers() | st.text(max_size=50) | st.lists(st.text(max_size=20) | st.integers())


@given(st.text(max_size=30), st.dictionaries(st.sampled_from(["command", "cmd", "x"]), given_values))
@settings(deadline=None)
def test_any_call_is_of_some_kind(name: str, arguments: dict[str, Any]) -> None:
    assert kind_of(name, arguments) in KINDS


@given(st.lists(st.sampled_from(["pytest", "ls", "sed -i s/a/b/ x", "grep x y", "mypy", "true"]), max_size=12))
@settings(deadline=None)
def test_every_call_is_counted_once(commands: list[str]) -> None:
    calls = tuple(
        ToolCall(tool_call_id=str(i), function_name="bash", arguments={"command": c}) for i, c in enumerate(commands)
    )
    use = tool_use([Step(step_id=1, source="agent", message="", tool_calls=calls)])
    assert use is not None
    assert sum(use.calls.values()) == len(commands)
    assert use.calls.get("run_test", 0) == commands.count("pytest")
    after = (
        commands[len(commands) - commands[::-1].index("sed -i s/a/b/ x") :]
        if "sed -i s/a/b/ x" in commands
        else commands
    )
    assert use.tests_after_last_edit == after.count("pytest")


def test_of_an_agent_that_left_no_log_nothing_is_known() -> None:
    """Unknown is not zero."""
    assert tool_use([Step(step_id=1, source="user", message="do")]) is None
    assert tool_use([Step(step_id=1, source="agent", message="done")]) is not None
