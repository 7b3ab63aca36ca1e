"""A Go environment built for real: what it holds, what it must not hold, and that `go` works on it offline."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from tests.languages.golang import go

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.languages import load
from worktrial.languages.golang import environment, toolchains
from worktrial.languages.protocol import BuiltEnvironment
from worktrial.sandboxes.protocol import Command, Finished, Sandbox
from worktrial.sandboxes.select import choose
from worktrial.sandboxes.unconfined import Unconfined

FILES = {
    "go.mod": "module example.com/shop\n\ngo 1.24\n",
    "price/price.go": "package price\n\n// Total is the sum.\nfunc Total(all ...int) (sum int) {\n"
    "\tfor _, one := range all {\n\t\tsum += one\n\t}\n\treturn\n}\n",
    "price/price_test.go": 'package price\n\nimport "testing"\n\nfunc TestTotal(t *testing.T) {\n'
    '\tif Total(1, 2) != 3 {\n\t\tt.Fatal("not 3")\n\t}\n}\n',
}

pytestmark = [go.needs_go, pytest.mark.slow]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """Return the strongest isolation this machine has."""
    try:
        return choose("auto")
    except SandboxError:
        return choose("none")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files as a layer."""
    folder = tmp_path_factory.mktemp("tree")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (900_000_000, 900_000_000))
    return folder


async def built(sandbox: Sandbox, tree: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> BuiltEnvironment:
    """Return the environment, from a cache of its own."""
    monkeypatch.setenv("WORKTRIAL_CACHE", str(cache))
    recipe = await load("go").resolve(FILES.get, sandbox, tree, as_of=None)
    return await load("go").build(recipe, sandbox, tree)


async def run(sandbox: Sandbox, made: BuiltEnvironment, tree: Path, script: str) -> Finished:
    """Run a script as an agent would."""
    workspace = await sandbox.open((made.additions, tree), TrialLimits())
    try:
        active = load("go").activation(made, workspace)
        return await workspace.run(Command(("/bin/sh", "-c", script), 300, env=active.env, mounts=active.mounts))
    finally:
        await workspace.close()


async def test_an_environment_serves_agents_and_tells_them_nothing(
    sandbox: Sandbox, tree: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`go test` works without network, compiles no package of others, keeps what it compiles; the shared part stays."""
    cache = tmp_path_factory.mktemp("cache")
    made = await built(sandbox, tree, cache, monkeypatch)
    seeded = {path.name: path.read_bytes() for path in (made.folder / "cache").rglob("*-d")}
    assert len(seeded) > 50
    assert not [name for name, data in seeded.items() if b"example.com/shop" in data]
    script = """
go build -x ./... 2>built && grep -c '/compile ' built
go build -x ./... 2>again; grep -c '/compile ' again
go test -count=1 ./... && go env GOPROXY && touch "$(go env GOMODCACHE)/x" || echo refused
"""
    finished = await run(sandbox, made, tree, script)
    said = finished.output.decode().split("\n")
    assert finished.exit_code == 0, said
    assert said[:2] == ["1", "0"], said  # its own package, once
    assert said[2].startswith("ok"), said
    assert said[3] == "off"
    assert said[-2] == "refused" or sandbox.tier == "none", said
    assert {path.name for path in (made.folder / "cache").rglob("*-d")} == seeded.keys()
    assert (await built(sandbox, tree, cache, monkeypatch)).folder == made.folder


async def test_one_is_built_without_isolation_too(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Unconfined()
    with contextlib.ExitStack() as opened:
        for _ in range(10):  # so that pipes have numbers of two digits, which not every shell knows
            opened.enter_context(Path(os.devnull).open())
        made = await built(sandbox, tree, tmp_path / "cache", monkeypatch)
    assert (await run(sandbox, made, tree, "go test ./...")).exit_code == 0


@pytest.fixture
def proxy(tmp_path: Path) -> None:
    """Skip when the module proxy is out of reach."""
    asked = ["go", "list", "-m", "-versions", "golang.org/x/text"]
    env = {**os.environ, "PATH": f"{go.root()}/bin:{os.environ['PATH']}", "GOTOOLCHAIN": "local"}
    done = subprocess.run(asked, cwd=tmp_path, env=env, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no module proxy: {done.stderr.decode()[-200:]}")


@pytest.mark.usefixtures("proxy")
async def test_a_version_that_is_not_installed_is_fetched(sandbox: Sandbox, tree: Path, tmp_path: Path) -> None:
    """As `go` does it, from the module proxy; it lies apart from the modules, where nothing could be overlaid."""
    version = "1.24.1" if toolchains.for_version("1.24.1") is None else "1.24.2"
    for name in ("modules", "cache", "bin", "toolchain"):
        (tmp_path / name).mkdir()
    workspace = await sandbox.open((tree,), TrialLimits(memory_mib=8192, disk_mib=4096))
    try:
        root = await environment.toolchain(workspace, tmp_path, version)
    finally:
        await workspace.close()
    assert root == tmp_path / "toolchain/go"
    assert go.run("version", folder=tmp_path, PATH=f"{root}/bin").startswith(f"go version go{version} ")
    assert not list((tmp_path / "modules/golang.org").glob("*"))
