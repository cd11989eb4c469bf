"""How a delimited text file is written, recognised from its first lines."""

import csv
import dataclasses

from data_prep.errors import DataError
from data_prep.layout import Layout, delimiter_of
from data_prep.readers import quotes

_CANDIDATES = (",", ";", "\t", "|", "::", " ")
_LINES_LOOKED_AT = 50
_HEADER_WORDS = {"user", "userid", "uid", "item", "itemid", "iid", "sid", "movie", "movieid"}
_DELIMITER_NAMES = {"\t": "tabs", " ": "spaces"}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """What a reader has to know of a file.

    Attributes:
        delimiter: one character.
        quote: '"', or '' where quotation marks are letters as any.
        names: of the columns as the parser counts them; a delimiter such as '::' makes empty ones between.
        header_bytes: length of the header in UTF-8, 0 where there is none.
    """

    delimiter: str
    quote: str
    names: tuple[str, ...]
    header_bytes: int

    @property
    def delimiter_name(self) -> str:
        """As it is told to a person."""
        repeated = self.delimiter * (self.names.count("") + 1 if "" in self.names[1:2] else 1)
        return _DELIMITER_NAMES.get(self.delimiter, repr(repeated[:2]))


def recognise(head: bytes, layout: Layout, source: str, *, is_tsv: bool) -> Dialect:
    """The dialect of a file.

    Args:
        head: its beginning in UTF-8.
        layout: what is known already, and the columns that are needed.
        source: the file, for messages.
        is_tsv: whether its name says that tabs separate it.

    Raises:
        DataError: the file is empty, lacks a column, or its header is not closed.
    """
    if not head.strip():
        raise DataError(f"{source} is empty")
    candidates = [delimiter_of(layout.delimiter)] if layout.delimiter else list(_CANDIDATES)
    if is_tsv and not layout.delimiter:
        candidates = ["\t", *(c for c in candidates if c != "\t")]
    if layout.columns is not None:
        delimiter = candidates[0] if len(candidates) == 1 else _most_consistent(head, candidates)
        return _headerless(head, delimiter, layout, source)
    headers = [_header(head, candidate, layout) for candidate in candidates]
    needed = {name for role, name in layout.names.items() if role not in layout.optional}
    for found in headers:
        if needed <= set(found.names):
            layout.require([name for name in found.names if name], source)
            return found
    likely = headers[candidates.index(_most_consistent(head, candidates))]
    names = [name for name in likely.names if name]
    try:
        layout.require(names, source)
    except DataError as error:
        raise DataError(
            f"{error}; if the first line is no header, say what its columns are, such as "
            f"columns=user,item,rating"
        ) from None
    return likely


def _headerless(head: bytes, delimiter: str, layout: Layout, source: str) -> Dialect:
    first = head.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    fields = [field.strip().strip('"') for field in first.split(delimiter)]
    if _HEADER_WORDS.issuperset(_word(field) for field in fields[:2]):
        raise DataError(
            f"{source}, line 1 is {first.strip()!r}, which looks like a header; columns= is for files "
            "without one: name columns with user_column=, item_column=, rating_column= and timestamp_column="
        )
    columns = layout.columns or ()
    quote = layout.quote if layout.quote is not None else ("" if delimiter == "\t" else '"')
    names = tuple(name for column in columns for name in (column, *[""] * (len(delimiter) - 1)))
    return Dialect(delimiter[0], quote, names[: len(names) - len(delimiter) + 1], 0)


def _word(field: str) -> str:
    return field.lower().replace("_", "").replace(" ", "")


def _header(head: bytes, delimiter: str, layout: Layout) -> Dialect:
    blank = len(head) - len(head.lstrip(b"\r\n"))
    head, quote = head[blank:], layout.quote
    if quote is None:
        first = head[: head.find(b"\n") + 1 or len(head)]
        quote = "" if delimiter == "\t" and b'"' not in first else '"'
    end = _first_row_end(head, delimiter[0], quote)
    line = head[:end].decode("utf-8", "replace").rstrip("\r\n")
    how = {"quotechar": '"'} if quote else {"quoting": csv.QUOTE_NONE}
    fields = next(csv.reader([line], delimiter=delimiter[0], **how), [])
    return Dialect(delimiter[0], quote, tuple(field.strip() for field in fields), blank + end)


def _first_row_end(head: bytes, delimiter: str, quote: str) -> int:
    """The length of the first row: the first line end that is not within quotation marks."""
    end = head.find(b"\n") + 1
    try:
        while quote and end and quotes.complete_rows(head[:end], delimiter, final=False) < end:
            end = head.find(b"\n", end) + 1
    except quotes.UnclosedQuoteError:
        return head.find(b"\n") + 1
    return end or len(head)


def _most_consistent(head: bytes, candidates: list[str]) -> str:
    """The delimiter that gives the most lines the same number of fields, more than one."""
    lines = head[: head.rfind(b"\n") + 1 or len(head)].splitlines()[:_LINES_LOOKED_AT]

    def consistency(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter.encode()) for line in lines if line.strip()]
        most = max(set(counts), key=counts.count) if counts else 0
        return (counts.count(most), most) if most else (0, 0)

    return max(candidates, key=consistency)
