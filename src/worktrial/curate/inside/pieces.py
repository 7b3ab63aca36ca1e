"""Files as pieces, whatever they are wrapped in. Python 3.8+, standard library; used inside and outside of sandboxes.

A *piece* is eight bytes: of a line of text, of the body of a function, or of a git blob.
"""

from __future__ import annotations

import bz2
import hashlib
import importlib.util
import io
import lzma
import marshal
import os
import re
import tarfile
import types
import zipfile
import zlib
from collections.abc import Callable, Iterator

LEAST_LINE = 20
"""Shortest line that is a piece, bytes."""
LEAST_BODY = 80
"""Shortest bytecode of a function that is a piece, bytes: shorter ones are written alike by chance."""
PROGRAMS = (b"\x7fELF", b"!<arch>\n")
"""How compiled files begin. Not read for lines: where a language has marks, those are looked for."""
DEPTH = 4
"""Archives within archives."""
_RUN = re.compile(rb"[^\x00-\x08\x0a-\x1f]{%d,}" % LEAST_LINE)
_AROUND = b" \t\r\n\"',\\+-<>#*|;"

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
        if data.startswith(PROGRAMS) or (path.endswith(b".pyc") and is_of_its_source(path, data)):
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

    def unwrapped(self, reader: Callable[[bytes, str, int], None], data: bytes, inside: str, depth: int) -> bool:
        """Tell whether `reader` could read it: if not, it only looked like one and is read as it is."""
        try:
            reader(data, inside, depth - 1)
        except _MALFORMED:
            return False
        return True

    def wrapped(self, data: bytes) -> Callable[[bytes, str, int], None] | None:
        """Return what reads a wrapping that `data` begins like, or None."""
        if data[257:262] == b"ustar":
            return self.tar
        readers: dict[bytes, Callable[[bytes, str, int], None]] = {
            importlib.util.MAGIC_NUMBER: self.bytecode,
            **dict.fromkeys((b"PK\3\4", b"PK\5\6"), self.zip),
            **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"), self.compressed),
            **dict.fromkeys((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), self.compressed),
            b"PACK": self.pack,
        }
        return next((reader for start, reader in readers.items() if data.startswith(start)), None)

    def spend(self, size: int) -> None:
        """Count what was unpacked, bytes."""
        self.unpacked_left -= size
        if self.unpacked_left < 0:
            raise TooMuchError("unpacks to too much")

    def bytecode(self, data: bytes, inside: str, depth: int) -> None:
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

    def zip(self, data: bytes, inside: str, depth: int) -> None:
        """Read the members of a zip file, a wheel or an egg."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            self.counts["archives"] += 1
            for member in archive.infolist():
                self.spend(member.file_size)
                with archive.open(member) as file:
                    self.data(file.read(member.file_size + 1), inside + "!" + member.filename, depth)

    def tar(self, data: bytes, inside: str, depth: int) -> None:
        """Read the members of a tar file."""
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            self.counts["archives"] += 1
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    self.spend(member.size)
                    self.data(file.read(), inside + "!" + member.name, depth)

    def compressed(self, data: bytes, inside: str, depth: int) -> None:
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

    def pack(self, data: bytes, inside: str, depth: int) -> None:
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


def is_of_its_source(path: bytes, data: bytes) -> bool:
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


def blob_piece(data: bytes) -> bytes:
    """Return the piece of a whole file: the beginning of the id git gives it."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()[:8]  # noqa: S324 - it is git's


def body_pieces(code: types.CodeType) -> Iterator[bytes]:
    """Yield a piece for every function of a module: its bytecode and the names it uses, not where its lines are."""
    if len(code.co_code) >= LEAST_BODY:
        names = "\0".join((*code.co_names, "", *code.co_varnames))
        yield hashlib.blake2b(code.co_code + names.encode("utf-8", "replace"), digest_size=8).digest()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from body_pieces(constant)


def texts(code: types.CodeType) -> Iterator[bytes]:
    """Yield the text and bytes among the constants of a module."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from texts(constant)
        elif isinstance(constant, str):
            yield constant.encode("utf-8", "surrogatepass")
        elif isinstance(constant, bytes):
            yield constant


def name_of(path: bytes) -> str:
    """Return a path as text that JSON can hold."""
    return path.decode("utf-8", "backslashreplace")
