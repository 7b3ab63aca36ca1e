"""Looks, from where an agent will sit, for anything that gives a task's solution away. Python 3.8+, standard library.

Not imported by worktrial: its folder is mounted into a workspace as an agent gets it, and it is started with the
environment's own interpreter, so that it sees what an agent would see and reads bytecode as that interpreter wrote it.
The question comes as JSON on standard input, the answer goes out as JSON lines on the report's pipe.

Everything it finds is a piece (see `pieces`). Pieces are compared, so one reading of an environment (`index`) serves
every task that uses it.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import json
import mmap
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pieces import PROGRAMS, Looker, body_pieces, name_of  # this file's neighbour: worktrial is not to be had here

_EXPECTED = re.compile(
    r"HEAD|config|index|info/(?:attributes|exclude)|refs/heads/main|objects/pack/pack-[0-9a-f]+\.(?:pack|idx|rev)"
)
_PACKS = re.compile(rb"\./\.git/objects/pack/pack-[0-9a-f]+\.")
"""Not read as files: what is in them is known by its ids."""
_NAMED = (
    ("refs/tags/", "a tag"),
    ("refs/remotes/", "a branch of a remote"),
    ("refs/stash", "a stash"),
    ("refs/", "another reference"),
    ("packed-refs", "packed references"),
    ("logs/", "a reflog"),
    ("objects/info/alternates", "another repository's objects"),
    ("objects/info/http-alternates", "another repository's objects"),
    ("objects/pack/", "what is left of a pack"),
    ("objects/", "a loose object"),
)


def compiled(sources):
    """Yield for each file its path, the functions it had before, and those that only the solution has.

    At all levels of optimisation: they leave out assertions and documentation.
    """
    for path, *versions in sources:
        before, after = set(), set()
        for into, source in zip((before, after), versions):  # noqa: B905 - Python 3.8 knows no strict
            for level in (0, 1, 2):
                try:
                    code = compile(source, "module.py", "exec", dont_inherit=True, optimize=level)
                except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
                    continue  # of another Python, or a template
                into.update(body_pieces(code))
        yield path, before, after - before


def walk(roots, but=()):
    """Yield every regular file below `roots` but not `but` with its status, none twice, no link followed."""
    seen = set()
    left_out = {os.fsencode(path) for path in but}
    for root in roots:
        for folder, folders, names in os.walk(os.fsencode(root)):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in left_out]
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                if status.st_mode & 0o170000 == 0o100000 and (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    yield path, status


def beside(question, stems):
    """Yield, of the packages beside the interpreter and of the system, wheels and files named like a changed one."""
    found = []
    for prefix in question["prefixes"]:
        for folder in ("site-packages", "dist-packages", "ensurepip/_bundled"):
            found += sorted(glob.glob(prefix + "/lib*/python3*/" + folder))
        found += glob.glob(prefix + "/share/python-wheels")
    for root in dict.fromkeys(map(os.path.realpath, found)):
        for path, status in walk([root]):
            name = os.path.basename(path)
            if name.split(b".")[0] in stems or name.endswith((b".whl", b".egg")):
                yield path, status


def listing(roots):
    """Return a hash over names, sizes and times of all files below `roots`."""
    total = hashlib.sha256(repr(sys.version).encode())
    for path, status in walk(roots):
        total.update(b"%s\0%d\0%d\0" % (path, status.st_size, status.st_mtime_ns))
    return total.hexdigest()[:24]


# -- the workspace's own repository --


def git(*args, data=b""):
    """Return what `git ARGS` prints in the workspace."""
    done = subprocess.run(["git", *args], input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError("git %s: %s" % (args[0], done.stderr.decode("utf-8", "replace")[-300:]))
    return done.stdout.decode("utf-8", "replace")


def repository(tree):
    """Yield what a workspace's repository has beyond one commit of `tree`, and yield the ids of all objects in it."""
    for path, _ in walk([".git"]):
        name = name_of(path)[len(".git/") :]
        if not _EXPECTED.fullmatch(name):
            what = next((what for start, what in _NAMED if name.startswith(start)), "a file that does not belong there")
            yield "finding", name, what
    if git("rev-parse", "HEAD^{tree}").strip() != tree:
        yield "finding", "HEAD", "another tree than the task's"
    commits = git("rev-list", "--all", "--reflog", "HEAD").split()
    if len(commits) != 1:
        yield "finding", "HEAD", "%d commits" % len(commits)
    for name in git("config", "--local", "--list", "--name-only").split():
        if not name.startswith(("core.", "user.")):
            yield "finding", "config", "the setting " + name
    objects = git("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)").split()
    reachable = set(git("rev-list", "--objects", "--no-object-names", "HEAD").split())
    for name in sorted(set(objects) - reachable):
        yield "finding", "objects", "an object that no commit needs: " + name
    staged = {line.split()[1] for line in git("ls-files", "--stage").splitlines()}
    for name in sorted(staged - reachable - {"0" * 40}):
        if git("ls-files", "--stage").count("160000 " + name) == 0:
            yield "finding", "index", "an object that no commit needs: " + name
    yield "objects", "", objects


# -- the questions --


def near(question, say):
    """Look through workspace, home and temporary files; say what the environment is known by."""
    wanted = {bytes.fromhex(piece) for piece in question["pieces"]}
    context = {bytes.fromhex(piece) for piece in question["context"]}
    for path, before, after in compiled(question["sources"]):
        wanted |= after
        context |= before
        say(bodies=sorted(map(bytes.hex, after)), of=path, context=sorted(map(bytes.hex, before)))
    roots = (".", os.environ["HOME"], os.environ["TMPDIR"])
    looker = search(question, wanted, walk(roots, (*question["environment"], *question["prefixes"])), say)
    stems = {os.path.basename(os.fsencode(path)).split(b".")[0] for path in question["changed"]}
    search(question, wanted | context, beside(question, stems), lambda **hit: say(**hit, beside=True))
    try:
        for kind, name, what in repository(question["tree"]):
            if kind == "finding":
                say(finding=what, path=".git/" + name)
            else:
                looker.counts["objects"] += len(what)
                for oid in what:
                    if bytes.fromhex(oid[:16]) in wanted:
                        say(hit=oid[:16], path=".git", inside=oid)
    except RuntimeError as error:
        say(finding="git cannot read it: " + str(error), path=".git")
    say(counts=looker.counts, skipped=looker.skipped, listing=listing(question["environment"]))


def index(question, say):
    """Read the whole environment and give its pieces."""
    pieces = set()
    looker = Looker(question["bounds"], lambda piece, _: pieces.add(piece))
    for path, _ in walk(question["environment"]):
        looker.file(path)
    data = b"".join(sorted(pieces))
    for start in range(0, len(data), 3 << 16):
        say(pieces=base64.b64encode(data[start : start + (3 << 16)]).decode())
    say(counts=looker.counts, skipped=looker.skipped)


def far(question, say):
    """Find out where in the environment some pieces are."""
    wanted = {bytes.fromhex(piece) for piece in question["pieces"]}
    search(question, wanted, walk(question["environment"]), say)


def programs(question, say):
    """Find compiled files that carry a mark of what they were compiled from."""
    marks = [mark.encode() for mark in question["marks"]]
    for path, status in walk(question["environment"]):
        if status.st_size < len(PROGRAMS[0]):
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:8].startswith(PROGRAMS):
                for mark in marks:
                    if data.find(mark) >= 0:
                        say(mark=name_of(mark), path=name_of(path))


def search(question, wanted, files, say):
    """Say in which of `files` any piece of `wanted` is, once for each."""
    found = set()

    def take(piece, inside):
        if piece in wanted:
            found.add((piece, inside))

    looker = Looker(question["bounds"], take)
    for path, _ in files:
        if not _PACKS.match(path):
            looker.file(path)
            for piece, inside in sorted(found):
                say(hit=piece.hex(), path=name_of(path[2:] if path.startswith(b"./") else path), inside=inside)
            found.clear()
    return looker


def main():
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    with os.fdopen(int(os.environ.pop("WORKTRIAL_REPORT_FD")), "wb") as report:

        def say(**record):
            report.write(json.dumps(record).encode("ascii") + b"\n")

        {"near": near, "index": index, "far": far, "programs": programs}[question["mode"]](question, say)
        say(done=True)


if __name__ == "__main__":
    main()
