"""What the agents are asked to do, and what the scripted model answers: the same for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

ODD = (
    'Make `greet()` shout:\n\n\treturn "HELLO"  — naïve café, 日本 🎉; \\n stays, $HOME too\n'
    "  #### not a heading\n> not a quote\n<b>not a tag</b> 'single' \"double\""
)
"""A prompt that has to come through to the byte."""


@dataclass(frozen=True)
class Edit:
    """A replacement in a file."""

    path: str
    old: str
    new: str
    outcome: str = "accepted"
    written: str | None = None
    """What the person made of `new` before it was written."""


@dataclass(frozen=True)
class Shell:
    """A command line."""

    command: str


Step = Edit | Shell


@dataclass(frozen=True)
class Asked:
    """A prompt and what the model does about it."""

    prompt: str
    steps: tuple[Step, ...]
    by_hand: Edit | None = None
    """What the person then changes in an editor of their own."""
    typed: tuple[Shell, ...] = ()
    """What the person then runs from within the agent."""

    @property
    def outcomes(self) -> set[str]:
        """What becomes of its edits."""
        return {step.outcome for step in self.steps if isinstance(step, Edit)}


@dataclass(frozen=True)
class Scenario:
    """A conversation."""

    name: str
    asked: tuple[Asked, ...]
    needs: frozenset[str] = field(default_factory=frozenset)
    """What an agent must be able to do: `shell`, `reject`, `change`."""
    flags: tuple[str, ...] = ()
    """What it is started with besides."""


HELLO = Edit("app.py", '    return "hello " + name', '    return "HELLO " + name.upper()')
BYE = Edit("app.py", '    return "bye " + name', '    return "BYE " + name.upper()')
README = Edit("README.md", "Says hello.", "Says hello, loudly.")
_REFUSED = Edit(HELLO.path, HELLO.old, HELLO.new, outcome="rejected")
_MENDED = Edit(HELLO.path, HELLO.old, HELLO.new, outcome="changed", written='    return "Hello, " + name.title()')
_BY_NAME = Edit(HELLO.path, HELLO.new, '    return "Hello, " + name.title()')


def _commit(flags: str, subject: str) -> Shell:
    return Shell(f'git commit {flags} "{subject}"')


SHELL = frozenset({"shell"})
SCENARIOS = (
    Scenario("single", (Asked(ODD, (HELLO, _commit("-am", "Shout the greeting"))),), SHELL),
    Scenario(
        "multi",
        (
            Asked("Shout the greeting.", (HELLO,)),
            Asked("The other one too, then commit.", (BYE, _commit("-am", "Shout"))),
        ),
        SHELL,
    ),
    Scenario(
        "rejected",
        (
            Asked("Shout the greeting.", (_REFUSED,)),
            Asked("No, only say so in the README, and commit.", (README, _commit("-am", "Say that it is loud"))),
        ),
        SHELL | {"reject"},
    ),
    Scenario(
        "changed", (Asked("Shout the greeting.", (_MENDED, _commit("-am", "Greet by name"))),), SHELL | {"change"}
    ),
    Scenario(
        "by_hand",
        (
            Asked("Shout the greeting.", (HELLO,), by_hand=_BY_NAME),
            Asked("I have changed it by hand. Commit it as it is.", (_commit("-am", "Greet by name"),)),
        ),
        SHELL,
    ),
    Scenario(
        "quiet",
        (
            Asked(
                "Shout, and commit quietly.", (HELLO, _commit("-qam", "Shout quietly"), Shell("git log --oneline -1"))
            ),
        ),
        SHELL,
    ),
    Scenario(
        "amend",
        (
            Asked("Shout the greeting and commit.", (HELLO, _commit("-am", "Shout"))),
            Asked("Put the other one into the same commit.", (BYE, Shell("git commit -a --amend --no-edit"))),
        ),
        SHELL,
    ),
    Scenario(
        "squash",
        (
            Asked("Shout the greeting and commit.", (HELLO, _commit("-am", "Shout hello"))),
            Asked("Now the other one.", (BYE, _commit("-am", "Shout bye"))),
            Asked("Make one commit of both.", (Shell("git reset --soft HEAD~2"), _commit("-m", "Shout all of it"))),
        ),
        SHELL,
    ),
)

_BY_THE_PERSON = ("--no-auto-commits",)
COMMITTING = (
    Scenario("single", (Asked(ODD, (HELLO,)),)),
    Scenario("multi", (Asked("Shout the greeting.", (HELLO,)), Asked("The other one too, then commit.", (BYE,)))),
    Scenario(
        "rejected",
        (
            Asked("Shout the greeting.", (_REFUSED,)),
            Asked("No, only say so in the README, and commit.", (README,)),
        ),
    ),
    Scenario(
        "by_hand",
        (
            Asked("Shout the greeting.", (HELLO,), by_hand=_BY_NAME),
            Asked("/commit Greet by name", ()),
        ),
        flags=_BY_THE_PERSON,
    ),
    Scenario(
        "quiet",
        (
            Asked(
                "Shout, and commit quietly.",
                (HELLO,),
                typed=(_commit("-qam", "Shout quietly"), Shell("git log --oneline -1")),
            ),
        ),
        flags=_BY_THE_PERSON,
    ),
    Scenario(
        "amend",
        (
            Asked("Shout the greeting and commit.", (HELLO,)),
            Asked(
                "Put the other one into the same commit.",
                (BYE,),
                typed=(Shell("git reset --soft HEAD~1"), Shell("git commit --amend --no-edit")),
            ),
        ),
    ),
    Scenario(
        "squash",
        (
            Asked("Shout the greeting and commit.", (HELLO,)),
            Asked(
                "Now the other one.", (BYE,), typed=(Shell("git reset --soft HEAD~2"), _commit("-m", "Shout all of it"))
            ),
        ),
    ),
)
"""The same for an agent that runs no commands, and that commits itself what it edited."""
