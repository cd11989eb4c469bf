"""Folders that appear whole or not at all."""

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
