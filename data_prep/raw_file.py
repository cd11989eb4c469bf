"""A raw file, plain, compressed or inside a .zip, read as a stream of bytes with a progress bar."""

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from tqdm import tqdm

from data_prep.errors import DataError

_SHOW_PROGRESS_AFTER = 2.0  # seconds


def _zstandard(file: IO[bytes]) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")


_DECOMPRESS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": _zstandard,
}
COMPRESSED_SUFFIXES = (*_DECOMPRESS, ".zip")
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)


@dataclasses.dataclass(frozen=True)
class RawFile:
    """A file, or a member of a .zip; what ends with .gz, .bz2, .xz or .zst is decompressed while it is read.

    Attributes:
        path: of the file or of the archive.
        member: name within the archive; '' where the file itself is meant.

    Examples:
        >>> with RawFile(Path("ratings.csv.gz")).open() as stream:
        ...     header = stream.read(80)
    """

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.member} in {self.path}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The last part of its name, without the suffix of the compression."""
        name = Path(self.member or self.path).name
        return name.removesuffix(self._compression)

    @property
    def _compression(self) -> str:
        suffix = Path(self.member or self.path).suffix
        return suffix if suffix.lower() in _DECOMPRESS else ""

    @property
    def is_plain(self) -> bool:
        """Whether the file on the disk has the content as it is."""
        return not (self.member or self._compression)

    @property
    def identity(self) -> list[str | int]:
        """Name, size and time of change: while these are the same, so is the content."""
        status = self.path.stat()
        return [self.path.name, self.member, status.st_size, status.st_mtime_ns]

    @contextlib.contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes; on stderr a bar shows how much has been read, once it takes seconds.

        Raises:
            DataError: the file cannot be read, or it is a truncated or damaged archive.
        """
        try:
            with contextlib.ExitStack() as stack:
                if self.member:
                    archive = stack.enter_context(zipfile.ZipFile(self.path))
                    total = archive.getinfo(self.member).file_size
                    file = stack.enter_context(self._member_of(archive))
                else:
                    total = self.path.stat().st_size
                    file = stack.enter_context(self.path.open("rb"))
                file = stack.enter_context(
                    tqdm.wrapattr(
                        file, "read", total=total, desc=f"Reading {self.name}", delay=_SHOW_PROGRESS_AFTER
                    )
                )
                if self._compression:
                    file = stack.enter_context(_DECOMPRESS[self._compression.lower()](file))
                yield file
        except _DAMAGED as error:
            raise DataError(f"{self} is a damaged or truncated archive: {error}") from error
        except OSError as error:
            if self._compression and error.errno is None:
                raise DataError(f"{self} is a damaged or truncated archive: {error}") from error
            raise DataError(f"{self} cannot be read: {error.strerror or error}") from error

    def _member_of(self, archive: zipfile.ZipFile) -> IO[bytes]:
        try:
            return archive.open(self.member)
        except RuntimeError as error:  # it has a password, or a compression that Python does not know
            raise DataError(f"{self} cannot be read: {error}") from error

    def read(self) -> bytes:
        """The whole content, decompressed.

        Raises:
            DataError: as `open`.
        """
        with self.open() as stream:
            return stream.read()


def only_member(path: Path, suffixes: tuple[str, ...]) -> RawFile:
    """The one file in a .zip whose name has one of the suffixes, or `path` itself if it is no .zip.

    Raises:
        DataError: the archive is damaged, or it holds no such file or several.
    """
    if path.suffix.lower() != ".zip":
        return RawFile(path)
    names = [
        name for name in members(path) if name.lower().endswith(suffixes) and not name.startswith("__MACOSX")
    ]
    if len(names) != 1:
        raise DataError(
            f"{path} holds {', '.join(names) or 'no file'}; it must hold exactly one {' or '.join(suffixes)}"
        )
    return RawFile(path, names[0])


def members(path: Path) -> list[str]:
    """The names in a .zip.

    Raises:
        DataError: the archive is damaged or cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is a damaged or truncated archive: {error}") from error
