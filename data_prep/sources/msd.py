"""The Million Song Dataset's Taste Profile: `train_triplets.txt` with user, song and number of plays."""

from pathlib import Path

from data_prep import readers, titles
from data_prep.catalogue import CATALOGUE
from data_prep.raw_file import RawFile, only_member
from data_prep.readers import Layout
from data_prep.sources.raw_data import RawData, how_to_get
from data_prep.spec import DatasetSpec

_LAYOUT = Layout(
    user="user", item="song", rating="count", delimiter="\t", quote="", columns=("user", "song", "count")
)
_NAMES = ("train_triplets.txt", "train_triplets.txt.gz", "train_triplets.txt.zip")


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """The triplets in `place`.

    Raises:
        DataError: they are not there.
    """
    candidates = [place] if place.is_file() else [place / name for name in _NAMES]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        url = CATALOGUE[spec.name].url
        raise how_to_get(spec.name, url, "train_triplets.txt, or the .zip of it,", place)
    file = only_member(path, (".txt",))
    return RawData(
        str(file),
        [file.identity],
        lambda: readers.read_table([file], _LAYOUT, spec.threshold),
        titles.beside(RawFile(path), "song"),
    )
