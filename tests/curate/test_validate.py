"""Validating small repositories for real, one change for each thing that can come of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell, lines

from worktrial.curate.bench import Settings
from worktrial.curate.validate import validate
from worktrial.formats.evidence import Decision
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.select import choose
from worktrial.store.suite import Suite

NewRepository = Callable[[], Repository]


def module(name: str, body: str, test: str, *, before: str = "", test_before: str = "") -> tuple[dict[str, str], ...]:
    """Return the files of one module before and after its change."""
    head = f"from pkg import {name}\n\n\ndef test_old():\n    assert {name}.old() == 1\n\n\n"
    first = {f"pkg/{name}.py": before or "def old():\n    return 1\n", f"tests/test_{name}.py": test_before or head}
    second = {f"pkg/{name}.py": body, f"tests/test_{name}.py": test if test.startswith("#") else head + test}
    return first, second


OLD = "def old():\n    return 1\n"
NEW = OLD + "\n\ndef new():\n    return 2\n"
NEW_TEST = "def test_new():\n    assert {name}.new() == 2\n"

KINDS: dict[str, tuple[tuple[dict[str, str], ...], str]] = {
    "accepted": (module("a1", NEW, NEW_TEST.format(name="a1")), "accepted"),
    "missing": (
        module(
            "a2",
            'def old():\n    return 1\n\n\nNAMES = ["a", "b"]\n',
            "import pytest\n\n\n@pytest.mark.parametrize('name', a2.NAMES)\n"
            "def test_name(name):\n    assert name  # so\n",
            before='def old():\n    return 1\n\n\nNAMES = ["a"]\n',
        ),
        "accepted",
    ),
    "skipped": (
        module(
            "a3",
            NEW,
            "import pytest\n\n\n"
            "def test_new():\n    if not hasattr(a3, 'new'):\n        pytest.skip('no')\n    a3.new()\n",
        ),
        "no_fail_to_pass",
    ),
    "telling-nothing": (module("a4", NEW, "def test_old_again():\n    assert a4.old()\n"), "no_fail_to_pass"),
    "unstable": (
        module(
            "a5",
            NEW,
            "import os\n\n\ndef test_new():\n    assert a5.new() == 2 and os.environ['PYTHONHASHSEED'] == '0'\n",
        ),
        "unstable",
    ),
    "broken": (
        module("a6", NEW.replace("return 1", "return 5"), NEW_TEST.format(name="a6")),
        "broken_by_solution",
    ),
    "failing": (
        module("a7", NEW, "#\nfrom pkg import a7\n\n\ndef test_new():\n    assert a7.new() == 3\n"),
        "solution_fails",
    ),
    "uncollected": (module("a8", NEW, "#\nfrom pkg import a8\n\n\ndef test_new(:\n    pass\n"), "solution_fails"),
    "crash": (
        module("a9", NEW, "import os\n\n\ndef test_new():\n    assert a9.new() == 2\n    os._exit(3)\n"),
        "solution_crashed",
    ),
    "hang": (
        module("b1", NEW, "import time\n\n\ndef test_new():\n    assert b1.new() == 2\n    time.sleep(1000)\n"),
        "solution_timeout",
    ),
    "data": (module("b2", NEW, NEW_TEST.format(name="b2")), "accepted"),
    "conftest": (
        ({"pkg/b3.py": OLD, "sub/tests/test_b3.py": "from pkg import b3\n\n\ndef test_old(one):\n    assert b3.old()\n",
          "sub/tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n"},
         {"pkg/b3.py": NEW, "sub/tests/conftest.py": "import pytest\nfrom pkg.b3 import new\n\n\n@pytest.fixture\n"
          "def one():\n    return new()\n"}),
        "accepted",
    ),
}  # fmt: skip


@pytest.fixture
def kinds(new_repository: NewRepository) -> tuple[Repository, dict[str, str]]:
    repo = new_repository()
    start: dict[str, str] = {"pkg/__init__.py": "", "README.md": "x\n"}
    for (before, _), _ in KINDS.values():
        start |= before
    repo.commit("Start", start)
    made = {}
    for name, ((_, after), _) in KINDS.items():
        extra = {"tests/golden.json": "{}\n"} if name == "data" else {}
        made[name] = repo.commit(f"Change: {name}", {**after, **extra})
    made["parent"] = repo.commit(
        "Change: parent",
        {
            "pkg/a4.py": NEW.replace("2", "4"),
            "tests/test_parent.py": "from pkg import a4\n\n\ndef test_new():\n    assert a4.new() == 4\n",
        },
    )
    repo.commit("Later", {"pkg/a4.py": NEW.replace("2", "6"), "tests/test_parent.py": None})
    return repo, made


@pytest.mark.slow
def test_each_candidate_gets_its_own_reason_and_spoils_no_other(
    kinds: tuple[Repository, dict[str, str]], shell: Shell, tmp_path: Path
) -> None:
    """The head's suite hangs and crashes in places, which costs the candidates that it is the fault of, alone."""
    repo, commits = kinds
    suite = repo.suite(tmp_path / "suite", commits)
    ended = shell("validate", suite.path, "--runs", "2", "--timeout", "4", "--json")
    assert ended.code == 0, ended.err
    decisions = {name: suite.decision(name) for name in commits}
    found = {name: decision.reason if decision else None for name, decision in decisions.items()}
    # The change to a4 that tells nothing is put back at its parent too, as a later one touches the same lines.
    assert found == {**{name: reason for name, (_, reason) in KINDS.items()}, "parent": "accepted"}
    accepted = sorted(name for name, reason in found.items() if reason == "accepted")
    assert suite.task_ids() == accepted
    assert ended.json == {
        "funnel": {reason: list(found.values()).count(reason) for reason in found.values() if reason},
        "candidates": len(commits),
        "accepted": len(accepted),
        "quarantined": [],
        "returned": [],
    }
    task = suite.task("accepted")
    assert task.mode == "backout"
    assert task.tests.fail_to_pass == ("tests/test_a1.py::test_new",)
    assert task.tests.pass_to_pass == ("tests/test_a1.py::test_old",)
    missing = suite.task("missing").tests
    assert missing.missing_to_pass == ("tests/test_a2.py::test_name[b]",)
    assert set(missing.pass_to_pass) == {"tests/test_a2.py::test_name[a]", "tests/test_a2.py::test_old"}
    assert suite.task("parent").mode == "parent"
    assert decisions["skipped"] is not None
    assert decisions["skipped"].counts["skip_to_pass"] == 1
    assert decisions["unstable"] is not None
    assert decisions["unstable"].unstable == ("tests/test_a5.py::test_new",)
    assert decisions["broken"] is not None
    assert decisions["broken"].broken == ("tests/test_a6.py::test_old",)
    assert suite.task("conftest").tests.fail_to_pass == ("sub/tests/test_b3.py::test_old",)
    oracle = shell("run", suite.path, "--agent", "oracle", "--agent", "nop", "--out", tmp_path / "run", "--json")
    assert {name: agent["rate"] for name, agent in oracle.json["agents"].items()} == {"oracle": 1, "nop": 0}, oracle.err


async def test_memory_and_disk_are_bounded_and_cost_the_candidate_alone(
    new_repository: NewRepository, tmp_path: Path
) -> None:
    repo = new_repository()
    plain = {name: module(name, NEW, NEW_TEST.format(name=name)) for name in ("a", "b", "c")}
    repo.commit("Start", {"pkg/__init__.py": ""} | {k: v for first, _ in plain.values() for k, v in first.items()})
    greedy = {
        "a": "    x = bytearray(400 * 1024 * 1024)\n    import time\n    time.sleep(3)\n    assert not x\n",
        "b": "    open('/tmp/x', 'wb').write(bytes(100 * 1024 * 1024))\n",
        "c": "",
    }
    commits = {}
    for name, (_, after) in plain.items():
        path = f"tests/test_{name}.py"
        commits[name] = repo.commit(name, {**after, path: after[path] + greedy[name]})
    suite = repo.suite(tmp_path / "suite", commits)
    settings = Settings(runs=1, timeout_s=20, limits=TrialLimits(memory_mib=300, disk_mib=64))
    await validate(suite, choose("auto"), settings)
    found = {name: decision.reason if (decision := suite.decision(name)) else None for name in commits}
    assert found["a"] == "solution_out_of_memory"
    assert found["b"] in ("solution_disk_full", "no_fail_to_pass")  # a test that fails for a full disk is just that
    assert found["c"] == "accepted"


@pytest.mark.slow
def test_a_dependency_that_does_not_exist_costs_its_candidate_alone(
    new_repository: NewRepository, shell: Shell, tmp_path: Path
) -> None:
    repo = new_repository()
    first, second = module("a", NEW, NEW_TEST.format(name="a"))
    repo.commit("Start", {**first, "pkg/__init__.py": ""})
    bad = repo.commit("bad", {**second, "requirements.txt": "this-is-no-package-of-anyones==99.0\n"})
    repo.commit("conflict", {"pkg/a.py": NEW.replace("2", "3"), "tests/test_a.py": first["tests/test_a.py"]})
    repo.commit("good again", {"requirements.txt": "\n"})
    first, second = module("b", NEW, NEW_TEST.format(name="b"))
    repo.commit("b before", first)
    good = repo.commit("b", second)
    suite = repo.suite(tmp_path / "suite", {"bad": bad, "good": good})
    ended = shell("validate", suite.path, "--runs", "1", "--json")
    assert ended.json["funnel"] == {"environment_failed": 1, "accepted": 1}, ended.err
    decision = suite.decision("bad")
    assert decision is not None
    assert "this-is-no-package-of-anyones" in decision.detail
    assert "--retry-infrastructure" in ended.err
    evidence = suite.path / "evidence"
    before = {path.name: len(lines(path)) for path in evidence.iterdir()}
    again = shell("validate", suite.path, "--runs", "1", "--json", "--retry-infrastructure")
    assert again.json == ended.json
    assert "nothing had changed" not in again.err  # no test was run, but something was decided
    assert f"worktrial validate {suite.path} --retry-infrastructure" in again.err
    after = {path.name: len(lines(path)) for path in evidence.iterdir()}
    assert after["good.jsonl"] == before["good.jsonl"]
    assert after["bad.jsonl"] > before["bad.jsonl"]


def test_a_clone_that_lacks_objects_costs_the_candidates_that_need_them(
    new_repository: NewRepository, shell: Shell, tmp_path: Path
) -> None:
    repo = new_repository()
    repo.commit("Start", {"pkg/__init__.py": ""} | module("a", NEW, "")[0] | module("b", NEW, "")[0])
    lost = repo.commit("a", module("a", NEW + "# a\n", NEW_TEST.format(name="a"))[1])
    kept = repo.commit("b", module("b", NEW, NEW_TEST.format(name="b"))[1])
    repo.commit("later", {"pkg/a.py": NEW.replace("2", "3"), "tests/test_a.py": "#\n"})
    suite = repo.suite(tmp_path / "suite", {"a": lost, "b": kept})
    blob = repo.git("rev-parse", f"{lost}:pkg/a.py")
    (repo.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    ended = shell("validate", suite.path, "--runs", "1", "--json")
    assert ended.json["funnel"] == {"missing_objects": 1, "accepted": 1}, ended.err


def test_a_change_without_a_line_that_runs_is_tested_by_the_files_it_touched(
    new_repository: NewRepository, shell: Shell, tmp_path: Path
) -> None:
    """Its test files are not all files with tests: data beside them is no reason to fail."""
    repo = new_repository()
    test = (
        "import json, pathlib\n\nHERE = pathlib.Path(__file__).parent\n\n\ndef test_data():\n"
        "    want = json.loads((HERE / 'want.json').read_text())\n"
        "    assert json.loads((HERE.parent / 'pkg/data.json').read_text()) == want\n"
    )
    repo.commit(
        "Start",
        {"pkg/__init__.py": "", "pkg/data.json": "[1]\n", "tests/want.json": "[1]\n", "tests/test_data.py": test},
    )
    commit = repo.commit(
        "x", {"pkg/data.json": "[2]\n", "tests/want.json": "[2]\n", "tests/test_data.py": test + "# x\n"}
    )
    suite = repo.suite(tmp_path / "suite", {"data": commit})
    ended = shell("validate", suite.path, "--runs", "1", "--json")
    assert ended.json["accepted"] == 1, ended.err


def test_other_settings_validate_anew_and_keep_what_was_found_before(shell: Shell, suite: Path) -> None:
    evidence = suite / "evidence/fix.jsonl"
    before = evidence.read_bytes()
    ended = shell("validate", suite, "--runs", "2", "--json")
    assert ended.json["accepted"] == 2, ended.err
    assert evidence.read_bytes().startswith(before)
    assert [record["record"] for record in lines(evidence)].count("decision") == 2


def test_a_task_that_a_closer_look_rejects_is_no_task_any_more(
    new_repository: NewRepository, shell: Shell, tmp_path: Path
) -> None:
    repo = new_repository()
    first, second = KINDS["unstable"][0]
    repo.commit("Start", {"pkg/__init__.py": ""} | first)
    suite = repo.suite(tmp_path / "suite", {"a5": repo.commit("x", second)})
    assert shell("validate", suite.path, "--runs", "1").code == 0
    assert suite.task_ids() == ["a5"]
    assert shell("validate", suite.path, "--runs", "2").code == 1
    assert suite.task_ids() == []


def test_what_was_decided_is_not_done_again_and_not_even_the_repository_is_needed(
    new_repository: NewRepository, shell: Shell, tmp_path: Path
) -> None:
    repo = new_repository()
    first, second = KINDS["accepted"][0]
    repo.commit("Start", {"pkg/__init__.py": ""} | first)
    suite = repo.suite(tmp_path / "suite", {"a1": repo.commit("x", second)})
    assert shell("validate", suite.path, "--runs", "1").code == 0
    before = {path: path.stat().st_mtime_ns for path in suite.path.rglob("*")}
    shutil.rmtree(repo.path)
    ended = shell("validate", suite.path, "--runs", "1", "--json")
    said = ended.json
    relevance = said.pop("relevance")
    assert said == {
        "funnel": {"accepted": 1}, "candidates": 1, "accepted": 1, "quarantined": [], "returned": [],
    }  # fmt: skip
    assert relevance["candidates"] == 1
    assert {path: path.stat().st_mtime_ns for path in suite.path.rglob("*")} == before


def test_a_repository_that_is_gone_is_a_clear_error(suite: Path, shell: Shell) -> None:
    text = (suite / "suite.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("repository"))
    (suite / "suite.toml").write_text(text.replace(line, 'repository = "/nowhere/at/all"'))
    assert shell("validate", suite, "--runs", "2").is_clean_error("/nowhere/at/all")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("suite.toml", "format = "),
        ("suite.toml", 'format = "worktrial/suite@9"\n'),
        ("suite.toml", b"\xff\xfe"),
        ("candidates.jsonl", "{}\n"),
        ("candidates.jsonl", "no json\n"),
        ("candidates.jsonl", b"\xff\xfe\n"),
        ("evidence/fix.jsonl", '{"record": "decision"}\n'),
        ("evidence/fix.jsonl", "[]\n"),
    ],
)
def test_a_corrupt_file_is_named(suite: Path, shell: Shell, name: str, content: str | bytes) -> None:
    (suite / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert shell("validate", suite, "--runs", "1").is_clean_error(name)


def test_a_suite_without_candidates_says_what_to_do(suite: Path, shell: Shell) -> None:
    (suite / "candidates.jsonl").unlink()
    assert shell("validate", suite, "--runs", "1").is_clean_error("candidates", "worktrial mine")


def test_no_isolation_says_what_that_means_and_validates_all_the_same(
    library_repo: Repository, shell: Shell, tmp_path: Path
) -> None:
    suite = library_repo.suite(tmp_path / "suite", {"fix": library_repo.commits[1]})
    ended = shell("validate", suite.path, "--runs", "1", "--sandbox", "none", "--json")
    assert ended.json["accepted"] == 1, ended.err
    assert "warning" in ended.err
    assert "with your files, keys and network in reach" in ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_an_error_and_after_making_room_nothing_is_lost(
    library_repo: Repository, shell: Shell, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=True)
    try:
        suite = library_repo.suite(disk / "suite", dict(zip(("fix", "add"), library_repo.commits[1:], strict=True)))
        ballast = disk / "ballast"
        free = shutil.disk_usage(disk).free
        ballast.write_bytes(bytes(free - 8192))
        assert shell("validate", suite.path, "--runs", "2").is_clean_error("the disk is full")
        assert suite.task_ids() == []
        ballast.unlink()
        ended = shell("validate", suite.path, "--runs", "2", "--json")
        assert ended.json["accepted"] == 2, ended.err
        runs = [(r["state"], r["index"]) for r in lines(suite.path / "evidence/fix.jsonl") if r["record"] == "test_run"]
        assert len(runs) == len(set(runs)) == 6
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
@pytest.mark.parametrize("room", [8192, 24576])
def test_a_full_temporary_disk_rejects_nobody(
    library_repo: Repository, shell: Shell, tmp_path: Path, room: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(disk)], check=True)
    try:
        suite = library_repo.suite(tmp_path / "suite", {"fix": library_repo.commits[1]})
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - room))
        ended = shell("validate", suite.path, "--runs", "1", env={"TMPDIR": str(disk)})
        assert ended.is_clean_error("disk")
        assert not any(isinstance(record, Decision) for record in Suite(suite.path).evidence("fix"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
