"""Telling source, tests, documentation and settings apart by path, and by content where names lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.languages.python import paths

TESTS = "import pytest\n\n\ndef test_it():\n    assert True\n"
TEST_CLASS = (
    "import unittest\n\n\nclass ItWorks(unittest.TestCase):\n    x = 1\n\n    def test_it(self):\n        self.fail()\n"
)
HELPERS = "import contextlib\n\n\ndef run(value):\n    assert value\n    return value\n"


def role(path: str, text: str | None = None) -> str:
    """Return the role of a file; asking for a content that is not given fails."""

    def content() -> str | None:
        assert text is not None, f"asked for the content of {path}"
        return text

    return paths.role(path, content)


@pytest.mark.parametrize(
    "path",
    [
        "src/pkg/core.py", "pkg/latest.py", "pkg/contest.py", "pkg/attestation/core.py", "setup_helpers.py",
        "src/pkg/_speed.c", "pkg/fast.pyx", "pkg/fast.pxd", "src/lib.rs", "lib/solve.f90", "include/pkg.h",
        "src/pkg/py.typed", "src/pkg/core.pyi", "pkg/templates/page.html", "pkg/data/words.txt", "pkg/static/app.js",
        "django/testing_tools/core.py", "homeassistant/setup.py", "scripts/build_it.py", "pkg/news/models.py",
    ],
)  # fmt: skip
def test_code_and_data_of_packages_are_source(path: str) -> None:
    assert role(path) == "source"


@pytest.mark.parametrize(
    "path",
    [
        "tests/test_core.py", "tests/helpers.py", "tests/data/page.html", "tests/README.md", "test/core.py",
        "src/pkg/tests/test_core.py", "pkg/tests/__init__.py", "conftest.py", "src/pkg/conftest.py",
        "unit_tests/core.py", "integration-tests/run.sh", "tests_unit/core.py", "Tests/core.py", "tests/pyproject.toml",
        "tests/requirements/dev.txt/x", "tests/_cassettes/one.yaml", "pkg/testdata/x.json",
    ],
)  # fmt: skip
def test_whatever_lies_in_a_test_folder_is_test(path: str) -> None:
    assert role(path) == "test"


@pytest.mark.parametrize(
    "path",
    [
        "README.md", "docs/index.rst", "docs/conf.py", "docs/_static/x.css", "CHANGES", "CHANGES.rst", "CHANGELOG.txt",
        "NEWS.d.rst", "newsfragments/12.bugfix", "changelog.d/12.md", "src/pkg/README.md", "LICENSE", "LICENSE.txt",
        "AUTHORS", "mkdocs.yml", "HISTORY.rst", "doc/guide.txt",
    ],
)  # fmt: skip
def test_what_is_written_for_people_is_docs(path: str) -> None:
    assert role(path) == "docs"


@pytest.mark.parametrize(
    "path",
    [
        "pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "pytest.ini", "noxfile.py", "requirements.txt",
        "requirements-dev.in", "requirements/tests.txt", "uv.lock", "poetry.lock", ".pre-commit-config.yaml",
        "MANIFEST.in", "mypy.ini", ".gitignore", "Makefile", "constraints.txt", "tests/requirements.txt",
        "packages/one/pyproject.toml", "meson.build", "Cargo.toml",
    ],
)  # fmt: skip
def test_settings_of_build_and_tools_are_config(path: str) -> None:
    assert role(path) == "config"


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml", ".github/scripts/run.py", "examples/demo.py", "benchmarks/speed.py", "logo.png",
        "artwork/logo.svg", "frontend/app.js", ".travis.yml", "docker/run.sh", "src/pkg/logo.png", "no_suffix",
    ],
)  # fmt: skip
def test_all_else_is_other(path: str) -> None:
    assert role(path) == "other"


@pytest.mark.parametrize(
    "path", ["src/pkg/test_utils.py", "pkg/testing.py", "pkg/core_test.py", "test.py", "pkg/tests.py"]
)
@pytest.mark.parametrize(("text", "expected"), [(TESTS, "test"), (TEST_CLASS, "test"), (HELPERS, "source")])
def test_names_that_tests_and_source_share_go_by_their_content(path: str, text: str, expected: str) -> None:
    assert role(path, text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/pkg/test_core.py", "test"), ("pkg/core_test.py", "test"), ("src/pkg/test_utils.py", "source"),
        ("pkg/testing.py", "source"), ("pkg/tests.py", "test"), ("test_helpers.py", "source"),
    ],
)  # fmt: skip
def test_without_a_content_the_name_decides(path: str, expected: str) -> None:
    assert paths.role(path, lambda: None) == expected


@pytest.mark.parametrize(
    "text",
    [
        "def test_client(app):\n    return Client(app)\n",
        "def test_odd(value):\n    return value % 2 == 1\n",
        "class App:\n    def test_client(self):\n        assert self\n",
        "",
    ],
)
def test_functions_that_are_merely_called_test_are_no_tests(text: str) -> None:
    assert not paths.has_tests(text)


@pytest.mark.parametrize(
    "text",
    [
        TESTS,
        TEST_CLASS,
        "import pytest\n\n\n@pytest.mark.x\nasync def test_it():\n    await f()\n",
        "class TestIt:\n    def setup(self):\n        pass\n\n    def test_it(self):\n        assert self\n",
        "class TestIt(\n    Base,\n):\n    async def test_it(self):\n        assert self\n",
    ],
)
def test_functions_and_methods_that_check_something_are_tests(text: str) -> None:
    assert paths.has_tests(text)


@pytest.mark.parametrize(
    "path", ["pkg/a.pyx", "src/a.c", "a.HPP", "src/lib.rs", "pkg/a.pyx.in", "meson.build", "Cargo.lock"]
)
def test_compiled_files_need_a_build(path: str) -> None:
    assert paths.needs_build(path)


@pytest.mark.parametrize("path", ["pkg/a.py", "a.pyi", "setup.py", "MANIFEST.in", "docs/a.c.md", "", "c"])
def test_other_files_need_none(path: str) -> None:
    assert not paths.needs_build(path)


@pytest.mark.parametrize(
    "path",
    [
        "conftest.py", "tests/unit/conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml",
        "sitecustomize.py", "src/usercustomize.py", "evil.pth", "sub/Conftest.py", ".coveragerc",
    ],
)  # fmt: skip
def test_files_that_decide_how_tests_run_are_infrastructure(path: str) -> None:
    assert paths.infrastructure(path)


@pytest.mark.parametrize(
    "path", ["noxfile.py", "setup.py", "tests/test_core.py", "my_conftest.py", "tests/helpers.py", ""]
)
def test_other_files_are_not(path: str) -> None:
    assert not paths.infrastructure(path)


@pytest.mark.parametrize(
    ("source", "test", "related"),
    [
        ("src/pkg/core.py", "tests/test_core.py", True),
        ("src/pkg/core.py", "tests/test_core_errors.py", True),
        ("src/pkg/core.py", "tests/core_test.py", True),
        ("src/pkg/_core.py", "tests/test_core.py", True),
        ("src/pkg/core.py", "tests/core/test_errors.py", True),
        ("src/pkg/core.py", "tests/test_pkg_core.py", True),
        ("src/pkg/sub/__init__.py", "tests/test_sub.py", True),
        ("pkg/fast.pyx", "tests/test_fast.py", True),
        ("src/pkg/core.py", "tests/test_score.py", False),
        ("src/pkg/core.py", "tests/test_encore.py", False),
        ("src/pkg/core.py", "tests/core/conftest.py", False),
        ("src/pkg/core.py", "tests/core/data.json", False),
        ("src/pkg/__init__.py", "tests/test_core.py", False),
    ],
)
def test_tests_of_a_module_are_found_by_name(source: str, test: str, related: bool) -> None:
    assert paths.related_tests([source], [test]) == ((test,) if related else ())


def test_related_tests_keep_their_order_and_come_once() -> None:
    tests = ["tests/test_b.py", "tests/test_a.py", "tests/test_b.py", "tests/test_c.py"]
    assert paths.related_tests({"pkg/a.py", "pkg/b.py"}, tests) == ("tests/test_b.py", "tests/test_a.py")


NAMES = st.lists(
    st.one_of(
        st.sampled_from(["src", "tests", "docs", "pkg", "conftest.py", "test_a.py", "a.pyx", ".github", "x.json", ""]),
        st.text(max_size=8),
    ),
    max_size=5,
).map("/".join)  # fmt: skip


@given(NAMES, st.one_of(st.none(), st.text()))
def test_no_path_and_no_text_is_too_odd(path: str, text: str | None) -> None:
    assert paths.role(path, lambda: text) in ("source", "test", "docs", "config", "other")
    assert paths.needs_build(path) in (True, False)
    assert paths.infrastructure(path) in (True, False)
    paths.related_tests([path], [path, "tests/test_a.py"])
