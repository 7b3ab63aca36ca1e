"""The proof that a workspace holds no answer, tried on workspaces that do."""

from __future__ import annotations

import bz2
import compileall
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.e2e.workshop import Repository, Shell, lines
from tests.sandboxes.installations import VERSION, relocated

from worktrial.curate import leaks, searching
from worktrial.curate.inside import pieces
from worktrial.curate.leaks import Secret, prove_no_leaks
from worktrial.curate.needles import telling
from worktrial.formats.evidence import LeakProof
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment
from worktrial.languages.python import interpreters
from worktrial.sandboxes.layers import TreeLayer
from worktrial.sandboxes.layers import repository_layer as real_layer
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.unconfined import Unconfined
from worktrial.store.git import Git, objects_dir, scratch_repository

BEFORE = '''"""Prices of a shop, and what is taken off them for good customers."""


def total_of_prices(prices, shipping_cost):
    return sum(prices) + shipping_cost if prices else 0


def price_with_value_added_tax(price, country_rate):
    return price * (100 + country_rate) / 100
'''
AFTER = (
    BEFORE
    + '''

def discount_for_customer(price, customer_years, share_per_year):
    """Return what a loyal customer pays: never less than half of the price."""
    reduced_price = price - price * customer_years * share_per_year
    for threshold in (price / 2, 0.01):
        reduced_price = max(reduced_price, threshold)
    return round(reduced_price, 2)
'''
)
TEST = """from shop.price import discount_for_customer


def test_loyal_customers_pay_no_less_than_half():
    assert discount_for_customer(10, 30, 0.1) == 5
"""


@dataclass
class Place:
    """A task, an environment, and somewhere to plant leaks: the layer of build products, packages, the repository."""

    git: Git
    secret: Secret
    environment: BuiltEnvironment
    repo: Repository
    plant_in_git: list[Callable[[Path], None]]
    sandbox: Sandbox

    @property
    def work_tree(self) -> Path:
        return self.environment.additions

    @property
    def packages(self) -> Path:
        return next(self.environment.folder.glob("venv/lib/python3*/site-packages"))

    async def prove(self) -> LeakProof:
        return await prove_no_leaks(self.git, self.sandbox, load("python"), self.environment, self.secret)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strongest: Sandbox) -> Place:
    repo = Repository(tmp_path / "repo")
    repo.commit("Start", {"shop/__init__.py": "", "shop/price.py": BEFORE, "README.md": "A shop.\n"})
    repo.commit("Tests", {"tests/test_price.py": TEST})
    repo.commit("Discounts", {"shop/price.py": AFTER})
    git = scratch_repository(tmp_path / "scratch.git", objects_dir(Git(repo.path / ".git")))
    trees = [repo.git("rev-parse", f"{commit}^{{tree}}") for commit in repo.commits]
    folder = tmp_path / "environment"
    packages = folder / f"venv/lib/python3.{sys.version_info.minor}/site-packages"
    for new in (folder / "additions", packages, folder / "venv/bin"):
        new.mkdir(parents=True)
    (folder / "venv/bin/python3").symlink_to(os.path.realpath(sys.executable))
    (folder / "interpreter").write_text(f"3.{sys.version_info.minor}")
    (folder / "roots").write_text(".\n")
    # What stands beside the interpreter is this machine's and large.
    monkeypatch.setattr(searching, "_packages_beside", lambda mounts: ())
    plants: list[Callable[[Path], None]] = []

    def planted(git: Git, layer: TreeLayer, hidden: Path) -> Path:
        made = real_layer(git, layer, hidden)
        if not plants:
            return made
        copy = Path(shutil.copytree(made, tmp_path / "planted"))
        for plant in plants:
            plant(copy / ".git")
        return copy

    monkeypatch.setattr(leaks, "repository_layer", planted)
    return Place(git, Secret(*trees), BuiltEnvironment("key", folder, folder / "additions"), repo, plants, strongest)


async def test_a_clean_workspace_has_no_finding_and_says_what_was_read(place: Place) -> None:
    (place.packages / "other.py").write_text("import math\n\n\ndef total_of(prices):\n    return math.fsum(prices)\n")
    proof = await place.prove()
    assert proof.findings == ()
    assert proof.sought == {"blobs": 2, "lines": 5, "bodies": 2}
    assert proof.workspace["files"] > 5
    assert proof.workspace["objects"] == 1 + 2 + 3
    assert proof.packages["files"] >= 1
    assert proof.skipped == ()


# -- in files --


def wheel(content: str | bytes, name: str = "shop/price.py") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def tar(content: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("shop-1.0/shop/price.py")
        member.size = len(content.encode())
        archive.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


LINE = AFTER.splitlines()[-3]
FILES: dict[str, bytes] = {
    "shop/price.py.orig": AFTER.encode(),
    "build/lib/shop/price.py": AFTER.encode(),
    "docs/_build/source.txt": f"Some words.\n\n    {LINE}\n".encode(),
    "shop.egg-info/PKG-INFO": f"Name: shop\n\n    {LINE.strip()}\n".encode(),
    "notes.patch": f"--- a/shop/price.py\n+++ b/shop/price.py\n@@ -1 +1 @@\n+{LINE}\n".encode(),
    "notebook.ipynb": ('{"source": ["x = 1\\n", "' + LINE + '\\n"]}').encode(),
    "tests/test_price.py": TEST.encode(),
    "old.whl": wheel(AFTER),
    "nested.zip": wheel(wheel(AFTER), "inner.whl"),
    "sdist.tar.gz": tar(AFTER),
    "price.gz": gzip.compress(AFTER.encode()),
    "price.bz2": bz2.compress(AFTER.encode()),
}


@pytest.mark.parametrize("path", FILES)
async def test_a_file_of_the_work_tree_that_has_a_line_of_the_answer_is_found(place: Place, path: str) -> None:
    file = place.work_tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(FILES[path])
    (finding, *more) = (await place.prove()).findings
    assert finding.path.split("!")[0] == path
    assert all(leak.path.split("!")[0].endswith(path) for leak in more)  # the layer is in the environment's folder too


async def test_bytecode_of_the_solution_is_found_without_its_source(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "price.py"
    # No text of it is left: other lines, no documentation, the same functions.
    source.write_text(
        "\n\n" + AFTER.replace('    """Return what a loyal customer pays: never less than half of the price."""\n', "")
    )
    target = place.work_tree / "shop/__pycache__/price.cpython.pyc"
    target.parent.mkdir(parents=True)
    assert compileall.compile_file(source, quiet=1, optimize=2)
    shutil.copy(next((tmp_path / "__pycache__").glob("price*.pyc")), target)
    finding = (await place.prove()).findings[0]
    assert finding.path == "shop/__pycache__/price.cpython.pyc"
    assert "compiled" in finding.what


# -- in packages --


@pytest.mark.parametrize("what", ["newer release", "wheel", "bytecode"])
async def test_the_projects_own_newer_release_among_the_packages_is_found(place: Place, what: str) -> None:
    newer = AFTER + "\n\ndef something_newer_still(price_of_it):\n    return price_of_it\n"
    if what == "newer release":
        (place.packages / "shop.py").write_text(newer)
    elif what == "wheel":
        (place.packages / "shop-1.0.whl").write_bytes(wheel(newer))
    else:
        (place.packages / "shop.py").write_text(newer)
        assert compileall.compile_file(place.packages / "shop.py", quiet=1, optimize=0)
        (place.packages / "shop.py").unlink()
    found = (await place.prove()).findings
    assert found
    assert all("site-packages/" in leak.path for leak in found)


async def test_one_line_in_common_with_another_package_is_chance(place: Place) -> None:
    (place.packages / "other.py").write_text(f"def f(price):\n{LINE}\n")
    assert (await place.prove()).findings == ()


async def test_packages_that_changed_are_read_again(place: Place) -> None:
    assert (await place.prove()).findings == ()
    (place.packages / "shop.py").write_text(AFTER)
    assert (await place.prove()).findings


# -- beside the interpreter --


@pytest.fixture
def own_interpreter(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an interpreter that the environment is built with, with the solution among its packages."""
    prefix = tmp_path / "installed"
    python = relocated(prefix)
    found = interpreters.Interpreter(sys.version_info[:3], python)
    monkeypatch.setattr(interpreters, "installed", lambda: (found,))
    monkeypatch.setattr(searching, "_packages_beside", lambda mounts: tuple(map(str, mounts)))
    (place.environment.folder / "venv/bin/python3").unlink()
    (place.environment.folder / "venv/bin/python3").symlink_to(python)
    for name in ("site-packages/shop", "ensurepip/_bundled"):
        (prefix / "lib" / VERSION / name).mkdir(exist_ok=True, parents=True)
    (prefix / "lib" / VERSION / "site-packages/shop/price.py").write_text(AFTER)
    (prefix / "lib" / VERSION / "ensurepip/_bundled/pip-99-py3-none-any.whl").write_bytes(wheel(AFTER))
    return prefix


@pytest.mark.usefixtures("own_interpreter")
async def test_packages_of_the_interpreter_are_out_of_reach_and_so_no_leak(place: Place) -> None:
    proof = await place.prove()
    assert proof.findings == ()
    assert proof.workspace["files"] > 5


async def test_packages_of_the_interpreter_are_found_where_nothing_can_hide_them(
    place: Place, own_interpreter: Path
) -> None:
    proof = await prove_no_leaks(place.git, Unconfined(), load("python"), place.environment, place.secret)
    found = {leak.path.split("!")[0] for leak in proof.findings}
    beside = own_interpreter / "lib" / VERSION
    assert found == {
        str(beside / "site-packages/shop/price.py"),
        str(beside / "ensurepip/_bundled/pip-99-py3-none-any.whl"),
    }


# -- in the repository --


def tag(git_dir: Path) -> None:
    (git_dir / "refs/tags").mkdir(parents=True)
    (git_dir / "refs/tags/v2").write_bytes((git_dir / "refs/heads/main").read_bytes())


def remote(git_dir: Path) -> None:
    (git_dir / "refs/remotes/origin").mkdir(parents=True)
    (git_dir / "refs/remotes/origin/main").write_bytes((git_dir / "refs/heads/main").read_bytes())


def packed_reference(git_dir: Path) -> None:
    (git_dir / "packed-refs").write_text(f"{(git_dir / 'refs/heads/main').read_text().strip()} refs/tags/v2\n")


def reflog(git_dir: Path) -> None:
    (git_dir / "logs").mkdir()
    tip = (git_dir / "refs/heads/main").read_text().strip()
    (git_dir / "logs/HEAD").write_text(f"{'0' * 40} {tip} dev <dev> 1700000000 +0000\tcommit: Discounts\n")


def setting(git_dir: Path) -> None:
    with (git_dir / "config").open("a") as file:
        file.write('[remote "origin"]\n\turl = https://example.org/shop.git\n')


def git_in(git_dir: Path, *args: str, data: bytes = b"") -> str:
    env = {**os.environ, "GIT_DIR": str(git_dir), "GIT_CONFIG_GLOBAL": "/dev/null"}
    env |= {f"GIT_{who}_{what}": "dev" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(["git", *args], input=data, capture_output=True, check=True, env=env).stdout.decode().strip()


def loose_object(git_dir: Path) -> None:
    git_in(git_dir, "hash-object", "-w", "--stdin", data=AFTER.encode())


def pack_with_more(git_dir: Path) -> None:
    oid = git_in(git_dir, "hash-object", "-w", "--stdin", data=AFTER.encode())
    git_in(git_dir, "pack-objects", str(git_dir / "objects/pack/pack"), data=oid.encode())
    shutil.rmtree(git_dir / "objects" / oid[:2])


def left_over_pack(git_dir: Path) -> None:
    pack_with_more(git_dir)
    made = max((git_dir / "objects/pack").glob("*.pack"), key=lambda path: path.stat().st_mtime_ns)
    made.with_suffix(".idx").unlink()
    made.rename(made.with_name("tmp_pack_a8Bc"))


def stash(git_dir: Path) -> None:
    tip = git_in(git_dir, "rev-parse", "HEAD")
    made = git_in(git_dir, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "WIP")
    git_in(git_dir, "update-ref", "refs/stash", made)


def second_commit(git_dir: Path) -> None:
    tip = git_in(git_dir, "rev-parse", "HEAD")
    made = git_in(git_dir, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "More")
    git_in(git_dir, "update-ref", "refs/heads/main", made)


PLANTS = {
    "a tag": tag,
    "a branch of a remote": remote,
    "packed references": packed_reference,
    "a reflog": reflog,
    "the setting remote.origin.url": setting,
    "a loose object": loose_object,
    "an object that no commit needs": pack_with_more,
    "what is left of a pack": left_over_pack,
    "a stash": stash,
    "2 commits": second_commit,
}


@pytest.mark.parametrize("what", PLANTS)
async def test_whatever_a_repository_has_beside_its_one_commit_is_found(place: Place, what: str) -> None:
    place.plant_in_git.append(PLANTS[what])
    findings = (await place.prove()).findings
    assert any(leak.path.startswith(".git") and leak.what.startswith(what) for leak in findings), findings


async def test_objects_borrowed_from_another_repository_are_found(place: Place) -> None:
    def alternate(git_dir: Path) -> None:
        (git_dir / "objects/info").mkdir(exist_ok=True)
        (git_dir / "objects/info/alternates").write_text(f"{place.repo.path}/.git/objects\n")

    place.plant_in_git.append(alternate)
    assert "another repository's objects" in {leak.what for leak in (await place.prove()).findings}


async def test_a_blob_of_the_solution_among_the_objects_is_named(place: Place) -> None:
    place.plant_in_git.append(pack_with_more)
    assert any("shop/price.py of the solution" in leak.what for leak in (await place.prove()).findings)


# -- in a validation --


@pytest.mark.slow
def test_a_task_is_kept_with_its_proof(new_repository: Callable[[], Repository], shell: Shell, tmp_path: Path) -> None:
    repo = new_repository()
    start = {
        "pkg/__init__.py": "",
        "pkg/a.py": BEFORE,
        "pkg/b.py": BEFORE,
        "tests/test_a.py": "",
        "tests/test_b.py": "",
    }
    repo.commit("Start", start)
    made = {"clean": repo.commit("Clean", {"pkg/a.py": AFTER, "tests/test_a.py": TEST.replace("shop.price", "pkg.a")})}
    suite = repo.suite(tmp_path / "suite", made)
    ended = shell("validate", suite.path, "--runs", "1", "--json")
    assert ended.json["funnel"] == {"accepted": 1}, ended.err
    proof = suite.leak_proof("clean")
    assert proof is not None
    assert (proof.base_tree, proof.solution_tree) == (suite.task("clean").base_tree, suite.task("clean").solution_tree)
    assert proof.findings == ()
    assert [record for record in lines(suite.path / "evidence/clean.jsonl") if record["record"] == "leaks"]


# -- pieces --

BOUNDS = {"file_bytes": 1 << 20, "unpacked_bytes": 1 << 20}


@pytest.mark.parametrize(
    "line",
    [b"return None", b"from __future__ import annotations", b"def test_it(self, thing, other):", b"x" * 60, b"else:"],
)
def test_lines_that_anybody_could_have_written_do_not_tell(line: bytes) -> None:
    assert not telling(line)


@given(st.text(min_size=20, max_size=200))
def test_a_line_is_the_same_piece_however_it_is_indented_or_quoted(text: str) -> None:
    plain = text.encode("utf-8", "replace")
    found = set(pieces.lines(plain))
    for around in (b"    %s\n", b"+%s\n", b'"%s",\n', b"# %s\r\n"):
        assert found == set(pieces.lines(around % plain))


@settings(deadline=None)  # one example is milliseconds, but other programs may have the processors just then
@given(st.binary(max_size=400))
def test_any_content_can_be_read(data: bytes) -> None:
    taken: list[bytes] = []
    looker = pieces.Looker(BOUNDS, lambda piece, _: taken.append(piece))
    for start in (
        b"",
        b"PK\3\4",
        b"\x1f\x8b",
        b"BZh9",
        b"\x78\x9c",
        b"PACK\0\0\0\2\0\0\0\1",
        MAGIC_NUMBER,
    ):
        looker.data(start + data, "", 3)
    assert all(len(piece) == 8 for piece in taken)


def test_what_unpacks_to_too_much_is_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"0" * (4 << 20)))
    looker = pieces.Looker(BOUNDS, lambda piece, _: None)
    looker.file(os.fsencode(tmp_path / "bomb.gz"))
    assert looker.skipped == [[str(tmp_path / "bomb.gz"), "unpacks to too much"]]
