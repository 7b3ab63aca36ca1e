"""What module files declare, which Go fits, and what of all packages is not the repository's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.languages.golang import go

from worktrial.errors import EnvironmentBuildError
from worktrial.languages.golang import environment, listing, toolchains
from worktrial.languages.golang.declared import Declared, declared, marks, module_of

MOD = "module example.com/shop // ours\n\ngo 1.25.6\n\nrequire example.com/dep v1.0.0\n"


def look(folder: Path, files: dict[str, str]) -> Declared:
    """Return what a tree of these files declares."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return declared(files.get, folder)


def test_the_root_is_a_module_whether_it_has_tests_or_not(tmp_path: Path) -> None:
    found = look(tmp_path, {"go.mod": MOD, "go.sum": "example.com/dep v1.0.0 h1:x=\n", "main.go": "package main\n"})
    assert [(one.folder, one.path, one.wants) for one in found.modules] == [(".", "example.com/shop", (1, 25, 6))]
    assert [name for name, _ in found.files] == ["go.mod", "go.sum"]


def test_modules_below_count_when_tests_are_in_them(tmp_path: Path) -> None:
    """Those of examples without tests, of test data and of what is vendored do not."""
    below = {
        "api/go.mod": "module example.com/shop/api\n\ngo 1.26\n",
        "api/v1/a_test.go": "package v1\n",
        "examples/hello/go.mod": "module hello\n",
        "testdata/go.mod": "module none\n",
        "testdata/a_test.go": "package none\n",
        "vendor/go.mod": "module none\n",
        "vendor/a_test.go": "package none\n",
    }
    found = look(tmp_path, {"go.mod": MOD, "a_test.go": "package shop\n", **below})
    assert [one.folder for one in found.modules] == [".", "api"]
    assert found.wants == (1, 26, 0)


def test_a_workspace_joins_the_modules_it_names(tmp_path: Path) -> None:
    work = "go 1.27\n\nuse (\n\t./api // here\n\t./core\n)\n"
    modules = {"api/go.mod": "module example.com/api\n", "core/go.mod": "module example.com/core\n"}
    found = look(tmp_path, {"go.work": work, **modules})
    assert found.workspace
    assert sorted(one.path for one in found.modules) == ["", "example.com/api", "example.com/core"]
    assert found.wants == (1, 27, 0)


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), st.sets(st.sampled_from([".", "a", "a/b", "b"])))
def test_a_folder_is_of_the_nearest_module_above_it(parts: list[str], modules: set[str]) -> None:
    folder = "/".join(parts) or "."
    found = module_of(folder, sorted(modules))
    assert found == "." or (found in modules and (folder == found or folder.startswith(f"{found}/")))
    nearer = [one for one in modules if one != "." and (folder == one or folder.startswith(f"{one}/"))]
    assert len(found) >= max(map(len, nearer), default=1)


def test_the_compiler_names_packages_by_module_and_folder() -> None:
    """Dots in the last part are escaped, as they are in object files; tests' packages go with their folder."""
    files = {"go.mod": "module gopkg.in/shop.v2\n", "api/go.mod": "module example.com/api\n"}
    assert marks(files.get, ["a.go", "in/b.go", "in/c_test.go", "api/x/d.go", "README.md"]) == {
        "gopkg.in/shop%2ev2.",
        "gopkg.in/shop.v2/in.",
        "example.com/api/x.",
    }


def test_packages_that_import_the_repository_are_not_its_environments() -> None:
    """A dependency may need the repository in turn: what it is compiled with is then one state of it."""
    listed = """fmt errors io
errors
io
own example.com/shop fmt example.com/dep
example.com/dep fmt
example.com/back example.com/shop
example.com/far example.com/back C
unsafe
own example.com/shop.test testing
testing fmt
"""
    found = listing.parse(listed)
    assert found.others == ("errors", "example.com/dep", "fmt", "io", "testing")
    assert found.imported == ("example.com/dep", "fmt", "testing")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("go1.25.6", (1, 25, 6)), ("1.21", (1, 21, 0)), ("go1.26rc1", (1, 26, 0)), ("devel", None), ("1.2.3.4", None)],
)
def test_versions_are_read_as_go_writes_them(text: str, expected: toolchains.Version | None) -> None:
    assert toolchains.parse_version(text) == expected


@go.needs_go
def test_an_installed_go_is_taken_where_it_is_new_enough() -> None:
    """Another is fetched by its version, the one the module asks for."""
    assert toolchains.choose((1, 21, 0)) == toolchains.installed()[0].version
    assert toolchains.choose((1, 999, 1)) == (1, 999, 1)
    assert toolchains.version_of(go.root()) == toolchains.installed()[0].version


async def test_a_repository_without_a_module_has_no_environment(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match=r"no go\.mod"):
        await environment.resolve(lambda _: None, tmp_path)


@go.needs_go
async def test_the_recipe_gives_back_its_module_files_to_the_byte(tmp_path: Path) -> None:
    """Whatever stands in them: the environment is made of these files and not of the tree's."""
    files = {"go.mod": MOD + "\n-- not a file\n", "go.sum": "", "b_test.go": "package shop\n"}
    (tmp_path / "b_test.go").write_text(files["b_test.go"])
    recipe = await environment.resolve(files.get, tmp_path)
    assert environment.module_files(recipe) == {"go.mod": files["go.mod"], "go.sum": ""}
    assert recipe.language == "go"
