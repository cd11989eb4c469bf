"""Columns of any type as ids, ratings and times, each value checked.

An id is text. Each type has one form: text as it is; integers, and floats and decimals that are integers, in
decimal digits; `true` and `false`; dates and times as ISO 8601; binary as the UTF-8 text that it must be;
binary of 16 bytes as a UUID and of other fixed lengths in hexadecimal.
"""

import dataclasses
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Ids: TypeAlias = np.ndarray | pa.Array
_EXACT_BITS = {16: 11, 32: 24, 64: 53}  # up to which a float holds every integer
_MOST_DIGITS = 18
_NUMERIC = pa.decimal256(76, 20)
_TRUE, _FALSE = ("true", "t", "yes", "y"), ("false", "f", "no", "n")
_DECIMAL_COMMA = r"^[+-]?[0-9]+,[0-9]+$"
_THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+$"


class BadCellError(ValueError):
    """A value that cannot be used.

    Attributes:
        row: its position in the column; None where the whole column is of a type that cannot be used.
    """

    def __init__(self, row: int | None, message: str) -> None:
        super().__init__(message)
        self.row = row


def plain(column: pa.Array) -> pa.Array:
    """The column without dictionaries, extension types and views of text."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        is_numeric = getattr(column.type, "type_name", "") == "numeric"  # of PostgreSQL, which comes as text
        return column.storage.cast(_NUMERIC) if is_numeric else plain(column.storage)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_binary_view(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.binary())
    return column


def _first(mask: pa.Array) -> int | None:
    row = pc.index(mask, True).as_py()
    return row if row >= 0 else None


def _refuse(column: pa.Array, bad: pa.Array, must: str) -> None:
    row = _first(pc.fill_null(bad, True))
    if row is not None:
        value = column[row].as_py()
        shown = "empty" if value is None or value == "" else repr(value) if isinstance(value, str) else value
        raise BadCellError(row, f"is {shown}; it must be {must}")


def ids(column: pa.Array) -> Ids:
    """Ids, int64 or int32 [N] where each is an integer as Python would write it, otherwise string [N].

    Raises:
        BadCellError: an id is null, empty, no text, or a number that is no integer.
    """
    column = plain(column)
    if column.null_count:
        _refuse(column, pc.is_null(column), "an id")
    numbers = integers(column) if pa.types.is_string(column.type) else None
    if numbers is not None:
        return numbers
    text = _id_text(column)
    if isinstance(text, np.ndarray):
        return text
    numbers = None if pa.types.is_string(column.type) else integers(text)
    if numbers is not None:
        return numbers
    _refuse(text, pc.equal(pc.binary_length(text), 0), "an id")
    return text


def as_text(found: Ids) -> pa.StringArray:
    """Ids that may be integers as text."""
    return pa.array(found).cast(pa.string()) if isinstance(found, np.ndarray) else found


def ids_or_empty(column: pa.Array) -> Ids:
    """As `ids`, but null and empty text are empty text."""
    column = plain(column)
    return pc.fill_null(_id_text(column) if pa.types.is_string(column.type) else as_text(ids(column)), "")


def _id_text(column: pa.Array) -> Ids:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        try:
            return column.cast(pa.binary()).cast(pa.string())  # which validates it
        except pa.ArrowInvalid:
            row = next(r for r, value in enumerate(column.cast(pa.binary())) if not _is_utf8(value.as_py()))
            value = column.cast(pa.binary())[row].as_py()
            raise BadCellError(row, f"is {value!r}; it must be an id in UTF-8") from None
    if pa.types.is_integer(kind):
        if kind != pa.uint64() or (pc.max(column).as_py() or 0) < 1 << 63:
            return narrow(column.cast(pa.int64()).to_numpy(zero_copy_only=False))
        return column.cast(pa.string())
    if pa.types.is_floating(kind):
        values, bits = column.cast(pa.float64()), _EXACT_BITS[kind.bit_width]
        exact = pc.and_(
            pc.is_finite(values),
            pc.and_(pc.equal(values, pc.floor(values)), pc.less_equal(pc.abs(values), float(1 << bits))),
        )
        _refuse(values, pc.invert(exact), f"an integer of at most 2^{bits}, or the column text")
        return narrow(values.cast(pa.int64()).to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind):
        try:
            return column.cast(pa.decimal256(76, 0)).cast(pa.string())
        except pa.ArrowInvalid:
            row = next(r for r, v in enumerate(column.to_pylist()) if v != v.to_integral_value())
            raise BadCellError(
                row, f"is {column[row].as_py()}; it must be an integer, or the column text"
            ) from None
    if pa.types.is_boolean(kind) or pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        return column.cast(pa.string())
    if pa.types.is_date64(kind):
        return column.cast(pa.date32()).cast(pa.string())
    if pa.types.is_fixed_size_binary(kind):
        return _hexadecimal(column)
    raise BadCellError(None, f"is of type {kind}; ids must be text, numbers, dates, UUIDs or binary")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _hexadecimal(column: pa.Array) -> pa.Array:
    """Lower-case hexadecimal; with four dashes, as a UUID, where there are 16 bytes."""
    width = column.type.byte_width
    start = column.offset * width
    raw = np.frombuffer(column.buffers()[1], np.uint8)[start : start + len(column) * width].reshape(-1, width)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.empty((len(raw), 2 * width), np.uint8)
    text[:, 0::2], text[:, 1::2] = digits[raw >> 4], digits[raw & 15]
    if width == 16:
        dash = np.full((len(raw), 1), ord("-"), np.uint8)
        parts = np.split(text, [8, 12, 16, 20], axis=1)
        text = np.hstack([parts[0], dash, parts[1], dash, parts[2], dash, parts[3], dash, parts[4]])
    length = text.shape[1]
    flat = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(length), len(text), [None, pa.py_buffer(np.ascontiguousarray(text).tobytes())]
    )
    return flat.cast(pa.binary()).cast(pa.string())


def narrow(values: np.ndarray) -> np.ndarray:
    """Int32 where all values fit, otherwise int64."""
    fits = len(values) and np.iinfo(np.int32).min <= values.min() and values.max() <= np.iinfo(np.int32).max
    return values.astype(np.int32 if fits else np.int64)


def integers(text: pa.StringArray) -> np.ndarray | None:
    """Text as integers, or None if one is not as Python writes it (`007`, `+7`, ` 7`), or is too long."""
    count = len(text)
    if not count or text.null_count:
        return None
    buffers = text.buffers()
    offsets = np.frombuffer(buffers[1], np.int32)[text.offset : text.offset + count + 1]
    lengths = np.diff(offsets)
    if lengths.min() == 0 or lengths.max() > _MOST_DIGITS:
        return None
    letters = np.frombuffer(buffers[2], np.uint8)[offsets[0] : offsets[-1]]
    if (letters - ord("0") > 9).any():
        if not ((letters == ord("-")) | (letters - ord("0") <= 9)).all():
            return None
        if not pc.all(pc.match_substring_regex(text, r"^(0|-?[1-9][0-9]*)$")).as_py():
            return None
    elif ((letters[offsets[:-1] - offsets[0]] == ord("0")) & (lengths > 1)).any():
        return None
    return narrow(pc.cast(text, pa.int64()).to_numpy())


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Which rows count.

    Attributes:
        positive: bool [N]; None where every row counts.
        form: how they are written: 'boolean', 'comma', 'point', or 'whole' numbers.
    """

    positive: np.ndarray | None
    form: str


def ratings(column: pa.Array, threshold: float | None, decimal: str | None = None) -> Ratings:
    """Rows with rating > threshold, or, where ratings are boolean, those that are true.

    Args:
        column: of any type of number, boolean, or text that has either.
        threshold: None: every row counts, once its rating has been checked.
        decimal: of numbers in text: '.' or ','; None recognises it.

    Raises:
        BadCellError: a rating is null, no number, or not finite.
    """
    column, form = plain(column), "whole"
    if pa.types.is_string(column.type):
        column, form = _numbers(column, decimal)
    if pa.types.is_boolean(column.type):
        _refuse(column, pc.is_null(column), "true or false")
        return Ratings(None if threshold is None else column.to_numpy(zero_copy_only=False), "boolean")
    if not (_is_number(column.type)):
        raise BadCellError(None, f"is of type {column.type}; ratings must be numbers, or true and false")
    values = column.cast(pa.float64(), safe=False)
    numbers = values.to_numpy(zero_copy_only=False)
    if column.null_count or not np.isfinite(numbers).all():
        _refuse(column, pc.invert(pc.is_finite(values)), "a finite number")
    if form == "whole" and (numbers != np.rint(numbers)).any():
        form = "point"
    return Ratings(None if threshold is None else numbers > threshold, form)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _numbers(text: pa.StringArray, decimal: str | None) -> tuple[pa.Array, str]:
    """Text as float64, or as booleans where each is a word for true or false; and how they are written."""
    trimmed = pc.utf8_trim_whitespace(text)
    lower = pc.utf8_lower(trimmed)
    words = pc.is_in(lower, pa.array(_TRUE + _FALSE))
    if len(text) and pc.all(words).as_py():
        return pc.is_in(lower, pa.array(_TRUE)), "boolean"
    commas = pc.fill_null(pc.match_substring_regex(trimmed, _DECIMAL_COMMA), False)
    form = "whole"
    if decimal != "." and pc.any(commas).as_py():
        form = "comma"
        if decimal is None and pc.all(pc.match_substring_regex(trimmed.filter(commas), _THOUSANDS)).as_py():
            _refuse(
                text, commas, "written without commas between thousands, or, if they are decimal, decimal=,"
            )
    points = pc.fill_null(pc.match_substring(trimmed, "."), False)
    if (form == "comma" or decimal == ",") and pc.any(points).as_py():
        _refuse(text, points, "a number with a decimal comma, as others of its column, or decimal=.")
    numbers = (
        pc.if_else(commas, pc.replace_substring(trimmed, ",", "."), trimmed) if form == "comma" else trimmed
    )
    return _parsed(text, numbers), form


def _parsed(text: pa.StringArray, numbers: pa.StringArray) -> pa.Array:
    try:
        return numbers.cast(pa.float64())
    except pa.ArrowInvalid:
        for row, number in enumerate(numbers.to_pylist()):
            try:
                pa.scalar(number).cast(pa.float64())
            except pa.ArrowInvalid:
                value = text[row].as_py()
                shown = "empty" if not value else repr(value)
                raise BadCellError(row, f"is {shown}; it must be a finite number") from None
        raise
