"""Raw data that has been found but not been read."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data_prep.errors import DataError
from data_prep.splits import Split
from data_prep.table import InteractionTable
from data_prep.titles import TitleFile


@dataclasses.dataclass(frozen=True)
class RawData:
    """Raw data that has been found but not been read.

    Attributes:
        source: what it is called in messages.
        identity: JSON value that changes when the data does; None where only reading all of it would tell.
        read: reads it; what is split already comes as a split.
        titles: the file that has the titles, None where there is none.
        titles_of_its_own: titles that need no file.

    Examples:
        >>> raw = data_prep.sources.locate(spec, "data")
        >>> table = raw.read()
    """

    source: str
    identity: list[Any] | None
    read: Callable[[], InteractionTable | Split]
    titles: TitleFile | None = None
    titles_of_its_own: Callable[[], dict[str, str]] | None = None

    def read_titles(self) -> dict[str, str] | None:
        """Raw item id -> title, or None where there are none."""
        if self.titles:
            return self.titles.read()
        return self.titles_of_its_own() if self.titles_of_its_own else None


def how_to_get(name: str, url: str, files: str, place: Path, why: str = "") -> DataError:
    """The error that says what to fetch, from where, and where to put it."""
    reason = f" ({why})" if why else ""
    return DataError(
        f"{name} is not here{reason}: fetch it from {url} and put {files} into {place}, or name another "
        f"place "
        "with raw_path=PATH"
    )
