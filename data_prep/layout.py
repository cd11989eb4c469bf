"""Where the columns of interactions stand in a file, and how the file is written."""

import dataclasses

from data_prep.errors import DataError

ROLES = ("user", "item", "rating", "timestamp")
TIMESTAMP_UNITS = ("s", "ms", "us", "ns")
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the columns are; what is None is recognised from the file.

    Attributes:
        user: name of the column of user ids.
        item: name of the column of item ids.
        rating: name of the column of ratings; '' if there is none.
        timestamp: name of the column of times; '' if it is not to be read.
        delimiter: between the fields of a text file: one character, or one that is repeated, as '::'.
        quote: '"' where quotation marks enclose fields, '' where they are part of the text. None: they
            enclose, but not in files that are separated by tabs and whose header has none.
        encoding: of a text file, by its name in Python.
        decimal: '.' or ',' between the whole and the fraction of a rating.
        columns: of a text file without a header, the names of its columns in their order.
        timestamp_unit: of times that are numbers: s, ms, us or ns.

    Examples:
        >>> Layout(user="customer", item="article", rating="", delimiter=";")
    """

    user: str = "userId"
    item: str = "movieId"
    rating: str = ""
    timestamp: str = ""
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    columns: tuple[str, ...] | None = None
    timestamp_unit: str | None = None

    @property
    def optional(self) -> tuple[str, ...]:
        """Roles whose column need not be there."""
        return ()

    @property
    def names(self) -> dict[str, str]:
        """Role -> name of the column, of those that are read."""
        return {role: getattr(self, role) for role in ROLES if getattr(self, role)}

    def require(self, present: list[str], source: str) -> None:
        """Refuses a file that lacks a column, or has one that is read twice.

        Args:
            present: the names of the columns in the file.
            source: the file, for messages.

        Raises:
            DataError: naming the column and those that there are.
        """
        for role, name in self.names.items():
            if name not in present:
                if role in self.optional:
                    continue
                raise DataError(
                    f"{source} has no column {name!r}; its columns are {', '.join(present)}; name the "
                    f"column of "
                    f"{role}s with {role}_column=NAME" + ("" if role != "rating" else ", '' if there is none")
                )
            if present.count(name) > 1:
                raise DataError(
                    f"{source} has the column {name!r} {present.count(name)} times; it must be there once"
                )


def delimiter_of(text: str) -> str:
    """The delimiter that a word stands for: 'tab' for a tab, and so on.

    Raises:
        DataError: it is not one character, nor one that is repeated.
    """
    delimiter = _DELIMITER_NAMES.get(text, text)
    if len(set(delimiter)) != 1 or not delimiter.isascii() or delimiter in ('"', "\n", "\r"):
        raise DataError(f"delimiter is {text!r}; it must be one ASCII character, such as ';' or 'tab'")
    return delimiter


def columns_of(text: str) -> tuple[str, ...]:
    """The names of a headerless file's columns, from names or positions.

    Args:
        text: 'user,item,-,rating': the role of each column in order, '-' for one that is not read; or
            '1,2,4': at which positions, from 1, user, item, rating and timestamp stand.

    Raises:
        DataError: it names no user or no item, a role twice, or neither roles nor positions.
    """
    words = [word.strip() for word in text.split(",")]
    problem = f"columns is {text!r}; it must be such as 'user,item,rating' or, by position, '1,2,3'"
    if all(word.isdecimal() for word in words):
        positions = [int(word) for word in words]
        if len(set(positions)) != len(positions) or min(positions) < 1 or not 2 <= len(positions) <= 4:
            raise DataError(problem)
        roles = dict(zip(positions, ROLES, strict=False))
        return tuple(roles.get(position, "-") for position in range(1, max(positions) + 1))
    known = [word for word in words if word in ROLES]
    if len(set(known)) != len(known) or not {"user", "item"} <= set(known):
        raise DataError(problem)
    if any(word not in ROLES and word not in ("-", "") for word in words):
        raise DataError(f"{problem}; '-' stands for a column that is not read")
    return tuple(word if word in ROLES else "-" for word in words)
