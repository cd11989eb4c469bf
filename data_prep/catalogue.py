"""The datasets by name, and any file, folder or database of interactions by its path."""

import dataclasses
import difflib
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep import database_url
from data_prep.errors import DataError
from data_prep.layout import columns_of
from data_prep.spec import PROTOCOLS, DatasetSpec, require_obeyed

__all__ = ["CATALOGUE", "PROTOCOLS", "CatalogueEntry", "DatasetSpec", "published_name", "resolve"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A dataset that is known by name.

    Attributes:
        spec: its defaults.
        citation: whom to cite.
        url: where its owner offers it; '' for the demo.
        expected: counts after the filters, as published: users, items, events, and items of the train users.
        checksum: size and sha256 of what is fetched; None: as tensorflow-datasets has registered it.
        pro_sg_hashes: of the files of the split in the format of Liang et al.'s code, made by their
            procedure: as 'sha256:...' or, as git names a file's content, 'git:...'.

    Examples:
        >>> CATALOGUE["ml20m"].expected["users"]
        136677
    """

    spec: DatasetSpec
    citation: str
    url: str = ""
    checksum: tuple[int, str] | None = None
    expected: dict[str, int] = dataclasses.field(default_factory=dict)
    pro_sg_hashes: dict[str, str] = dataclasses.field(default_factory=dict)


def _movielens(name: str, folder: str, heldout_users: int, **published: Any) -> CatalogueEntry:
    return CatalogueEntry(
        spec=DatasetSpec(name=name, source="movielens", heldout_users=heldout_users),
        citation="Harper & Konstan 2015, The MovieLens Datasets: History and Context",
        url=f"https://files.grouplens.org/datasets/movielens/{folder}.zip",
        **published,
    )


CATALOGUE: dict[str, CatalogueEntry] = {
    "demo": CatalogueEntry(
        spec=DatasetSpec(name="demo", source="demo", threshold=None, heldout_users=300),
        citation="drawn from the generative process of Liang et al. 2018, section 2.1",
    ),
    "ml100k": _movielens("ml100k", "ml-100k", 100),
    "ml1m": _movielens("ml1m", "ml-1m", 750),
    "ml10m": _movielens("ml10m", "ml-10m", 5_000),
    "ml20m": _movielens(
        "ml20m",
        "ml-20m",
        10_000,
        expected={"users": 136_677, "items": 20_720, "events": 9_990_682, "train_items": 20_108},
        # Of a public split that a third party made by the reference's procedure.
        pro_sg_hashes={
            "unique_sid.txt": "sha256:b9f95107e156c2feaf78439ae302001abf13bdb480aeedcb0e4d8382f2f8b76f",
            "train.csv": "git:f34423346c487fc7ec0e1d5612ef3042e26b0262",
            "validation_tr.csv": "git:c7a10bf71010b5b2691b2ff91e9b01ecc880f5eb",
            "validation_te.csv": "sha256:bec3f6dfbe876ec2224e98458ffe2ff74c453ef1894644757c1e3ca747a26adf",
            "test_tr.csv": "git:aaa793b3e90aa41adb65de181d069b0ec9a7f76a",
            "test_te.csv": "sha256:df4a9ddc77c79bab4a581adec7ff1487de146d47b42c35c393696842252435c2",
        },
    ),
    "ml25m": _movielens("ml25m", "ml-25m", 10_000),
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


def resolve(name_or_path: str | os.PathLike[str] | Sequence[str], **overrides: Any) -> DatasetSpec:
    """The spec of a dataset.

    Args:
        name_or_path: a name of the catalogue (`ml20m` and `ml-20m` are the same); a file of interactions, a
            folder or a pattern of such files, or several; a pro_sg folder; or the URL of a database.
        **overrides: fields of `DatasetSpec`; those that are None keep their default.

    Raises:
        DataError: there is no such dataset or file, or a field is out of range.
    """
    given = {field: value for field, value in overrides.items() if value is not None}
    columns = given.get("columns")
    if given.get("rating_column") == "" or (columns and "rating" not in columns_of(columns)):
        given |= {"threshold": None, "rating_column": ""}
    text = _joined(name_or_path)
    entry = CATALOGUE.get(_normalised(text))
    if entry:
        return dataclasses.replace(entry.spec, **given)
    if "path" in given:
        raise DataError(f"raw_path is for datasets of the catalogue; {text} is none")
    if database_url.is_url(text):
        return DatasetSpec(name=_free(database_url.name_of(text)), source="database", path=text, **given)
    if given.get("query"):
        raise DataError(
            f"query is for databases; {text} is none: for SQL over files name the dataset duckdb://"
        )
    path = Path(text)
    if path.is_dir() and (path / "unique_sid.txt").exists():
        require_obeyed(given, str(path))
        return DatasetSpec(name=_name_of(path), source="pro_sg", path=str(path), **given)
    if path.exists() or (glob.has_magic(text) and glob.glob(text, recursive=True)) or _are_files(text):
        return DatasetSpec(name=_name_of(path), source="table", path=text, **given)
    close = difflib.get_close_matches(text, CATALOGUE, n=1)
    hint = f"; did you mean {close[0]}?" if close else f"; the catalogue has {', '.join(CATALOGUE)}"
    raise DataError(f"there is no dataset or file {text!r}{hint}")


def _joined(name_or_path: str | os.PathLike[str] | Sequence[str]) -> str:
    if isinstance(name_or_path, (str, os.PathLike)):
        return os.fspath(name_or_path)
    return ",".join(os.fspath(part) for part in name_or_path)


def _are_files(text: str) -> bool:
    parts = [part.strip() for part in text.split(",")]
    return len(parts) > 1 and all(Path(part).exists() or glob.glob(part, recursive=True) for part in parts)


def _normalised(name: str) -> str:
    return re.sub(r"[-_]", "", name.lower())


def _name_of(path: Path) -> str:
    """A folder name for a file: its stem, or its folder's name where the stem says nothing."""
    first = Path(str(path).split(",")[0])
    stem = re.sub(r"[*?\[\]]+", "", first.name.split(".")[0])
    name = first.resolve().parent.name if stem in ("", "ratings", "pro_sg") else stem
    return _free(re.sub(r"[^\w-]+", "-", name).strip("-") or "dataset")


def _free(name: str) -> str:
    """A name that is not the catalogue's: what is called netflix.csv is not the Netflix Prize."""
    return f"{name}-file" if _normalised(name) in CATALOGUE else name


def published_name(spec: DatasetSpec) -> str | None:
    """The dataset of the catalogue that a spec means with all of its own filters and held-out users, or None.

    Only then do published results, settings and hashes apply.
    """
    entry = CATALOGUE.get(spec.name)
    if entry is None or not has_published_filters(spec):
        return None
    own = ("protocol", "heldout_users", "split_seed", "append", "heldout_from")
    return spec.name if all(getattr(spec, f) == getattr(entry.spec, f) for f in own) else None


def has_published_filters(spec: DatasetSpec) -> bool:
    """Whether a spec means a dataset of the catalogue with that one's own filters."""
    entry = CATALOGUE.get(spec.name)
    filters = ("source", "threshold", "min_item_users", "min_user_items", "append")
    return entry is not None and all(getattr(spec, f) == getattr(entry.spec, f) for f in filters)
