"""The tools of an editor, in real workspaces: each layer that can serve a question is asked for real."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.agents.bench import Bench

from worktrial.agents.basic.messages import Call, Result
from worktrial.agents.ide import tools
from worktrial.agents.ide.tools import IdeTools
from worktrial.languages.protocol import Checks

SHOP = {
    "shop/__init__.py": "",
    "shop/price.py": (
        "RATE = 2\n\n\nclass Basket:\n    def total(self):\n        return sum(self.items)\n\n"
        "    def add(self, item):\n        # total is not kept\n        self.items.append(item)\n\n\n"
        "def total(prices):\n    return sum(prices)\n"
    ),
    "shop/use.py": "from shop.price import total\n\nprint(total([1]))\nx: int = 'no'\n",
    "main.go": "package main\n\ntype Box struct{}\n\n"
    'func (b Box) Open() string { return "Open" }\n\nfunc main() { Box{}.Open() }\n',
    "README.md": "# Shop\n\nPrices are rounded half to even, as the law wants it.\n\nUnrelated words stand here.\n",
}


async def use(bench: Bench, name: str, *, files: dict[str, str] = SHOP, **arguments: Any) -> Result:
    attempt = await bench.attempt(files=files)
    result, counted = await IdeTools(attempt.workspace, {}, (), Checks()).run(Call("1", name, arguments), 60)
    assert counted == name
    return result


@pytest.fixture(params=["language_server", "tree_sitter", "plain"])
def layer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the layer that must serve Python: all above it are taken away."""
    wanted = str(request.param)
    if wanted == "language_server" and not tools._servers():
        pytest.skip("ty is not installed")
    if wanted == "tree_sitter" and not tools._packages():
        pytest.skip("tree-sitter is not installed")
    if wanted != "language_server":
        monkeypatch.setattr(tools, "_SERVERS", {})
    if wanted == "plain":
        monkeypatch.setattr(tools, "_packages", list)
    return wanted


async def test_every_layer_outlines_a_file(bench: Bench, layer: str) -> None:
    """And says which served the call."""
    result = await use(bench, "outline", path="shop/price.py")
    assert result.served_by == layer
    for symbol in ("class Basket  [4-10]", "total  [5-6]", "add  [8-10]", "function total  [13-14]"):
        assert symbol in result.text


async def test_every_layer_finds_a_definition(bench: Bench, layer: str) -> None:
    result = await use(bench, "definition", symbol="Basket")
    assert (result.served_by, result.text.splitlines()[0]) == (layer, "shop/price.py:4: class Basket:")


async def test_every_layer_finds_references(bench: Bench, layer: str) -> None:
    result = await use(bench, "references", symbol="RATE", files={**SHOP, "more.py": "from shop.price import RATE\n"})
    assert result.served_by == layer
    assert {line.split(":")[0] for line in result.text.splitlines()} == {"shop/price.py", "more.py"}


async def test_a_place_tells_two_symbols_of_one_name_apart(bench: Bench) -> None:
    """Which needs the language server."""
    if not tools._servers():
        pytest.skip("ty is not installed")
    result = await use(bench, "definition", symbol="total", path="shop/use.py", line=3)
    assert [line for line in result.text.splitlines() if line.startswith("shop/")] == [
        "shop/price.py:13: def total(prices):"
    ]
    used = await use(bench, "references", symbol="total", path="shop/price.py", line=13)
    assert "shop/use.py:3" in used.text
    assert "shop/price.py:5" not in used.text


async def test_a_place_that_does_not_name_the_symbol_is_said_to_be_wrong(bench: Bench) -> None:
    if not tools._servers():
        pytest.skip("ty is not installed")
    result = await use(bench, "definition", symbol="total", path="shop/use.py", line=2)
    assert result.failed
    assert "does not name total" in result.text


async def test_other_languages_are_served_by_their_syntax_tree(bench: Bench) -> None:
    if not tools._packages():
        pytest.skip("tree-sitter is not installed")
    result = await use(bench, "references", symbol="Open")
    assert result.served_by == "tree_sitter"
    assert result.text.splitlines()[0].startswith("main.go:5")
    assert 'return "Open"' in result.text  # the line of the definition; the word in the string alone would not count
    outline = await use(bench, "outline", path="main.go")
    assert "Box" in outline.text
    assert "Open" in outline.text


async def test_languages_without_a_grammar_are_served_by_patterns(bench: Bench) -> None:
    result = await use(bench, "outline", path="a.kt", files={"a.kt": "class Box {\n    fun open() {}\n}\n"})
    assert result.served_by == "plain"
    assert result.text.startswith("class Box")


async def test_diagnostics_come_from_the_server_or_else_from_the_parser(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tools._servers():
        result = await use(bench, "diagnostics", path="shop/use.py")
        assert result.served_by == "language_server"
        assert "shop/use.py:4: error invalid-assignment" in result.text
    monkeypatch.setattr(tools, "_SERVERS", {})
    result = await use(bench, "diagnostics", path="b.py", files={"b.py": "def x(:\n"})
    assert result.served_by == "plain"
    assert result.text.startswith("b.py:1: error syntax")
    assert "no problems" in (await use(bench, "diagnostics", path="shop/use.py")).text


async def test_knowledge_puts_the_passage_that_speaks_of_it_first(bench: Bench) -> None:
    """Documents, comments and docstrings alike; names are split into words."""
    result = await use(bench, "knowledge", query="how is rounding of prices done?")
    assert result.text.startswith("README.md:3\nPrices are rounded")
    assert (await use(bench, "knowledge", query="kept totals")).text.startswith("shop/price.py:9")
    assert "nothing" in (await use(bench, "knowledge", query="zebra")).text


async def test_what_is_not_there_is_said_to_the_model(bench: Bench) -> None:
    assert "there is no file" in (await use(bench, "outline", path="nothing.py")).text
    assert "no definition of nothing" in (await use(bench, "definition", symbol="nothing")).text
    assert "has nothing to format with" in (await use(bench, "format", path="shop/use.py")).text


async def test_tests_and_format_are_the_projects_own_programs(bench: Bench) -> None:
    attempt = await bench.attempt(files=SHOP)
    checks = Checks(test=("echo", "testing"), format=("sed", "-i", "s/1/2/"))
    own = IdeTools(attempt.workspace, {}, (), checks)
    result, _ = await own.run(Call("1", "run_tests", {"targets": ["tests/a.py", "-k"]}), 60)
    assert result.text == "exit code: 0\ntesting tests/a.py -k\n"
    await own.run(Call("2", "format", {"path": "shop/use.py"}), 60)
    assert "total([2])" in await bench.read(attempt, "shop/use.py")


async def test_a_server_that_hangs_or_breaks_is_passed_over(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it, the next layer answers."""
    for number, script in enumerate(("exit 3", "echo Content-Length: 999999999999; echo", "head -c 100 /dev/zero")):
        program = tmp_path / f"server{number}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(tools, "_servers", lambda program=program: {"python": (str(program),)})
        result = await use(bench, "outline", path="shop/price.py")
        assert result.served_by in ("tree_sitter", "plain")
        assert "Basket" in result.text


async def test_links_out_of_the_workspace_show_nothing_of_the_host(bench: Bench, tmp_path: Path) -> None:
    """The tools run inside: a link leads to what is there."""
    secret = tmp_path / "secret.py"
    secret.write_text("SECRET = 1\n")
    attempt = await bench.attempt(files=SHOP)
    await bench.shell(attempt, f"ln -s {secret} leak.py")
    own = IdeTools(attempt.workspace, {}, (), Checks())
    if attempt.workspace.tier != "none":
        assert "SECRET" not in (await own.run(Call("1", "outline", {"path": "leak.py"}), 60))[0].text


def test_ruff_and_ty_come_with_the_extra() -> None:
    """As dependencies of development too, or the tests above would pass over them in silence."""
    assert shutil.which("git")
    assert tools._servers()
    assert tools._packages()
