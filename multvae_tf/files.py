"""Files that are written whole or not at all, and JSON files whose content has a type; no TensorFlow."""

import contextlib
import dataclasses
import hashlib
import json
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import filelock

from multvae_tf.errors import RunError

_WRITING = ".writing-"
_Record = TypeVar("_Record")
_JSON_TYPES: dict[Any, tuple[type, ...]] = {float: (float, int), int: (int,), str: (str,), bool: (bool,)}


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file under a temporary name beside `path`, then renames it: readers see all of it or none.

    The content is on the disk before the name is: a power cut leaves no empty file either.

    Args:
        path: the file.
        write: writes the file at the path that it is given, which keeps the suffix of `path`.
    """
    temporary = path.with_name(f"{_WRITING}{os.getpid()}-{path.name}")
    try:
        write(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Returns when a file, or what names a folder holds, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing into a folder; what killed ones left half-written is removed.

    Raises:
        RunError: another process is writing into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RunError(f"another process is writing into {folder}: wait for it, or choose another") from None
    try:
        for left_over in folder.glob(f"{_WRITING}*"):
            left_over.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Writes a dataclass, or JSON values, as one JSON file."""
    values = dataclasses.asdict(content) if _is_record(content) else content
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        RunError: it is not JSON in UTF-8.
        FileNotFoundError: it is missing.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RunError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is not UTF-8 from byte {error.start} on: it is damaged") from None


def as_record(kind: type[_Record], content: Any, where: str) -> _Record:
    """The dataclass that `write_json` wrote.

    Args:
        kind: the dataclass; its fields may be dataclasses, mappings from str, optional, or plain values.
        content: JSON values.
        where: the file, and the place in it, for messages.

    Raises:
        RunError: a field is missing, unknown, of another type, or out of range.
    """
    if not isinstance(content, Mapping):
        raise RunError(f"{where} is {_shown(content)}; it must be an object with named fields")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in content:
        if name not in fields:
            raise RunError(f"{where} has the unknown field {name!r}: was it made by a newer version?")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in content:
            raise RunError(f"{where} lacks the field {name!r}: it is damaged, or was made by another version")
    values = {name: _as_type(hints[name], value, f"{where}: {name}") for name, value in content.items()}
    try:
        return kind(**values)
    except RunError as error:
        raise RunError(f"{where}: {error}") from None


def _as_type(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _as_type(next(a for a in arguments if a is not types.NoneType), value, where)
    if dataclasses.is_dataclass(kind):
        return as_record(typing.cast(type, kind), value, where)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise RunError(f"{where} is {_shown(value)}; it must be an object")
        return {key: _as_type(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    fits = isinstance(value, _JSON_TYPES[kind]) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise RunError(f"{where} is {_shown(value)}; it must be of type {kind.__name__}")
    return kind(value)


def _is_record(content: Any) -> TypeGuard[Any]:
    return dataclasses.is_dataclass(content) and not isinstance(content, type)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
