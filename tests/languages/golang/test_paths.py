"""Telling Go's source, tests, documentation and settings apart by path, and by content where names lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages import detect
from worktrial.languages.golang import paths

HELPER = 'package store\n\nimport (\n\t"os"\n\t"testing"\n)\n\nfunc Temp(t *testing.T) *os.File { return nil }\n'
PROBE = 'package health\n\nimport "net/http"\n\n// Tester probes a server.\ntype Tester struct{ http.Client }\n'


def role(path: str, text: str | None = None) -> str:
    """Return the role of a file; asking for a content that is not given fails."""

    def content() -> str | None:
        assert text is not None, f"asked for the content of {path}"
        return text

    return paths.role(path, content)


@pytest.mark.parametrize(
    "path",
    [
        "main.go", "cmd/tool/main.go", "internal/store/store.go", "pkg/latest/latest.go", "mock/mock.go", "asm_amd64.s",
        "internal/native/sum.c", "internal/web/templates/page.html", "internal/db/migrations/001.sql", "api/api.proto",
        "vendor/example.com/dep/dep_test.go", "grammar/expr.y", "contest/contest.go",
    ],
)  # fmt: skip
def test_code_and_what_packages_embed_is_source(path: str) -> None:
    assert role(path) == "source"


@pytest.mark.parametrize(
    "path",
    [
        "main_test.go", "internal/store/store_test.go", "internal/store/testdata/a.json", "testutil/git.go",
        "integration_test/run.go", "e2e/agent.go", "internal/mocks/store.go", "test/fixtures/x.yaml", "test-utils/a.go",
        "internal/testing/clock.go", "pkg/testdata/mod/go.mod",
    ],
)  # fmt: skip
def test_tests_their_data_and_their_helpers_are_test(path: str) -> None:
    assert role(path) == "test"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("go.mod", "config"), ("tools/go.sum", "config"), ("go.work", "config"), (".golangci.yaml", "config"),
        ("Makefile", "config"), (".goreleaser.yaml", "config"), ("mise.toml", "config"), (".gitignore", "config"),
        ("README.md", "docs"), ("docs/guide.html", "docs"), ("internal/store/README.md", "docs"), ("LICENSE", "docs"),
        ("examples/hello/main.go", "other"), (".github/workflows/ci.yml", "other"), ("scripts/release.sh", "other"),
        ("logo.png", "other"), ("docs/docs.go", "other"),
    ],
)  # fmt: skip
def test_settings_documentation_and_the_rest_are_told_by_name(path: str, expected: str) -> None:
    assert role(path) == expected


@pytest.mark.parametrize("path", ["internal/store/testutil.go", "store/testing.go", "store/mock_store.go"])
def test_a_helper_by_name_is_one_if_it_imports_testing(path: str) -> None:
    assert role(path, HELPER) == "test"
    assert role(path, PROBE) == "source"
    assert paths.role(path, lambda: None) == "test"


def test_what_decides_how_tests_run_are_module_files_and_what_is_vendored() -> None:
    decisive = ["go.mod", "sub/go.mod", "go.sum", "go.work", "vendor/modules.txt", "vendor/example.com/x/x.go"]
    assert all(paths.infrastructure(path) for path in decisive)
    assert not any(paths.infrastructure(path) for path in ["main.go", "vendors/x.go", "go.mod.go", "a_test.go"])


def test_only_sources_of_generated_code_need_more_than_go_test() -> None:
    assert all(paths.needs_build(path) for path in ["api/a.proto", "parse.y", "page.templ", "core/src/lib.rs"])
    assert not any(paths.needs_build(path) for path in ["a.go", "sum.c", "sum_amd64.s", "page.html"])


def test_the_runner_looks_for_tests_where_go_does() -> None:
    assert paths.holds_tests("a/b_test.go")
    passed_over = [
        "a/b.go",
        "a/testdata/b_test.go",
        "vendor/x/b_test.go",
        "_old/b_test.go",
        ".x/b_test.go",
        "_b_test.go",
    ]
    assert not any(map(paths.holds_tests, passed_over))


def test_tests_go_by_the_name_of_the_file_or_the_package_they_lie_beside() -> None:
    tests = [
        "pkg/parse/lines_test.go", "pkg/parse/lines_more_test.go", "pkg/parse/parse_test.go", "pkg/parse/other_test.go",
        "pkg/lines_test.go", "integration_test/lines_test.go", "pkg/parse/linesman_test.go",
    ]  # fmt: skip
    found = paths.related_tests(["pkg/parse/lines.go"], tests)
    assert found == (tests[0], tests[1], tests[2], tests[5])
    assert paths.related_tests(["README.md"], tests) == ()


@given(st.text(alphabet="abt_./-estgomdwhvnru", max_size=40))
def test_every_path_has_a_role(path: str) -> None:
    assert paths.role(path, lambda: None) in ("source", "test", "docs", "config", "other")


def test_a_repository_is_in_the_language_it_has_most_tests_of() -> None:
    assert detect(["a_test.go", "b/b_test.go", "tools/test_x.py", "go.mod"]) == ("go", 2)
    assert detect(["tests/test_a.py", "tests/test_b.py", "x_test.go"]) == ("python", 2)
    assert detect(["main.rs"]) == (None, 0)
