"""Text files in UTF-8, UTF-16 and the encodings of one byte a letter, all as UTF-8."""

import codecs
from typing import IO

from data_prep.errors import DataError
from data_prep.raw_file import RawFile

BLOCK_BYTES = 8 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ONE_BYTE = "windows-1252"


def decode(content: bytes) -> str:
    """A whole small text: by its byte order mark, else UTF-8, else Windows-1252, else Latin-1."""
    encoding, mark = _marked(content)
    if encoding:
        return content[mark:].decode(encoding, "replace")
    for guess in ("utf-8", _ONE_BYTE):
        try:
            return content.decode(guess)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _marked(head: bytes) -> tuple[str | None, int]:
    """The encoding that the first bytes tell, and the length of the byte order mark."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    pairs = head[: len(head) // 2 * 2][:2048]
    if len(pairs) >= 4:
        zeros = [sum(byte == 0 for byte in pairs[start::2]) / (len(pairs) // 2) for start in (0, 1)]
        if zeros[1] > 0.6 and zeros[0] < 0.1:
            return "utf-16-le", 0
        if zeros[0] > 0.6 and zeros[1] < 0.1:
            return "utf-16-be", 0
    return None, 0


class Utf8Reader:
    """Reads a text file in blocks, each as UTF-8 or, until `as_utf8` is asked, in an encoding of one byte.

    Attributes:
        encoding: as given or recognised; 'ASCII' while nothing but ASCII has been seen.

    Examples:
        >>> with file.open() as stream:
        ...     reader = Utf8Reader(file, stream, encoding=None)
        ...     block = reader.read()
    """

    def __init__(self, file: RawFile, stream: IO[bytes], encoding: str | None) -> None:
        self._file, self._stream = file, stream
        head = _read_fully(stream, BLOCK_BYTES)
        marked, skip = _marked(head)
        self._head: bytes = head
        self.encoding = "ASCII"
        self._decoder: codecs.IncrementalDecoder | None = None
        if encoding is not None:
            try:
                name = codecs.lookup(encoding).name
            except LookupError:
                raise DataError(
                    f"encoding is {encoding!r}; it must be one that Python knows, such as utf-8"
                ) from None
            skip = skip if (marked or "").startswith(name.removesuffix("-sig")) else 0
            marked = marked if skip else name.removesuffix("-sig")
        if marked:
            self.encoding = "UTF-8" if marked == "utf-8" else marked
            if marked != "utf-8":
                self._decoder = codecs.getincrementaldecoder(marked)()
        self._head = head[skip:]
        self._only_returns = b"\r" in self._head and b"\n" not in self._head and self._decoder is None

    def read(self) -> bytes:
        """The next block, empty at the end.

        Raises:
            DataError: it is not in the encoding that was given or that its byte order mark tells.
        """
        data, self._head = self._head or _read_fully(self._stream, BLOCK_BYTES), b""
        if self._only_returns:
            return data.replace(b"\r", b"\n")
        return self._decoded(data, self._decoder) if self._decoder else data

    def _decoded(self, data: bytes, decoder: codecs.IncrementalDecoder) -> bytes:
        try:
            text = decoder.decode(data, final=not data)
            return text.encode("utf-8") if text or not data else self.read()
        except UnicodeError as error:
            raise DataError(
                f"{self._file} is not in {self.encoding}: {error}; name its encoding, such as encoding=utf-8"
            ) from error

    def as_utf8(self, rows: bytes, first_line: int) -> bytes:
        """Complete rows of a block as UTF-8.

        In a file of UTF-8 bytes that are none stay, for the parser to find in the columns that it reads.

        Args:
            rows: what `read` gave, cut where a row ends.
            first_line: number of their first line, for messages.

        Raises:
            DataError: the file has been taken as Windows-1252, and a line is not in it, or is in UTF-8.
        """
        if self._decoder or rows.isascii():
            return rows
        if self.encoding != _ONE_BYTE:
            if _has_utf8(rows) or self.encoding == "UTF-8":
                self.encoding = "UTF-8"
                return rows
            self.encoding = _ONE_BYTE
        elif _has_utf8(rows):
            line = next(n for n, line in enumerate(rows.split(b"\n")) if _has_utf8(line))
            raise DataError(
                f"{self._file}, line {first_line + line} is in UTF-8, others are not; mend the file, or "
                "name its encoding, such as encoding=utf-8"
            )
        try:
            return rows.decode(_ONE_BYTE).encode("utf-8")
        except UnicodeDecodeError as error:
            line = first_line + rows.count(b"\n", 0, error.start)
            raise DataError(
                f"{self._file}, line {line} is neither in UTF-8 nor in {_ONE_BYTE}; name the file's "
                "encoding, such as encoding=latin-1"
            ) from error


def _has_utf8(data: bytes) -> bool:
    """Whether some letters beyond ASCII are in UTF-8, which hardly ever comes about in another encoding."""
    return not data.decode("utf-8", "ignore").isascii()


def _read_fully(stream: IO[bytes], size: int) -> bytes:
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
