"""Building Go environments: the modules a repository asks for, and what they compile to, once per distinct input.

Nothing of the repository itself is compiled into one: tasks of other changes share it, and the state it would be
compiled from is another task's answer.
"""

from __future__ import annotations

import posixpath
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import EnvironmentBuildError
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Environment
from worktrial.languages.golang import listing, toolchains
from worktrial.languages.golang.declared import declared
from worktrial.languages.protocol import BuiltEnvironment, ReadFile
from worktrial.sandboxes.owner import hand_over
from worktrial.sandboxes.protocol import Command, Finished, Mount, Sandbox, Workspace
from worktrial.store.cache import building_slowly, cache_dir, digest
from worktrial.store.files import write_text

_BUILD_TIMEOUT_S = 1800.0
_LIMITS = TrialLimits(memory_mib=16384, disk_mib=8192, processes=4096)
_PARTS = ("modules", "cache", "bin", "toolchain")
"""Folders of an environment that building writes to."""
_VERSION = "2"
"""Raised when environments are built differently, so that old ones are not used."""
_CACHE_PROGRAM = Path(__file__).parent / "inside" / "gocache.go"
_BEGIN, _END = "-- ", " --"
"""What stands around a file's name on the line before its text: Go's own form of many files in one (txtar)."""
_LIST_ALL = """
# A cache of its own: this reads the repository's packages, and the environment must not know them.
# To a file: the report's number may be beyond 9, which is none to some shells.
GOCACHE=$(mktemp -d) go list -e -deps -test -f "$LIST" ./... >"$1"
"""
_COMPILE = """
list=$(mktemp) && cat >"$list" || exit 1
xargs -r go build -- <"$list" && exit 0
# One package that cannot be built here must not cost the others: what is lacking is compiled when it is needed.
xargs -r -n 1 go build -- <"$list" >/dev/null 2>&1
exit 0
"""
_VET = """
# Replacements by folders, what is vendored and joined modules are not to be had under another name: vetted when needed.
[ -e go.work ] || [ -e vendor/modules.txt ] || grep -q '=> *[.]' go.mod && exit 0
apart=$(mktemp -d) && cat >"$apart/a_test.go" || exit 1
sed 's/^module .*/module worktrial.invalid/' go.mod >"$apart/go.mod" && cp go.sum "$apart" 2>/dev/null
cd "$apart" && go test -c -o /dev/null .
exit 0
"""
"""Has `go test` look at what the repository imports as it does at every use, from a package that imports the same."""
_ALWAYS = ("runtime/coverage", "testing/internal/testdeps")
"""What programs of tests need besides the packages they name."""
_GOCACHE = 'CGO_ENABLED=0 GO111MODULE=off GOCACHE=$(mktemp -d) go build -trimpath -ldflags=-s -o "$2" "$1"'
_FETCH = """
root=$(go env GOROOT) && cp -R "$root" "$1" && chmod -R u+w "$1" "$root" || exit 1
rm -rf "$root" "$GOMODCACHE/cache/download/golang.org/toolchain"
"""
"""Takes the toolchain out of the modules: of what lies there nothing can be overlaid."""
_TIDY = """
find "$GOMODCACHE/cache/download" -name '*.zip' -delete
rm -rf "$GOMODCACHE/cache/vcs" "$GOMODCACHE/cache/lock" "$GOMODCACHE/cache/download/sumdb"
"""


@dataclass(frozen=True)
class _Builder:
    """A workspace that `go` runs in."""

    workspace: Workspace
    folder: Path
    """Of the environment."""
    root: Path
    """Of the toolchain."""

    async def run(
        self, script: str, *args: str, network: bool = False, toolchain: str = "local", stdin: str = ""
    ) -> Finished:
        """Run a shell script with `go` on its path; GOCACHE and GOMODCACHE are the environment's."""
        folder = self.folder
        env = {
            "PATH": f"{self.root}/bin:/usr/local/bin:/usr/bin:/bin",
            "GOTOOLCHAIN": toolchain,
            "GOENV": "off",
            # Files that only their owner may write can be removed with the environment.
            "GOFLAGS": "-modcacherw -buildvcs=false",
            "GOMODCACHE": str(folder / "modules"),
            "GOCACHE": str(folder / "cache"),
            "LIST": listing.TEMPLATE,
        }
        env |= toolchains.network_environment() if network else {"GOPROXY": "off", "GOSUMDB": "off"}
        shown = [Mount(self.root), Mount(_CACHE_PROGRAM.parent)]
        shown += [
            Mount(Path(path)) for name, path in env.items() if name.startswith("SSL_CERT") and Path(path).exists()
        ]
        mounts = [mount for mount in shown if not mount.path.is_relative_to("/usr")]
        mounts += [Mount(folder / name, writable=True) for name in _PARTS]
        return await self.workspace.run(
            Command(
                ("/bin/sh", "-c", script, "sh", *args),
                timeout_s=_BUILD_TIMEOUT_S,
                env=env,
                mounts=tuple(mounts),
                stdin=stdin.encode(),
                network=network,
            )
        )

    async def must(
        self, script: str, *args: str, network: bool = False, toolchain: str = "local", stdin: str = ""
    ) -> Finished:
        """Run a script that has to succeed. Raises `EnvironmentBuildError` when it does not."""
        finished = await self.run(script, *args, network=network, toolchain=toolchain, stdin=stdin)
        if finished.exit_code != 0:
            raise EnvironmentBuildError("could not build the environment", cause=_complaint(finished))
        return finished


async def resolve(read: ReadFile, tree: Path) -> Environment:
    """Return the recipe of the environment that a tree declares. Module files pin everything: nothing is asked.

    Raises `EnvironmentBuildError` when there is no module, or no Go.
    """
    found = declared(read, tree)
    if not found.modules:
        raise EnvironmentBuildError("the repository has no go.mod", hint="only Go modules can be tested")
    version = ".".join(map(str, toolchains.choose(found.wants)))
    lines = [line for name, text in found.files for line in (f"{_BEGIN}{name}{_END}", *text.split("\n"))]
    return Environment(
        key=digest(_VERSION, "go", version, *lines),
        language="go",
        interpreter=version,
        requirements=tuple(lines),
        project_digest="",
        as_of=None,
        sources=tuple(name for name, _ in found.files),
    )


def module_files(recipe: Environment) -> dict[str, str]:
    """Return the module files of a recipe by path."""
    found: dict[str, list[str]] = {}
    for line in recipe.requirements:
        if line.startswith(_BEGIN) and line.endswith(_END):
            found[line[len(_BEGIN) : -len(_END)]] = lines = []
        else:
            lines.append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


async def build(recipe: Environment, sandbox: Sandbox, tree: Path) -> BuiltEnvironment:
    """Return the environment of a recipe, building it over the files of `tree` when it is not in the cache.

    Raises `EnvironmentBuildError`.
    """
    folder = cache_dir() / "environments" / recipe.key
    marker_path = folder.with_name(f"{recipe.key}.finished")
    if marker_path.exists() and not _has_its_go(folder, recipe.interpreter):
        shutil.rmtree(marker_path)
    # What Go compiles knows its modules' path and cannot be moved into place, so an empty folder marks it as finished.
    async with building_slowly(marker_path) as marker:
        if marker is not None:
            shutil.rmtree(folder, ignore_errors=True)
            await _fill(folder, recipe, sandbox, tree)
    return BuiltEnvironment(recipe.key, folder, hand_over(folder / "additions"))


def _has_its_go(folder: Path, version: str) -> bool:
    """Whether the Go that an environment was built with is still where it was, and the same."""
    try:
        found = toolchains.version_of(toolchains.installed_root(folder))
    except OSError:
        return False
    return found == toolchains.parse_version(version)


async def _fill(folder: Path, recipe: Environment, sandbox: Sandbox, tree: Path) -> None:
    for name in ("additions", *_PARTS):
        (folder / name).mkdir(parents=True)
    files = module_files(recipe)
    workspace = await sandbox.open((tree,), _LIMITS)
    try:
        for name, text in files.items():
            await workspace.write(name, text.encode())
        root = await toolchain(workspace, folder, recipe.interpreter)
        write_text(folder / "goroot", str(root))
        builder = _Builder(workspace, folder, root)
        await builder.must(_GOCACHE, str(_CACHE_PROGRAM), str(folder / "bin/gocache"))
        for module in await _downloaded(builder, files):
            inside = f"cd {shlex.quote(module)} || exit 1\n"
            listed_path = folder / "bin/listed"
            await builder.must(inside + _LIST_ALL, str(listed_path))
            found = listing.parse(listed_path.read_text("utf-8", "replace"))
            listed_path.unlink()
            await builder.must(inside + _COMPILE, stdin="\n".join([*found.others, *_ALWAYS]))
            importing = "".join(f'import _ "{package}"\n' for package in found.imported)
            await builder.must(inside + _VET, stdin=f"package a\n\n{importing}")
        await builder.must(_TIDY)
    finally:
        await workspace.close()


async def toolchain(workspace: Workspace, folder: Path, version: str) -> Path:
    """Return the GOROOT of a version: an installed one, else one fetched into the environment at `folder`.

    Raises `EnvironmentBuildError`.
    """
    here = toolchains.for_version(version)
    if here is not None:
        return here.root
    if not toolchains.installed():
        raise EnvironmentBuildError(f"Go {version} is not installed", hint="install Go: it fetches other versions")
    builder = _Builder(workspace, folder, toolchains.installed()[0].root)
    said = await builder.must(_FETCH, str(folder / "toolchain/go"), network=True, toolchain=f"go{version}")
    if toolchains.version_of(folder / "toolchain/go") != toolchains.parse_version(version):
        raise EnvironmentBuildError(f"Go {version} could not be fetched", cause=_complaint(said))
    return folder / "toolchain/go"


async def _downloaded(builder: _Builder, files: Mapping[str, str]) -> list[str]:
    """Fetch what the modules ask for and return those that have it all; raises when that is none, or not the root's.

    A module beside the root's may be an example that nobody can build any more.
    """
    folders = ["."] if "go.work" in files else [posixpath.dirname(name) or "." for name in _named(files, "go.mod")]
    done = []
    for module in folders:
        download = f"cd {shlex.quote(module)} && go mod download"
        finished = await builder.run(download, network=True)
        if finished.exit_code == 0:
            done.append(module)
        elif module == "." or len(folders) == 1:
            raise EnvironmentBuildError("the modules could not be fetched", cause=_complaint(finished))
    if not done:
        raise EnvironmentBuildError("the modules could not be fetched", cause=f"none of {', '.join(folders)}")
    return done


def _named(files: Iterable[str], name: str) -> list[str]:
    return [path for path in files if posixpath.basename(path) == name]


def _complaint(finished: Finished) -> str:
    """Return what `go` said of a failure, in one line."""
    if finished.ended != "completed":
        return finished.ended.replace("_", " ")
    lines = [line.strip() for line in finished.output.decode("utf-8", "replace").split("\n") if line.strip()]
    telling = [line for line in lines if not line.startswith("go: downloading ")]
    return " ".join(telling[:4])[:400]
