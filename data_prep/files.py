"""Files and folders that appear whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from data_prep.errors import DataError


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fills a temporary folder beside `folder`, then renames it.

    Args:
        folder: must not exist, or be empty.
        fill: writes the files into the folder that it is given.

    Raises:
        DataError: the folder holds something already, or the disk is full or cannot be written to; nothing
            half-written is left behind.
    """
    temporary = folder.with_name(f".writing-{os.getpid()}-{folder.name}")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} is not empty; name another folder, or delete it")
        temporary.mkdir(parents=True)
        fill(temporary)
        os.replace(temporary, folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file under a temporary name beside `path`, then renames it.

    Args:
        path: the file; its folder is made if it does not exist.
        write: writes the file at the path that it is given, which has the suffix of `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
