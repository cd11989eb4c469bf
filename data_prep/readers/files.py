"""Which files a path means, and of which form each is."""

import glob
from pathlib import Path
from urllib.parse import unquote

from data_prep.errors import DataError
from data_prep.raw_file import COMPRESSED_SUFFIXES, RawFile, only_member

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
ARROW_SUFFIXES = (".arrow", ".arrows", ".feather", ".ipc")
SUFFIXES = TEXT_SUFFIXES + JSON_SUFFIXES + PARQUET_SUFFIXES + ARROW_SUFFIXES


def form_of(file: RawFile) -> str:
    """The form that a file's name tells: 'parquet', 'arrow', 'json', otherwise 'text'."""
    suffix = Path(file.name).suffix.lower()
    for form, suffixes in (("parquet", PARQUET_SUFFIXES), ("arrow", ARROW_SUFFIXES), ("json", JSON_SUFFIXES)):
        if suffix in suffixes:
            return form
    return "text"


def constants_of(file: RawFile) -> dict[str, str]:
    """The columns that the names of the folders give, as `day=2` does."""
    pairs = (part.partition("=") for part in file.path.parts[:-1])
    return {name: unquote(value) for name, equals, value in pairs if name and equals}


def expand(path: str) -> list[RawFile]:
    """The files that a path means, in order.

    Args:
        path: a file; a folder, of whose files of interactions all are meant, however deep; a pattern such as
            `plays/*.csv`; or several of these with commas between. A file or folder of exactly this name
            comes before a pattern or a list.

    Raises:
        DataError: there is no such file, or the folder has none, or files of several forms.
    """
    if Path(path).is_file():
        return [
            only_member(Path(path), SUFFIXES + tuple(s + c for s in SUFFIXES for c in COMPRESSED_SUFFIXES))
        ]
    if Path(path).is_dir():
        return _in_folder(Path(path))
    matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
    if matches:
        return [file for match in matches for file in expand(match)]
    if "," in path:
        return [file for part in path.split(",") for file in expand(part.strip())]
    raise DataError(f"there is no file {path!r}")


def _in_folder(folder: Path) -> list[RawFile]:
    """The files with a known suffix below a folder, by name; those with a dot or `_` first are left out."""
    found = [
        RawFile(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        and Path(RawFile(path).name).suffix.lower() in SUFFIXES
    ]
    if not found:
        raise DataError(f"{folder} is a folder without unique_sid.txt and without files of interactions")
    forms = {form_of(file) for file in found}
    if len(forms) > 1:
        raise DataError(
            f"{folder} has files of several forms ({', '.join(sorted(forms))}); name those that are meant"
        )
    return found
