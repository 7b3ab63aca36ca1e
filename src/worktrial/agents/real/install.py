"""Installing agents: each version once, by the registry's own client, into a layer that all trials share."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from worktrial.agents.real import host
from worktrial.agents.real.contract import Installed, Package, RealAgent
from worktrial.errors import AgentError, FormatError
from worktrial.formats.base import Record, Timestamp, now
from worktrial.formats.run import TrialLimits
from worktrial.languages.python import interpreters
from worktrial.languages.python.interpreters import uv_path
from worktrial.sandboxes.protocol import Command, Finished, Mount, Sandbox, Workspace
from worktrial.store.cache import building_slowly, cache_dir
from worktrial.store.files import read_model, write_json

_LIMITS = TrialLimits(memory_mib=8192, disk_mib=4096, processes=2048)
_INSTALL_S = 1200.0
_PROBE_S = 180.0
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,60}")
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}

Listen = Callable[[str], None]
"""Called with what is being done, in words."""


class Receipt(Record):
    """`installed.json`: what an agent's layer holds."""

    format: Literal["worktrial/agent@1"] = "worktrial/agent@1"
    agent: str
    version: str
    printed: str
    """What the program itself said of its version when it was tried out in a sandbox without network."""
    package: str
    interpreter: str = ""
    """Path of the Node or Python it was installed with and tried on; empty for a binary."""
    interpreter_version: str = ""
    packages: tuple[str, ...] = Field(default=())
    """All packages of the layer, `name==version` or `name@version`, sorted."""
    size_mib: float
    installed_at: Timestamp


def layer(name: str, version: str) -> Path:
    """Return where a version of an agent is, or will be."""
    return cache_dir() / "agents" / name / version


def receipts(agent: RealAgent) -> Iterator[Receipt]:
    """Yield what is installed of an agent, by version; a layer that cannot be read is not installed."""
    for path in sorted((cache_dir() / "agents" / agent.name).glob("*/installed.json")):
        with contextlib.suppress(FormatError):
            yield read_model(path, Receipt, "record of an installed agent")


def find(agent: RealAgent, version: str | None) -> Installed:
    """Return an installed agent, in the version asked for or else the pinned one. Raises `AgentError`."""
    package = agent.package
    if package.registry == "path":
        return host.on_path(agent)
    wanted = version or package.version
    folder = layer(agent.name, wanted)
    if not (folder / "installed.json").is_file():
        others = ", ".join(receipt.version for receipt in receipts(agent))
        asked = f"@{version}" if version else ""
        raise AgentError(
            f"{agent.title} {wanted} is not installed",
            cause=f"installed are: {others}" if others else "",
            hint=f"worktrial agents install {agent.name}{asked}"
            + (f', or version = "{others.split(", ")[-1]}" in worktrial.toml' if others else ""),
        )
    receipt = read_model(folder / "installed.json", Receipt, "record of an installed agent")
    return _installed(agent, wanted, folder, Path(receipt.interpreter) if receipt.interpreter else None)


async def install(agent: RealAgent, version: str | None, sandbox: Sandbox, listen: Listen) -> Receipt:
    """Install an agent unless it is there, try it out, and return what the layer holds.

    Raises `AgentError` with what the registry's client said, or when the program does not start.
    """
    package = agent.package
    if package.registry == "path":
        found = host.on_path(agent)
        raise AgentError(
            f"{agent.title} is in no registry that worktrial installs from",
            cause=f"{found.version} is there already: {agent.program(found.folder)}",
        )
    wanted = version or package.version
    if not _VERSION.fullmatch(wanted):
        raise AgentError(f"{wanted!r} is no version of a package", hint=f"e.g. {agent.name}@{package.version}")
    target = layer(agent.name, wanted)
    async with building_slowly(target) as part:
        if part is not None:
            receipt = await _fill(part, agent, wanted, sandbox, listen)
            write_json(part / "installed.json", receipt)
    return read_model(target / "installed.json", Receipt, "record of an installed agent")


def needs(package: Package) -> str:
    """Return what a package needs of this machine, in words; empty when nothing."""
    if package.registry == "path":
        return f"{package.name} on PATH"
    if package.node:
        return f"node {package.node}+"
    return f"python {package.python}" if package.python else ""


def missing(package: Package) -> str:
    """Return what of that is not there, in words; empty when all is."""
    try:
        if package.registry == "path":
            return "" if shutil.which(package.name) else f"no {package.name} on PATH"
        if package.registry == "npm":
            host.npm()
        if package.node:
            host.node(package)
        if package.python:
            host.python(package)
    except AgentError as error:
        return error.message
    return ""


# -- one layer --


async def _fill(part: Path, agent: RealAgent, version: str, sandbox: Sandbox, listen: Listen) -> Receipt:
    package = agent.package
    interpreter = host.interpreter(package)
    arch = _ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    requirement = package.requirement.format(name=package.name, version=version, arch=arch)
    workspace = await sandbox.open((), _LIMITS)
    try:
        listen(f"installing {requirement} with {'npm' if package.registry == 'npm' else 'uv'}")
        if package.registry == "npm":
            await _npm_install(workspace, part, (requirement, *package.beside))
            packages = _npm_packages(part)
        else:
            packages = await _pip_install(workspace, part, package, (requirement, *package.beside))
        listen("trying it out, without network")
        installed = _installed(agent, version, part, interpreter)
        printed = await _probe(workspace, agent, installed)
    finally:
        await workspace.close()
    size = sum(path.lstat().st_size for path in part.rglob("*") if path.is_file() and not path.is_symlink())
    return Receipt(
        agent=agent.name,
        version=version,
        printed=printed,
        package=requirement,
        interpreter=str(interpreter or ""),
        interpreter_version=host.version_of(interpreter),
        packages=tuple(packages),
        size_mib=round(size / 1024**2, 1),
        installed_at=now(),
    )


def _installed(agent: RealAgent, version: str, folder: Path, interpreter: Path | None) -> Installed:
    mounts = (Mount(folder), *host.interpreter_mounts(agent.package, interpreter))
    # Of a virtual environment only its own python finds the packages. It is not to be run outside: they would be too.
    runner = folder / "venv/bin/python" if agent.package.registry == "pip" else interpreter
    return Installed(version, folder, runner, mounts)


async def _npm_install(workspace: Workspace, part: Path, requirements: tuple[str, ...]) -> None:
    node, npm = host.npm()
    cache = cache_dir() / "npm"
    cache.mkdir(parents=True, exist_ok=True)
    configured = host.npm_configuration()
    env = {name: value for name, value in os.environ.items() if name.lower().startswith("npm_config_")}
    env |= interpreters.index_environment()
    env |= {name: os.environ[name] for name in ("NODE_EXTRA_CA_CERTS",) if name in os.environ}
    env |= {"NPM_CONFIG_CACHE": str(cache), "PATH": f"{node.parent}:/usr/local/bin:/usr/bin:/bin"}
    if configured:
        env["NPM_CONFIG_USERCONFIG"] = str(configured[0])
    # Scripts of packages are not run: nothing that is being installed has a say in how.
    flags = ("--ignore-scripts", "--engine-strict", "--no-audit", "--no-fund", "--no-update-notifier", "--no-save")
    finished = await workspace.run(
        Command(
            (str(node), str(npm), "install", *flags, "--loglevel=error", "--prefix", str(part), *requirements),
            timeout_s=_INSTALL_S,
            env=env,
            mounts=host.outside_of_usr(
                Mount(part, writable=True), Mount(cache, writable=True), *map(Mount, configured),
                Mount(host.prefix(node)), Mount(npm.parent.parent), *host.certificates(env),
            ),
            network=True,
        )
    )  # fmt: skip
    _must(finished, "npm", requirements)


def _npm_packages(part: Path) -> list[str]:
    found = []
    for path in [*part.glob("node_modules/*/package.json"), *part.glob("node_modules/@*/*/package.json")]:
        text = path.read_text("utf-8", "replace")
        name, version = (re.search(rf'"{key}"\s*:\s*"([^"]+)"', text) for key in ("name", "version"))
        if name and version:
            found.append(f"{name[1]}@{version[1]}")
    return sorted(found)


async def _pip_install(workspace: Workspace, part: Path, package: Package, requirements: tuple[str, ...]) -> list[str]:
    interpreter = host.python(package)
    cache = cache_dir() / "uv"
    cache.mkdir(parents=True, exist_ok=True)
    env = interpreters.index_environment()
    env |= {"UV_CACHE_DIR": str(cache), "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    env |= {"UV_LINK_MODE": "copy"}
    mounts = host.outside_of_usr(
        Mount(part, writable=True), Mount(cache, writable=True), Mount(uv_path().parent),
        Mount(interpreters.base_prefix(interpreter.path)), *host.certificates(env),
    )  # fmt: skip

    async def uv(*args: str) -> bytes:
        argv = (str(uv_path()), *args)
        finished = await workspace.run(Command(argv, timeout_s=_INSTALL_S, env=env, mounts=mounts, network=True))
        _must(finished, "uv", requirements)
        return finished.output

    venv = str(part / "venv")
    # Relocatable, as the folder is renamed when it is whole.
    await uv("venv", "--quiet", "--relocatable", "--python", str(interpreter.path), venv)
    # Wheels only, but for packages known to have none: to build one is to run its code.
    wheels = ("--only-binary", ":all:", *(word for name in package.built for word in ("--no-binary", name)))
    flags = ("--quiet", *wheels, "--compile-bytecode", "--python", f"{venv}/bin/python")
    await uv("pip", "install", *flags, *requirements)
    listed = await uv("pip", "freeze", "--quiet", "--python", f"{venv}/bin/python")
    return sorted(line for line in listed.decode("utf-8", "replace").splitlines() if "==" in line)


async def _probe(workspace: Workspace, agent: RealAgent, installed: Installed) -> str:
    """Start the program without network and return what it says of its version."""
    program = str(agent.program(installed.folder))
    argv = (str(installed.interpreter), program) if installed.interpreter else (program,)
    finished = await workspace.run(
        Command((*argv, *agent.probe), timeout_s=_PROBE_S, env=dict(agent.quiet), mounts=installed.mounts)
    )
    text = finished.output.decode("utf-8", "replace")
    if finished.ended != "completed" or finished.exit_code != 0:
        raise AgentError(
            f"{agent.title} {installed.version} was installed and does not start",
            cause=_last_line(text) or finished.ended,
            hint="another version may: worktrial agents install NAME@VERSION",
        )
    said = re.search(r"\d+\.\d+\.\d+[\w+-]*", text)
    return said[0] if said else ""


def _must(finished: Finished, client: str, requirements: tuple[str, ...]) -> None:
    if finished.ended == "completed" and finished.exit_code == 0:
        return
    text = finished.output.decode("utf-8", "replace")
    what = f"{client} could not install {requirements[0]}"
    if finished.ended != "completed":
        raise AgentError(what, cause=finished.ended.replace("_", " "))
    for pattern, hint in _COMPLAINTS:
        if re.search(pattern, text, re.IGNORECASE):
            raise AgentError(what, cause=_complaint(text), hint=hint)
    raise AgentError(what, cause=_complaint(text))


_COMPLAINTS = (
    (r"EBADENGINE", "it needs a newer Node; install that, or an older version of the agent: NAME@VERSION"),
    (r"ETARGET|E404|no matching version|not found in the package registry|no version of", "check the version"),
    (r"ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|dns error|error sending request|failed to fetch",
     "the registry was not reached: check the network, or the proxy and registry of npm's and uv's configuration"),
    (r"ENOSPC|no space left", "free some disk, or set WORKTRIAL_CACHE to another one"),
    (r"no usable wheels|no wheels", "one of its packages has no wheel for this machine"),
)  # fmt: skip


def _complaint(text: str) -> str:
    """Return what a client said of its failure, in one line."""
    lines = [
        re.sub(r"^(npm (error|ERR!)|error:|[\s\u00d7\u2570\u2500\u25b6\u2502\u251c]+)\s*", "", line).strip()
        for line in text.splitlines()
    ]
    told = [line for line in lines if line and not re.match(r"(A complete log|code |notsup |errno |syscall )", line)]
    return " ".join(told[:3])[:400]


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")[:300]
