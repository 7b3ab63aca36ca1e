"""What `worktrial init` does."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from worktrial import agents
from worktrial.agents.real.install import find
from worktrial.cli.configuration import NAME
from worktrial.cli.output import print_json, talk
from worktrial.errors import AgentError, RepositoryError, UsageError
from worktrial.languages import detect, names
from worktrial.store.files import write_text
from worktrial.store.git import GitError, open_repository


@dataclass(frozen=True)
class Vendor:
    """A provider of models, the variable its key is usually in, and what is tried with it unless told otherwise."""

    name: str
    key_env: str
    model: str
    api: str | None
    """What `basic` speaks to it; None: it cannot."""
    kinds: tuple[str, ...]
    """Real agents that are this vendor's own, the first that is installed is taken."""
    base_url: str | None = None


_VENDORS = (
    Vendor("anthropic", "ANTHROPIC_API_KEY", "claude-sonnet-4-5", "anthropic", ("claude_code",)),
    Vendor("openai", "OPENAI_API_KEY", "gpt-5-mini", "openai", ("codex", "opencode", "aider")),
    Vendor("gemini", "GEMINI_API_KEY", "gemini-2.5-flash", None, ("gemini_cli",)),
    Vendor(
        "openrouter", "OPENROUTER_API_KEY", "qwen/qwen3-coder", "openai", ("qwen_code",), "https://openrouter.ai/api/v1"
    ),
)
_PROGRAMS = {
    "claude": "claude_code",
    "codex": "codex",
    "gemini": "gemini_cli",
    "qwen": "qwen_code",
    "opencode": "opencode",
    "mini": "mini_swe_agent",
    "aider": "aider",
    "openhands": "openhands",
    "goose": "goose",
}
"""The commands people have on their PATH, and the agents they are."""
_BUDGET_USD = 5.0


@dataclass(frozen=True)
class Found:
    """What there is."""

    repository: str
    language: str | None
    """None: none that tasks can be made of."""
    tests: int
    """Files that hold tests."""
    keys: tuple[str, ...]
    """Variables that hold a key."""
    installed: tuple[str, ...]
    """Real agents that worktrial has installed."""
    on_path: tuple[str, ...]
    """Real agents that the user has, and worktrial has not installed yet."""


def init(repository: Path, out: Path | None, *, force: bool, as_json: bool) -> int:
    """Write the configuration and say what to do next; return the exit code."""
    target = out or Path(NAME)
    if target.exists() and not force:
        raise UsageError(f"{target} is there already", hint="write another with --out, or over it with --force")
    found = look(repository)
    text = configuration(found)
    write_text(target, text)
    if as_json:
        print_json({"written": str(target), **asdict(found)})
    talk.print(f"wrote {target}:\n", markup=False)
    talk.print(text, markup=False, soft_wrap=True)
    for line in _remarks(found):
        talk.print(line, markup=False, soft_wrap=True)
    return 0


def look(repository: Path) -> Found:
    """Return what is in a repository and on this machine. Raises `RepositoryError`."""
    git = open_repository(repository)
    try:
        paths = list(git.tree_files(git.text("rev-parse", "HEAD^{tree}")))
    except GitError as error:
        raise RepositoryError(f"{repository} has no commit", cause=error.cause) from error
    language, tests = detect(paths)
    installed = tuple(kind for kind in agents.real_kinds() if _is_installed(kind))
    on_path = dict.fromkeys(kind for program, kind in _PROGRAMS.items() if shutil.which(program))
    return Found(
        repository=str(repository),
        language=language,
        tests=tests,
        keys=tuple(vendor.key_env for vendor in _VENDORS if os.environ.get(vendor.key_env, "").strip()),
        installed=installed,
        on_path=tuple(kind for kind in on_path if kind not in installed),
    )


def _is_installed(kind: str) -> bool:
    try:
        find(agents.real_agent(kind), None)
    except AgentError:
        return False
    return True


def configuration(found: Found) -> str:
    """Return the text of a `worktrial.toml` that runs here as it stands, at most 25 lines."""
    lines = [
        "# Who is tried, and how. `worktrial run SUITE --out RUN` reads this file; every setting is in docs/agents.md.",
        "[run]",
        "trials = 3                # attempts per task: one is a smoke test",
        f"budget_usd = {_BUDGET_USD:.2f}         # the run stops there and can go on later",
    ]
    for vendor in _VENDORS:
        if vendor.key_env not in found.keys or len(lines) > 19:
            continue
        kind = next((kind for kind in vendor.kinds if kind in found.installed), "basic" if vendor.api else None)
        if kind is None:
            continue
        lines += ["", f"[agents.{kind if kind != 'basic' else f'basic-{vendor.name}'}]"]
        lines += [f'kind = "{kind}"', f'model = "{vendor.model}"']
        if kind == "basic" and vendor.api == "anthropic":
            lines.append('api = "anthropic"')
        if vendor.base_url is not None:
            lines += [f'base_url = "{vendor.base_url}"', f'key_env = "{vendor.key_env}"']
    if not any(line.startswith("[agents.") for line in lines):
        lines += ["", "# No key was found, so only the controls are run: they show whether the suite is sound."]
        lines += ["[agents.oracle]", "[agents.nop]"]
    return "\n".join(lines) + "\n"


def _remarks(found: Found) -> list[str]:
    suite = f"{Path(found.repository).resolve().name}.suite"
    remarks = []
    if found.language is None:
        remarks.append(f"No tests of a known language ({', '.join(names())}) were found in {found.repository}.")
    else:
        remarks.append(f"{found.tests} files of {found.language} tests.")
    if not found.keys:
        remarks.append(f"No key was found in {', '.join(vendor.key_env for vendor in _VENDORS)}.")
    if found.on_path:
        remarks.append(f"You have {', '.join(found.on_path)}: worktrial agents install {' '.join(found.on_path)}")
    return [
        *remarks,
        "\nNext:",
        f"  worktrial mine {found.repository} --suite {suite}",
        f"  worktrial validate {suite} --limit 20",
        f"  worktrial run {suite} --out first --dry-run",
    ]
