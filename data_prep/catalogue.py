"""The datasets by name, and any file of interactions by its path."""

import dataclasses
import difflib
import math
import re
from pathlib import Path
from typing import Any

from data_prep.errors import DataError

PROTOCOLS = ("strong", "temporal")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """All that determines a prepared dataset beside the raw data itself.

    Attributes:
        name: of the dataset, and of its folder.
        source: which reader: demo, movielens, netflix, msd, table (CSV or Parquet) or pro_sg.
        path: the file or folder of the raw data; None means the data folder's own place for it.
        user_column: name of the column, for `table`; likewise the next three.
        item_column: raw item ids.
        rating_column: '' where there is none: then every row is a positive.
        timestamp_column: read by the temporal protocol only.
        threshold: rows with rating > threshold are positives; None means every row.
        min_item_users: items with fewer positives are dropped first.
        min_user_items: users with fewer positives are dropped next; items are not looked at again.
        heldout_users: validation users, and as many test users; None means a tenth of all on either side, at
            most 10,000. The temporal protocol does not use it.
        protocol: strong (held-out users) or temporal (each user's last interactions).
        split_seed: of the split; 98765 in the code of Liang et al. 2018.
        titles: a CSV with the item column and `title`; None means movies.csv beside the ratings, if any.
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

    def __post_init__(self) -> None:
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise DataError(f"threshold is {self.threshold}; it must be a finite number")
        for field, least in (("min_item_users", 0), ("min_user_items", 0), ("heldout_users", 1)):
            value = getattr(self, field)
            if value is not None and value < least:
                raise DataError(f"{field} is {value}; it must be at least {least}")
        if self.protocol not in PROTOCOLS:
            raise DataError(f"protocol is {self.protocol!r}; it must be one of {', '.join(PROTOCOLS)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A dataset that is known by name.

    Attributes:
        spec: its defaults.
        citation: whom to cite.
        url: where its owner offers it; '' for the demo.
        tfds: name in tensorflow-datasets; '' where it has none.
        expected: counts after the filters, as published: users, items, events, and items of the train users.
    """

    spec: DatasetSpec
    citation: str
    url: str = ""
    tfds: str = ""
    expected: dict[str, int] = dataclasses.field(default_factory=dict)


def _movielens(
    name: str, folder: str, heldout_users: int, tfds: str = "", expected: dict[str, int] | None = None
) -> CatalogueEntry:
    return CatalogueEntry(
        spec=DatasetSpec(name=name, source="movielens", heldout_users=heldout_users),
        citation="Harper & Konstan 2015, The MovieLens Datasets: History and Context",
        url=f"https://files.grouplens.org/datasets/movielens/{folder}.zip",
        tfds=tfds,
        expected=expected or {},
    )


CATALOGUE: dict[str, CatalogueEntry] = {
    "demo": CatalogueEntry(
        spec=DatasetSpec(name="demo", source="demo", threshold=None, heldout_users=300),
        citation="drawn from the generative process of Liang et al. 2018, section 2.1",
    ),
    "ml100k": _movielens("ml100k", "ml-100k", 100, "movielens/100k-ratings"),
    "ml1m": _movielens("ml1m", "ml-1m", 750, "movielens/1m-ratings"),
    "ml10m": _movielens("ml10m", "ml-10m", 5_000),
    "ml20m": _movielens(
        "ml20m",
        "ml-20m",
        10_000,
        "movielens/20m-ratings",
        {"users": 136_677, "items": 20_720, "events": 9_990_682, "train_items": 20_108},
    ),
    "ml25m": _movielens("ml25m", "ml-25m", 10_000, "movielens/25m-ratings"),
    "ml32m": _movielens("ml32m", "ml-32m", 10_000),
    "netflix": CatalogueEntry(
        spec=DatasetSpec(name="netflix", source="netflix", heldout_users=40_000),
        citation="Bennett & Lanning 2007, The Netflix Prize",
        url="https://archive.org/details/nf_prize_dataset.tar",
        expected={"users": 463_435, "items": 17_769, "events": 56_880_037},
    ),
    "msd": CatalogueEntry(
        spec=DatasetSpec(
            name="msd",
            source="msd",
            threshold=None,
            min_item_users=200,
            min_user_items=20,
            heldout_users=50_000,
        ),
        citation="Bertin-Mahieux et al. 2011, The Million Song Dataset",
        url="http://labrosa.ee.columbia.edu/~dpwe/tmp/train_triplets.txt.zip",
        expected={"users": 571_355, "items": 41_140, "events": 33_633_450},
    ),
}


def resolve(name_or_path: str, **overrides: Any) -> DatasetSpec:
    """The spec of a dataset.

    Args:
        name_or_path: a name of the catalogue (`ml20m` and `ml-20m` are the same), a CSV or Parquet file
            (plain, .gz or .zip), or a pro_sg folder.
        **overrides: fields of `DatasetSpec`; those that are None keep their default.

    Raises:
        DataError: there is no such dataset or file, or a field is out of range.
    """
    given = {field: value for field, value in overrides.items() if value is not None}
    if given.get("rating_column") == "":
        given["threshold"] = None
    entry = CATALOGUE.get(re.sub(r"[-_]", "", name_or_path.lower()))
    if entry:
        return dataclasses.replace(entry.spec, **given)
    path = Path(name_or_path)
    if path.is_dir():
        if not (path / "unique_sid.txt").exists():
            raise DataError(f"{path} is a folder without unique_sid.txt: it is not a pro_sg folder")
        return DatasetSpec(name=_name_of(path), source="pro_sg", path=str(path), **given)
    if path.is_file():
        return DatasetSpec(name=_name_of(path), source="table", path=str(path), **given)
    close = difflib.get_close_matches(name_or_path, CATALOGUE, n=1)
    hint = f"; did you mean {close[0]}?" if close else f"; the catalogue has {', '.join(CATALOGUE)}"
    raise DataError(f"there is no dataset or file {name_or_path!r}{hint}")


def _name_of(path: Path) -> str:
    """A folder name for a file: its stem, or its folder's name where the stem is just 'ratings'."""
    stem = path.name.split(".")[0]
    name = path.resolve().parent.name if stem in ("ratings", "pro_sg") else stem
    return re.sub(r"[^\w-]+", "-", name).strip("-") or "dataset"
