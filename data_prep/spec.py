"""All that determines a prepared dataset beside the raw data itself."""

import codecs
import dataclasses
import math

from data_prep.errors import DataError
from data_prep.layout import TIMESTAMP_UNITS, Layout, columns_of, delimiter_of

PROTOCOLS = ("strong", "temporal")
# What a folder that has been split already cannot obey.
_OF_RAW_DATA = (
    "user_column",
    "rating_column",
    "timestamp_column",
    "threshold",
    "min_item_users",
    "min_user_items",
    "heldout_users",
    "protocol",
    "split_seed",
    "columns",
    "delimiter",
    "quote",
    "encoding",
    "decimal",
    "timestamp_unit",
    "query",
    "append",
    "heldout_from",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """All that determines a prepared dataset beside the raw data itself.

    Attributes:
        name: of the dataset, and of its folder.
        source: the module of `data_prep.sources` that reads it.
        path: the file, folder, pattern or database of the raw data; None means the data folder's own place
            for it.
        user_column: name of the column, for `table` and `database`; likewise the next three.
        item_column: raw item ids.
        rating_column: '' where there is none: then every row is a positive.
        timestamp_column: read by the temporal protocol only.
        threshold: rows with rating > threshold are positives; None means every row. Of ratings that are true
            or false, the true ones are positives.
        min_item_users: items with fewer positives are dropped first.
        min_user_items: users with fewer positives are dropped next; items are not looked at again.
        heldout_users: validation users, and as many test users; None means a tenth of all on either side, at
            most 10,000. The temporal protocol does not use it.
        protocol: strong (held-out users) or temporal (each user's last interactions).
        split_seed: of the split; 98765 in the code of Liang et al. 2018.
        titles: a CSV with the item column and `title`; None means movies.csv beside the ratings, if any.
        columns: of text files without a header: 'user,item,-,rating', or positions from 1 of user, item,
            rating and timestamp, as '1,2,4'.
        delimiter: of text files; None recognises it. Likewise the next four.
        quote: '"' where quotation marks enclose fields, '' where they are letters.
        encoding: such as windows-1252.
        decimal: '.' or ',' in ratings.
        timestamp_unit: s, ms, us or ns, of times that are numbers.
        query: SQL whose result is read, of a database.
        append: further files, read after the raw data; the users that the raw data alone holds out stay held
            out.
        heldout_from: folder of a prepared dataset whose validation and test users are to be these here too.

    Examples:
        >>> DatasetSpec(name="mine", source="table", path="mine.csv", threshold=None)
    """

    name: str
    source: str
    path: str | None = None
    user_column: str = "userId"
    item_column: str = "movieId"
    rating_column: str = "rating"
    timestamp_column: str = "timestamp"
    threshold: float | None = 3.5
    min_item_users: int = 0
    min_user_items: int = 5
    heldout_users: int | None = None
    protocol: str = "strong"
    split_seed: int = 98765
    titles: str | None = None
    columns: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    timestamp_unit: str | None = None
    query: str | None = None
    append: tuple[str, ...] = ()
    heldout_from: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "append", tuple(self.append))
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise DataError(f"threshold is {self.threshold}; it must be a finite number")
        for field, least in (("min_item_users", 0), ("min_user_items", 0), ("heldout_users", 1)):
            value = getattr(self, field)
            if value is not None and value < least:
                raise DataError(f"{field} is {value}; it must be at least {least}")
        choices = {
            "protocol": PROTOCOLS,
            "decimal": (None, ".", ","),
            "quote": (None, '"', ""),
            "timestamp_unit": (None, *TIMESTAMP_UNITS),
        }
        for field, allowed in choices.items():
            value = getattr(self, field)
            if value not in allowed:
                shown = ", ".join(
                    repr(a) if a in ("", '"', ".", ",") else str(a) for a in allowed if a is not None
                )
                raise DataError(f"{field} is {value!r}; it must be one of {shown}")
        if self.delimiter is not None:
            delimiter_of(self.delimiter)
        if self.columns is not None:
            columns_of(self.columns)
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise DataError(
                    f"encoding is {self.encoding!r}; it must be one that Python knows, such as windows-1252"
                ) from None
        if self.append and self.heldout_from:
            raise DataError(
                "append and heldout_from exclude each other: append holds out whom the old data does"
            )
        if self.source == "pro_sg":
            self._require_defaults()

    def _require_defaults(self) -> None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        require_obeyed(
            {f: getattr(self, f) for f in _OF_RAW_DATA if getattr(self, f) != defaults[f]}, self.name
        )

    def layout(self) -> Layout:
        """Where its columns are; times are only read where the protocol needs them."""
        columns = columns_of(self.columns) if self.columns else None
        names = {role: getattr(self, f"{role}_column") for role in ("user", "item", "rating", "timestamp")}
        if columns:
            names = {role: role if role in columns else "" for role in names}
            if self.protocol == "temporal" and not names["timestamp"]:
                raise DataError(
                    f"columns is {self.columns!r}; protocol=temporal needs a timestamp among them"
                )
        if self.protocol != "temporal":
            names["timestamp"] = ""
        return Layout(
            **names,
            delimiter=self.delimiter,
            quote=self.quote,
            encoding=self.encoding,
            decimal=self.decimal,
            columns=columns,
            timestamp_unit=self.timestamp_unit,
        )


def require_obeyed(given: dict[str, object], name: str) -> None:
    """Refuses settings that a folder which has been split already cannot obey.

    Args:
        given: settings by name.
        name: of the dataset, for the message.

    Raises:
        DataError: naming the first such setting.
    """
    for field, value in given.items():
        if field in _OF_RAW_DATA and (field, value) not in (("protocol", "strong"), ("split_seed", 98765)):
            raise DataError(
                f"{name} is a pro_sg folder, which is filtered and split already: {field}={value} cannot "
                f"be obeyed; "
                "leave it out"
            )
