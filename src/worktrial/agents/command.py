"""Any program as an agent: it gets the prompt on standard input and works in the workspace.

With a `model`, it also gets the gateway's address and a key that is none, under the names that SDKs look for.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path

from worktrial import __version__
from worktrial.agents.metered import Metered, usage
from worktrial.agents.protocol import Attempt, Endpoint, Outcome
from worktrial.agents.real.bridged import bridged
from worktrial.agents.real.contract import Launch
from worktrial.agents.real.endings import CAUSES, ending
from worktrial.errors import UsageError
from worktrial.formats.base import now
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import AgentInfo, FinalMetrics, Step, Trajectory
from worktrial.formats.trial import Usage
from worktrial.sandboxes.protocol import Command, Finished, Mount
from worktrial.store.files import write_bytes

MODEL_VARIABLES = {
    "WORKTRIAL_MODEL": "@MODEL@",
    "OPENAI_BASE_URL": "@URL@/v1",
    "OPENAI_API_BASE": "@URL@/v1",
    "ANTHROPIC_BASE_URL": "@URL@",
    "GOOGLE_GEMINI_BASE_URL": "@URL@",
}
"""What a program with a model finds it by: the variables of the vendors' SDKs and of LiteLLM."""
KEY_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
_PROMPT = "WORKTRIAL_PROMPT"
_MAX_VARIABLE = 100_000
"""Bytes: Linux refuses to start a program with a variable of 128 KiB or more."""
_TAIL = 20_000
"""Characters of the output that the trajectory keeps; all of it is in the log."""
_SYSTEM = tuple(Path(name) for name in ("/usr", "/bin", "/sbin", "/lib", "/lib64"))
"""Seen in every sandbox as they are."""


class CommandAgent:
    """Runs the configured program inside the sandbox, with nothing of the network but, if it has a model, the gateway.

    Without one, what it used of any model is unknown.
    """

    def __init__(self, config: AgentConfig) -> None:
        if not config.command:
            raise UsageError(
                f"agent {config.name} has no command", hint="say what to run: --agent 'command:./my-agent --flag'"
            )
        for mount in config.mounts:
            if not Path(mount).is_absolute() or not Path(mount).exists():
                raise UsageError(
                    f"agent {config.name} mounts {mount}, which is not there",
                    hint="mounts are absolute paths of files or folders that exist on this machine",
                )
        self.config = config

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Run the program to its end or its limits; what it leaves in the workspace counts, whatever its exit code."""
        if self.config.model is None:
            return self._outcome(attempt, await self._alone(attempt), None)
        if attempt.gateway is None:
            return Outcome("infrastructure", cause="no_gateway", detail=CAUSES["no_gateway"])
        async with attempt.gateway.endpoint(attempt.trial, self.config, attempt.logs.parent) as endpoint:
            return self._outcome(attempt, await self._with_model(attempt, endpoint), endpoint.metered())

    async def _alone(self, attempt: Attempt) -> Finished:
        return await attempt.workspace.run(
            Command(
                argv=self.config.command,
                timeout_s=attempt.limits.timeout_s,
                env={**attempt.env, **self.config.env, **_prompt_variable(attempt)},
                stdin=attempt.prompt.encode(),
                mounts=(*attempt.mounts, *self._mounts()),
            )
        )

    async def _with_model(self, attempt: Attempt, endpoint: Endpoint) -> Finished:
        model = {name: value.replace("@MODEL@", self.config.model or "") for name, value in MODEL_VARIABLES.items()}
        keys = dict.fromkeys(KEY_VARIABLES, endpoint.token)
        env = {**model, **keys, **self.config.env, **_prompt_variable(attempt)}
        launch = Launch(self.config.command, stdin="@PROMPT@")
        return await attempt.workspace.run(
            bridged(attempt, endpoint, launch, env=env, prompt=attempt.prompt, mounts=self._mounts())
        )

    def _mounts(self) -> tuple[Mount, ...]:
        return tuple(Mount(Path(path)) for path in self.config.mounts)

    def _outcome(self, attempt: Attempt, finished: Finished, metered: Metered | None) -> Outcome:
        write_bytes(attempt.logs / "agent.log", finished.output)
        requests = metered.requests if metered else None
        ended, cause, detail = ending(finished, requests, metered.stopped if metered else "")
        return Outcome(
            ended,
            exit_code=finished.exit_code,
            cause=cause,
            detail=detail,
            usage=Usage() if requests is None else usage(requests),
            steps=sum(not request.side for request in requests or ()),
            trajectory=_trajectory(self.config, attempt, finished),
        )


def _prompt_variable(attempt: Attempt) -> dict[str, str]:
    data = attempt.prompt.encode()
    return {_PROMPT: attempt.prompt} if len(data) < _MAX_VARIABLE and b"\0" not in data else {}


def _trajectory(config: AgentConfig, attempt: Attempt, finished: Finished) -> Trajectory:
    """Return the little that is known of what a foreign program did: what it was asked and what it printed last."""
    text = finished.output.decode("utf-8", "replace")
    if len(text) > _TAIL:
        text = f"[… {len(text) - _TAIL} characters before this are in agent.log …]\n{text[-_TAIL:]}"
    return Trajectory(
        session_id=attempt.trial,
        agent=AgentInfo(name=config.name, version=__version__, model_name=config.model),
        steps=(
            Step(step_id=1, source="user", message=attempt.prompt),
            Step(step_id=2, source="agent", message=text, timestamp=now()),
        ),
        final_metrics=FinalMetrics(total_steps=2),
    )


# -- the shorthand of the command line --


def command_config(name: str, spec: str) -> AgentConfig:
    """Return the agent that `--agent command:CMDLINE` asks for; `spec` is CMDLINE, split as a shell would.

    Host files it names are shown inside at the same path: the program, if it is a path or a file of the current folder,
    and every later word that starts with `/`, `./`, `../` or `~/` and is a file here. All other words are left alone:
    they are programs of the sandbox's PATH, or paths in the workspace. A file is shown together with its folder (a
    program of a virtual environment with the whole environment), unless that folder could hold what an agent must not
    see: see `_shown`. Raises `UsageError`.
    """
    try:
        words = shlex.split(spec)
    except ValueError as error:
        raise UsageError(f"could not read the command {spec!r}", cause=str(error), hint="check its quotes") from error
    if not words:
        raise UsageError("the command agent has no command", hint="e.g. --agent 'command:./my-agent --flag'")
    mounts: list[str] = []
    for i, word in enumerate(words):
        path = _host_file(word, program=i == 0)
        if path is not None:
            words[i] = str(path)
            mounts += [str(shown) for shown in _shown(path) if str(shown) not in mounts]
    return AgentConfig(name=name, kind="command", command=tuple(words), mounts=tuple(mounts))


def _host_file(word: str, *, program: bool) -> Path | None:
    """Return the host file a word of the command line means, or None when it means nothing of the host."""
    path = Path(word).expanduser().absolute()
    explicit = word.startswith(("/", "./", "../", "~/"))
    if program and explicit and not path.is_file():
        raise UsageError(f"there is no program at {path}", hint="check the path of the command agent's program")
    named = explicit or (program and ("/" in word or shutil.which(word) is None))
    if not named or not path.is_file():
        return None
    here = path.parent.resolve() / path.name
    # A link elsewhere would point at nothing inside; but the links of a virtual environment are what makes it one.
    return here if _environment(here) else here.resolve()


def _shown(path: Path) -> list[Path]:
    """Return what of the host to show so that the file at `path` works.

    The folder is left out when it is the current one, the home or the temporary folder or above one of these, or when
    it holds a repository, a suite or a run: an agent must find neither secrets nor solutions.
    """
    folder = path.parent
    if _environment(path):
        base = (folder / "python").resolve().parent.parent
        return [found for found in (folder.parent, base) if not _in_system(found) and not _private(found)] or [path]
    if _in_system(folder):
        return []
    marks = (".git", "HEAD", "suite.toml", "run.toml", "*/suite.toml", "*/run.toml", "*/.git")
    return [path] if _private(folder) or any(next(folder.glob(mark), None) for mark in marks) else [folder]


def _environment(path: Path) -> bool:
    """Tell whether a file is a program of a virtual environment."""
    return (path.parent.parent / "pyvenv.cfg").is_file()


def _private(folder: Path) -> bool:
    places = (Path.cwd(), Path.home(), Path(tempfile.gettempdir()))
    return any(folder == place or folder in place.parents for place in places)


def _in_system(path: Path) -> bool:
    return any(path == place or place in path.parents for place in _SYSTEM)
