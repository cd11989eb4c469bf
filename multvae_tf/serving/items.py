"""The catalogue of a model: of each item its raw id, its title, and how many training users have it."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multvae_tf.errors import RunError
from multvae_tf.files import write_atomically

_COLUMNS = ("item_id", "title", "num_train_users")


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """What is known of each item, by its number; `Items.of` makes it from plain sequences.

    Attributes:
        ids: raw ids, str in an object array [num_items]; kept to the byte.
        titles: for people, '' where there is none, likewise.
        num_train_users: int64 [num_items]; the ranking for a user of whom nothing is known.

    Raises:
        RunError: the lengths differ, an id is empty, occurs twice or is no text in UTF-8.

    Examples:
        >>> from multvae_tf import Items
        >>> items = Items.of(["007", "7"], ["Dr. No", ""], [12, 3])
        >>> items.ids.tolist()
        ['007', '7']
    """

    ids: np.ndarray
    titles: np.ndarray
    num_train_users: np.ndarray

    def __post_init__(self) -> None:
        for name, values in (("titles", self.titles), ("num_train_users", self.num_train_users)):
            if len(values) != len(self.ids):
                raise RunError(f"there are {len(values)} {name}, but {len(self.ids)} item ids")
        seen = set()
        for number, item_id in enumerate(self.ids):
            if item_id == "":
                raise RunError(f"the id of item number {number} is empty, which means padding in requests")
            if item_id in seen:
                raise RunError(f"the item id {item_id!r} occurs twice")
            seen.add(item_id)
        for name, values in (("id", self.ids), ("title", self.titles)):
            for number, text in enumerate(values):
                if not _is_utf8(text):
                    raise RunError(f"the {name} of item number {number}, {text!r}, is no text in UTF-8")

    @classmethod
    def of(
        cls,
        ids: Sequence[str] | np.ndarray,
        titles: Sequence[str] | np.ndarray | None,
        num_train_users: Sequence[int] | np.ndarray,
    ) -> "Items":
        """The items of plain sequences, in the order of the model's columns; titles may be None."""
        if titles is None:
            titles = [""] * len(ids)
        return cls(_texts(ids), _texts(titles), np.asarray(num_train_users, np.int64))

    def write(self, path: Path) -> None:
        """Writes a CSV file with the columns item_id, title and num_train_users, all or nothing."""

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(_COLUMNS)
                writer.writerows(zip(self.ids, self.titles, self.num_train_users.tolist(), strict=True))

        write_atomically(path, write)

    @classmethod
    def read(cls, path: Path) -> "Items":
        """The inverse of `write`.

        Raises:
            RunError: the file is missing or damaged.
        """
        ids, titles, counts = [], [], []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.reader(file)
                if tuple(next(reader, ())) != _COLUMNS:
                    raise ValueError(f"its columns are not {', '.join(_COLUMNS)}")
                for item_id, title, count in reader:
                    ids.append(item_id)
                    titles.append(title)
                    counts.append(int(count))
        except FileNotFoundError:
            raise RunError(f"{path} is missing: it holds the ids of the items") from None
        except (ValueError, csv.Error) as error:
            raise RunError(f"{path} is damaged near line {len(ids) + 2}: {error}") from None
        return cls.of(ids, titles, counts)


def _texts(values: Sequence[str] | np.ndarray) -> np.ndarray:
    texts = np.empty(len(values), object)
    texts[:] = [str(value) for value in values]
    return texts


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
