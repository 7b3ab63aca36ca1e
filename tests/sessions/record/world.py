"""A small repository and a home in a sandbox whose paths, user and host are the same on every machine."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.sessions.record.scenarios import Edit
from tests.sessions.record.terminal import Talk, Terminal

from worktrial.agents.real.contract import Installed

HOME = "/home/dev"
REPOSITORY = f"{HOME}/shop"
FILES = {
    "app.py": 'def greet(name):\n    return "hello " + name\n\n\ndef part(name):\n    return "bye " + name\n',
    "README.md": "# shop\n\nSays hello.\n",
}
_GIT_CONFIG = "[init]\n\tdefaultBranch = main\n"


@dataclass(frozen=True)
class Commit:
    """One that git's own log of HEAD says was made."""

    sha: str
    subject: str


class World:
    """`folder` is the sandbox's home as it is seen outside."""

    def __init__(self, folder: Path, installed: Installed) -> None:
        self.home = folder / "home"
        self.repository = self.home / "shop"
        self.talk: Talk | None = None
        """An agent that goes on between one prompt and the next."""
        self.terminal: Terminal | None = None
        self._installed = installed
        self.repository.mkdir(parents=True)
        (self.home / ".gitconfig").write_text(_GIT_CONFIG)
        for name, text in FILES.items():
            (self.repository / name).write_text(text)
        # In the repository itself, as Gemini CLI hides the user's configuration from what it runs.
        identity = (("config", "user.name", "Dev"), ("config", "user.email", "dev@example.com"))
        for args in (("init", "-q"), *identity, ("add", "."), ("commit", "-qm", "Greet")):
            self.git(*args)
        self._known = len(self._reflog())

    def argv(self, command: Iterable[str], env: Mapping[str, str]) -> list[str]:
        """Return the command line that runs a command inside."""
        mounts = [word for mount in self._installed.mounts for word in ("--ro-bind", str(mount.path), str(mount.path))]
        links = [word for name in ("bin", "lib", "lib64", "sbin") for word in ("--symlink", f"usr/{name}", f"/{name}")]
        variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "LANG": "C.UTF-8", "USER": "dev"} | dict(env)
        variables.setdefault("TERM", "dumb")
        return [
            "bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--unshare-ipc",
            "--unshare-uts", "--hostname", "dev", "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", *links,
            "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/root", *mounts,
            "--bind", str(self.home), HOME, "--chdir", REPOSITORY, "--die-with-parent", "--clearenv",
            *(word for name, value in variables.items() for word in ("--setenv", name, value)), *command,
        ]  # fmt: skip

    async def run(self, command: Iterable[str], env: Mapping[str, str], stdin: str = "", timeout_s: float = 400) -> str:
        """Run a command inside and return what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self.argv(command, env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), timeout_s)
        except TimeoutError:
            process.kill()
            raise  # half a conversation is no golden log
        return output.decode("utf-8", "replace")

    def write(self, path: str, text: str) -> None:
        """Write a file below the home."""
        (self.home / path).parent.mkdir(parents=True, exist_ok=True)
        (self.home / path).write_text(text)

    def change(self, edit: Edit) -> None:
        """Change a file of the repository as a person does, with no agent about."""
        path = self.repository / edit.path
        text = path.read_text()
        assert edit.old in text, text
        path.write_text(text.replace(edit.old, edit.new))

    def git(self, *args: str) -> str:
        """Run git in the repository, as the sandbox's user would."""
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            ["git", *args], cwd=self.repository, env=env, check=True, capture_output=True, text=True
        ).stdout

    def new_commits(self) -> list[Commit]:
        """Return the commits made since it was last asked, oldest first, amended ones and squashes included."""
        lines = self._reflog()
        fresh = list(reversed(lines[: len(lines) - self._known]))
        self._known = len(lines)
        entries = [line.split("\t") for line in fresh]
        return [Commit(sha, subject) for sha, action, subject in entries if action.startswith("commit")]

    def _reflog(self) -> list[str]:
        return self.git("reflog", "--format=%H%x09%gs%x09%s").splitlines()
