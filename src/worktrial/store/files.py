"""Reading and writing single files: whole or not at all, and with errors that name the file and the remedy."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from worktrial.errors import FormatError, StorageError

Model = TypeVar("Model", bound=BaseModel)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a `StorageError` that says whether the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"could not write {path}",
                cause="the disk is full",
                hint="free some room, then give the same command again: finished work is kept",
            ) from error
        raise StorageError(
            f"could not write {path}",
            cause=error.strerror or str(error),
            hint="check the path and its permissions",
        ) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` by renaming a finished temporary file over it; missing folders are made.

    Raises `StorageError`; `path` is then as it was before.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all. Lone surrogates of undecodable input are kept as escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: BaseModel | dict[str, Any]) -> None:
    """Write a model or a plain mapping as indented JSON."""
    try:
        text = value.model_dump_json(indent=1) if isinstance(value, BaseModel) else json.dumps(value, indent=1)
    except PydanticSerializationError:  # lone surrogates
        text = json.dumps(value.model_dump(mode="json") if isinstance(value, BaseModel) else value, indent=1)
    write_text(path, text + "\n")


def write_toml(path: Path, value: BaseModel) -> None:
    """Write a model as TOML. TOML has no null: fields that are None are left out and read back as their default."""
    data = value.model_dump(mode="json", exclude_none=True)
    text = tomli_w.dumps(data, multiline_strings=True)
    try:
        # Within a multi-line string TOML does not tell line ends apart.
        whole = tomllib.loads(text.encode("utf-8", "backslashreplace").decode()) == data
        write_text(path, text if whole else tomli_w.dumps(data))
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"TOML cannot hold what belongs in {path}", cause=str(error)) from error


def read_text(path: Path, what: str) -> str:
    """Return the text of `path`, or raise `FormatError` calling it `what`."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise FormatError(f"there is no {what} at {path}", hint="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"could not read the {what} at {path}", cause=str(error)) from error


def read_model(path: Path, model: type[Model], what: str) -> Model:
    """Return the `model` stored in `path` as JSON or TOML (by its suffix), or raise `FormatError` calling it `what`."""
    text = read_text(path, what)
    try:
        if path.suffix == ".toml":
            return model.model_validate(tomllib.loads(text))
        return parse_json(TypeAdapter(model), text)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise FormatError(
            f"{path} is not a valid {what}",
            cause=explain(error),
            hint="restore the file from a copy, or delete it and give the command that made it again",
        ) from error


def parse_json(adapter: TypeAdapter[Model], text: str | bytes) -> Model:
    """Return the model in `text`. Raises `ValidationError`.

    Lone surrogates stand for the bytes of file names that are no UTF-8; pydantic's own parser refuses them.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError:
        try:
            parsed = json.loads(text)
            json.dumps(parsed, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return adapter.validate_python(parsed)
        except (ValueError, RecursionError):
            pass
        raise


def explain(error: ValueError) -> str:
    """Return the first thing a parser complained of, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(error).splitlines()[0]
