"""Times in numbers, text or Arrow's own types, as integers or floats that can be ordered."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.errors import DataError
from data_prep.layout import TIMESTAMP_UNITS
from data_prep.readers.cells import BadCellError, plain

_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# Seconds until the year 5138, milliseconds from 1973 to 5138, and so on.
_MAGNITUDES = np.array([1e11, 1e14, 1e17])
_MUST = "a finite number, or a time such as 2020-01-31T12:00:00Z"


@dataclasses.dataclass(frozen=True)
class Times:
    """Times of a block of rows.

    Attributes:
        values: int64 or float64 [N].
        are_instants: whether they are nanoseconds since 1970, not numbers of a unit that is to be found.
        have_zone: whether a zone was written beside the instants; None where it does not matter.
    """

    values: np.ndarray
    are_instants: bool
    have_zone: bool | None = None


def times(column: pa.Array) -> Times:
    """Times of one column.

    Args:
        column: numbers, dates, timestamps, or text with numbers or ISO 8601 (`T` or a space before the time;
            what has no zone is taken as UTC).

    Raises:
        BadCellError: a time is null, not finite, or in none of these forms.
    """
    column = plain(column)
    nulls = pc.is_null(column)
    if pc.any(nulls).as_py():
        raise BadCellError(pc.index(nulls, True).as_py(), f"is empty; it must be {_MUST}")
    kind = column.type
    if pa.types.is_string(kind):
        return _of_text(column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        try:
            values = column.cast(pa.timestamp("ns", zone)).cast(pa.int64()).to_numpy()
            return Times(values, True, None if pa.types.is_date(kind) else zone is not None)
        except pa.ArrowInvalid:
            seconds = pc.abs(column.cast(pa.timestamp("s", zone), safe=False).cast(pa.int64()))
            row = pc.index(pc.greater(seconds, 9_200_000_000), True).as_py()
            raise BadCellError(
                row, f"is {column[row]}; it must lie between the years 1678 and 2262"
            ) from None
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return Times(column.cast(pa.int64()).to_numpy(), False)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or kind == pa.uint64():
        values = column.cast(pa.float64(), safe=False)
        finite = pc.is_finite(values)
        if not pc.all(finite).as_py():
            row = pc.index(finite, False).as_py()
            raise BadCellError(row, f"is {values[row].as_py()}; it must be {_MUST}")
        return Times(values.to_numpy(), False)
    raise BadCellError(None, f"is of type {kind}; times must be numbers, timestamps, dates or text")


def _of_text(text: pa.StringArray) -> Times:
    trimmed = pc.utf8_trim_whitespace(text)
    for number in (pa.int64(), pa.float64()):
        try:
            return times(trimmed.cast(number))
        except pa.ArrowInvalid:
            continue
    for moment in (pa.timestamp("ns", "UTC"), pa.timestamp("ns")):
        try:
            return Times(trimmed.cast(moment).cast(pa.int64()).to_numpy(), True, moment.tz is not None)
        except pa.ArrowInvalid:
            continue
    first = next(form for form in map(_form, trimmed.to_pylist()))
    for row, value in enumerate(trimmed.to_pylist()):
        form = _form(value)
        if form is None:
            shown = "empty" if not value else repr(text[row].as_py())
            raise BadCellError(row, f"is {shown}; it must be {_MUST}")
        if form != first:
            raise BadCellError(
                row, f"is {text[row].as_py()!r}, {form}, where the first is {first}; they must be alike"
            )
    raise BadCellError(None, "has times that cannot be read together")


def _form(value: str) -> str | None:
    forms = {
        "a number": pa.float64(),
        "a time with a zone": pa.timestamp("ns", "UTC"),
        "a time without a zone": pa.timestamp("ns"),
    }
    for name, kind in forms.items():
        try:
            pa.scalar(value).cast(kind)
        except pa.ArrowInvalid:
            continue
        return name
    return None


def joined(blocks: list[Times], unit: str | None, source: str) -> np.ndarray:
    """All times of a dataset as numbers that can be ordered, int64 or float64 [N].

    Numbers alone stay as they are: their unit does not change their order. Beside instants they become
    nanoseconds.

    Args:
        blocks: in the order of the rows.
        unit: of numbers: s, ms, us or ns; None finds it from their size.
        source: what was read, for messages.

    Raises:
        DataError: numbers are of several units, or too large for nanoseconds; or some times have a zone and
            others do not.
    """
    if {True, False} <= {block.have_zone for block in blocks}:
        raise DataError(f"{source} has times with a zone and times without one; they must be alike")
    numbers = [block.values for block in blocks if not block.are_instants]
    if unit is None and numbers:
        unit = _unit(numbers, source)
    if len(numbers) in (0, len(blocks)):
        return np.concatenate([block.values for block in blocks])
    factor = _NANOSECONDS[unit or "s"]
    if any((np.abs(values) >= 2**63 / factor).any() for values in numbers):
        raise DataError(
            f"{source} has times in {unit} beyond the year 2262; name their unit with timestamp_unit="
        )
    return np.concatenate(
        [b.values if b.are_instants else (b.values * factor).astype(np.int64) for b in blocks]
    )


def _unit(numbers: list[np.ndarray], source: str) -> str:
    """The one unit that the size of the numbers tells; 0 tells nothing."""
    smallest: list[float] = []
    largest: list[float] = []
    for values in numbers:
        sizes = np.abs(values[values != 0])
        if len(sizes):
            smallest.append(sizes.min())
            largest.append(sizes.max())
    if not smallest:
        return "s"
    units = [
        TIMESTAMP_UNITS[np.searchsorted(_MAGNITUDES, x, side="right")] for x in (min(smallest), max(largest))
    ]
    if units[0] != units[1]:
        raise DataError(
            f"{source} has times from {min(smallest)} to {max(largest)}: some look like {units[0]}, some "
            f"like "
            f"{units[1]}; name their unit, such as timestamp_unit={units[1]}"
        )
    return units[0]
