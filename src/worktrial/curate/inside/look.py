"""Looks, from where an agent will sit, for anything that gives a task's solution away. Python 3.8+, standard library.

Not imported by worktrial: it is mounted into a workspace as an agent gets it and started with the environment's own
interpreter, so that it sees what an agent would see and reads bytecode as that interpreter wrote it. The question comes
as JSON on standard input, the answer goes out as JSON lines on the report's pipe.

Everything it finds is a *piece*, eight bytes: of a line of text, of the body of a function, or of a git blob. Pieces
are compared, so one reading of an environment (`index`) serves every task that uses it.
"""

from __future__ import annotations

import base64
import bz2
import glob
import hashlib
import importlib.util
import io
import json
import lzma
import marshal
import mmap
import os
import re
import subprocess
import sys
import tarfile
import types
import zipfile
import zlib
from collections.abc import Callable, Iterator

LEAST_LINE = 20
"""Shortest line that is a piece, bytes."""
LEAST_BODY = 80
"""Shortest bytecode of a function that is a piece, bytes: shorter ones are written alike by chance."""
DEPTH = 4
"""Archives within archives."""
_RUN = re.compile(rb"[^\x00-\x08\x0a-\x1f]{%d,}" % LEAST_LINE)
_AROUND = b" \t\r\n\"',\\+-<>#*|;"
_EXPECTED = re.compile(
    r"HEAD|config|index|info/(?:attributes|exclude)|refs/heads/main|objects/pack/pack-[0-9a-f]+\.(?:pack|idx|rev)"
)
_PROGRAMS = (b"\x7fELF", b"!<arch>\n")
"""How compiled files begin. Not read for lines: where a language has marks, `programs` looks for those."""
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


_MALFORMED = (
    *(ValueError, EOFError, TypeError, OSError, RuntimeError, NotImplementedError, LookupError, AttributeError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
)


class TooMuchError(Exception):
    """A bound was reached."""


class Looker:
    """Reads files, whatever they are wrapped in, into pieces."""

    def __init__(self, bounds: dict[str, int], take: Callable[[bytes, str], object]) -> None:
        self.take = take
        """Called with each piece, and where it is within its file."""
        self.file_bytes = bounds["file_bytes"]
        self.unpacked_left = bounds["unpacked_bytes"]
        self.counts = dict.fromkeys(("files", "bytes", "archives", "bytecode", "objects"), 0)
        self.skipped: list[list[str]] = []

    def file(self, path: bytes) -> None:
        """Read one file; what is too large is named as skipped."""
        try:
            with open(path, "rb") as file:
                data = file.read(self.file_bytes + 1)
        except OSError as error:
            self.skipped.append([name_of(path), error.strerror or "unreadable"])
            return
        if len(data) > self.file_bytes:
            self.skipped.append([name_of(path), "too large"])
            return
        self.counts["files"] += 1
        self.counts["bytes"] += len(data)
        if data.startswith(_PROGRAMS) or (path.endswith(b".pyc") and is_of_its_source(path, data)):
            self.take(blob_piece(data), "")
            return
        try:
            self.data(data, "", DEPTH)
        except TooMuchError as reason:
            self.skipped.append([name_of(path), str(reason)])

    def data(self, data: bytes, inside: str, depth: int) -> None:
        """Take the pieces of some content."""
        self.take(blob_piece(data), inside)
        reader = self.wrapped(data) if depth else None
        if reader is None or not self.unwrapped(reader, data, inside, depth):
            for line in lines(data):
                self.take(line_piece(line), inside)

    def unwrapped(self, reader, data, inside, depth):
        """Tell whether `reader` could read it: if not, it only looked like one and is read as it is."""
        try:
            reader(data, inside, depth - 1)
        except _MALFORMED:
            return False
        return True

    def wrapped(self, data):
        """Return what reads a wrapping that `data` begins like, or None."""
        if data[257:262] == b"ustar":
            return self.tar
        readers = {
            importlib.util.MAGIC_NUMBER: self.bytecode,
            **dict.fromkeys((b"PK\3\4", b"PK\5\6"), self.zip),
            **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"), self.compressed),
            **dict.fromkeys((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), self.compressed),
            b"PACK": self.pack,
        }
        return next((reader for start, reader in readers.items() if data.startswith(start)), None)

    def spend(self, size):
        """Count what was unpacked, bytes."""
        self.unpacked_left -= size
        if self.unpacked_left < 0:
            raise TooMuchError("unpacks to too much")

    def bytecode(self, data, inside, depth):
        """Take the functions of a compiled module, and the text in its constants."""
        code = marshal.loads(data[16:])  # noqa: S302 - in a sandbox, where the tests will load it as well
        if not isinstance(code, types.CodeType):
            raise TypeError("no module")
        self.counts["bytecode"] += 1
        for piece in body_pieces(code):
            self.take(piece, inside)
        for text in texts(code):
            for line in lines(text):
                self.take(line_piece(line), inside)

    def zip(self, data, inside, depth):
        """Read the members of a zip file, a wheel or an egg."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            self.counts["archives"] += 1
            for member in archive.infolist():
                self.spend(member.file_size)
                with archive.open(member) as file:
                    self.data(file.read(member.file_size + 1), inside + "!" + member.filename, depth)

    def tar(self, data, inside, depth):
        """Read the members of a tar file."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            self.counts["archives"] += 1
            for member in archive:
                if member.isfile():
                    self.spend(member.size)
                    self.data(archive.extractfile(member).read(), inside + "!" + member.name, depth)

    def compressed(self, data, inside, depth):
        """Read a gzip, bzip2, xz or zlib stream; the last is what a loose git object is."""
        room = min(self.unpacked_left, self.file_bytes * 4) + 1
        if data[:3] == b"BZh":
            plain = bz2.BZ2Decompressor().decompress(data, room)
        elif data[:1] == b"\xfd":
            plain = lzma.LZMADecompressor().decompress(data, room)
        else:
            plain = zlib.decompressobj(wbits=47).decompress(data, room)  # gzip or zlib, by its header
        self.spend(len(plain))
        self.counts["archives"] += 1
        header, _, content = plain.partition(b"\0")
        if re.fullmatch(rb"(?:blob|tree|commit|tag) \d+", header):
            self.counts["objects"] += 1
            plain = content
        self.data(plain, inside + "!", depth)

    def pack(self, data, inside, depth):
        """Read the objects of a git pack one after the other; deltas as they are, for the lines they bring."""
        count = int.from_bytes(data[8:12], "big")
        place = 12
        for _ in range(count):
            kind = data[place] >> 4 & 7
            while data[place] & 0x80:
                place += 1
            place += 1
            if kind == 6:
                while data[place] & 0x80:
                    place += 1
                place += 1
            elif kind == 7:
                place += 20
            stream = zlib.decompressobj()
            parts = []
            while not stream.eof:
                chunk = data[place : place + 65536]
                if not chunk:
                    raise EOFError
                parts.append(stream.decompress(chunk))
                self.spend(len(parts[-1]))
                place += len(chunk)
            place -= len(stream.unused_data)
            self.counts["objects"] += 1
            self.data(b"".join(parts), inside + "!", 0)


def is_of_its_source(path, data):
    """Tell whether bytecode was compiled from the source beside it, as that is now: then the source says it all."""
    folder, name = os.path.split(path)
    source = os.path.join(os.path.dirname(folder), name.split(b".")[0] + b".py")
    try:
        status = os.stat(source)
    except OSError:
        return False
    flags, time, size = (int.from_bytes(data[start : start + 4], "little") for start in (4, 8, 12))
    return flags == 0 and time == int(status.st_mtime) & 0xFFFFFFFF and size == status.st_size & 0xFFFFFFFF


def lines(data: bytes) -> Iterator[bytes]:
    """Yield the telling part of every line that is long enough, however it is quoted, commented or prefixed."""
    for run in _RUN.findall(data):
        for line in run.replace(b'\\"', b'"').split(b"\\n") if b"\\" in run else (run,):
            plain = line.strip(_AROUND)
            if len(plain) >= LEAST_LINE:
                yield plain


def line_piece(line: bytes) -> bytes:
    """Return the piece of a line as `lines` gives it."""
    return hashlib.blake2b(line, digest_size=8).digest()


def blob_piece(data):
    """Return the piece of a whole file: the beginning of the id git gives it."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()[:8]  # noqa: S324 - it is git's


def body_pieces(code):
    """Yield a piece for every function of a module: its bytecode and the names it uses, not where its lines are."""
    if len(code.co_code) >= LEAST_BODY:
        names = "\0".join((*code.co_names, "", *code.co_varnames))
        yield hashlib.blake2b(code.co_code + names.encode("utf-8", "replace"), digest_size=8).digest()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from body_pieces(constant)


def texts(code):
    """Yield the text and bytes among the constants of a module."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from texts(constant)
        elif isinstance(constant, str):
            yield constant.encode("utf-8", "surrogatepass")
        elif isinstance(constant, bytes):
            yield constant


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


def name_of(path):
    """Return a path as text that JSON can hold."""
    return path.decode("utf-8", "backslashreplace")


def beside(question, stems):
    """Yield, of the packages beside the interpreter and of the system, wheels and files named like a changed one."""
    found = []
    for prefix in question["prefixes"]:
        found += sorted(glob.glob(prefix + "/lib*/python3*/site-packages"))
        found += sorted(glob.glob(prefix + "/lib/python3*/dist-packages"))
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
        if status.st_size < len(_PROGRAMS[0]):
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:8].startswith(_PROGRAMS):
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
