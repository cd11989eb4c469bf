"""The catalogue of a model: of each item its raw id, its title and how many training users have it."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multvae_tf.errors import RunError
from multvae_tf.files import write_atomically

_COLUMNS = ["item_id", "title", "num_train_users"]


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """By item number: raw ids, titles, popularity."""

    ids: np.ndarray
    titles: np.ndarray
    num_train_users: np.ndarray

    @classmethod
    def of(cls, ids: Sequence[str], titles: Sequence[str] | None, num_train_users: np.ndarray) -> "Items":
        """Items from plain sequences."""
        titles = [""] * len(ids) if titles is None else titles
        return cls(np.array(list(ids), object), np.array(list(titles), object), np.asarray(num_train_users))

    def write(self, path: Path) -> None:
        """Writes a CSV."""

        def write(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(_COLUMNS)
                writer.writerows(zip(self.ids, self.titles, self.num_train_users.tolist(), strict=True))

        write_atomically(path, write)

    @classmethod
    def read(cls, path: Path) -> "Items":
        """Reads it."""
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))[1:]
            ids, titles, counts = zip(*rows, strict=True)
            return cls.of(ids, titles, np.array([int(count) for count in counts]))
        except (ValueError, OSError) as error:
            raise RunError(f"{path} is damaged: {error}") from error
