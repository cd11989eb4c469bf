"""Quotation marks in a CSV: where the rows end, and whether every mark that opens a field closes it.

A quoted field begins with a mark at the start of the field and ends with one before a delimiter or a line's
end; two marks within stand for one (RFC 4180). Elsewhere in a field that is not quoted, a mark is a letter
as any.
"""

import numpy as np

_QUOTE, _NEWLINE, _RETURN = ord('"'), ord("\n"), ord("\r")


class UnclosedQuoteError(ValueError):
    """A quotation mark opens a field and does not close it.

    Attributes:
        offset: of the mark in the data.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(f"the quotation mark at byte {offset} is not closed")
        self.offset = offset


def complete_rows(data: bytes, delimiter: str, *, final: bool) -> int:
    """How many bytes of `data`, which begins with a row, are complete rows.

    Args:
        data: UTF-8 text.
        delimiter: one ASCII character.
        final: whether the file ends here, so that the last row needs no line end.

    Raises:
        UnclosedQuoteError: a field that is quoted goes on after its closing mark, or, at the end of the
            file, has none.
    """
    if b'"' not in data:
        return len(data) if final else data.rfind(b"\n") + 1
    content = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(content == _QUOTE)
    field_ends = (ord(delimiter), _NEWLINE, _RETURN)
    opens = (marks == 0) | np.isin(content[marks - 1], field_ends)
    at_end = marks == len(content) - 1
    after = content[np.minimum(marks + 1, len(content) - 1)]
    closes = at_end | np.isin(after, field_ends)
    doubled = ~at_end & (after == _QUOTE)
    starts, ends = _in_turn(marks, opens, closes, doubled)
    if starts is None:
        starts, ends = _one_by_one(marks, opens, closes, doubled)
    if final:
        if len(starts) > len(ends):
            number = len(starts) - 1
            while number and starts[number] == ends[number - 1] + 1:  # a doubled mark within the field
                number -= 1
            raise UnclosedQuoteError(int(starts[number]))
        return len(data)
    return _last_line_end(data, content, starts, ends)


def _in_turn(
    marks: np.ndarray, opens: np.ndarray, closes: np.ndarray, doubled: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray]:
    """Where quoted text starts and ends if each mark opens or closes in turn; a doubled mark does both."""
    reopens = np.zeros(len(opens), bool)
    reopens[1:] = doubled[:-1]
    if not ((opens | reopens)[0::2].all() and (closes | doubled)[1::2].all()):
        return None, marks
    return marks[0::2], marks[1::2]


def _one_by_one(
    marks: np.ndarray, opens: np.ndarray, closes: np.ndarray, doubled: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same where some marks are letters of fields that are not quoted."""
    starts, ends = [], []
    positions, can_open, can_close, is_doubled = (a.tolist() for a in (marks, opens, closes, doubled))
    number, inside = 0, False
    while number < len(positions):
        if not inside and can_open[number]:
            inside = True
            starts.append(positions[number])
        elif inside and is_doubled[number]:
            number += 1
        elif inside and can_close[number]:
            inside = False
            ends.append(positions[number])
        elif inside:
            raise UnclosedQuoteError(starts[-1])
        number += 1
    return np.array(starts, np.int64), np.array(ends, np.int64)


def _last_line_end(data: bytes, content: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> int:
    """One past the last line end that is not within quotation marks; 0 where there is none."""
    if len(starts) == len(ends) and len(ends):
        after_all = data.rfind(b"\n", int(ends[-1])) + 1
        if after_all:
            return after_all
    line_ends = np.flatnonzero(content == _NEWLINE)
    outside = np.searchsorted(starts, line_ends) == np.searchsorted(ends, line_ends)
    return int(line_ends[outside][-1]) + 1 if outside.any() else 0
