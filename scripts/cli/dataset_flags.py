"""The flags that choose a dataset, shared by the commands that take one."""

import re
from typing import Any

from absl import flags

from data_prep.catalogue import CATALOGUE, PROTOCOLS, DatasetSpec, resolve
from data_prep.database_url import without_secrets

FLAGS = flags.FLAGS
flags.disclaim_key_flags()

_OVERRIDES = (
    "protocol",
    "user_column",
    "item_column",
    "rating_column",
    "timestamp_column",
    "threshold",
    "min_item_users",
    "min_user_items",
    "heldout_users",
    "titles",
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
_SETTING = re.compile(rf"(?<![\w-])({'|'.join(('raw_path', *_OVERRIDES))})=")


def define() -> None:
    """Defines --dataset, --data_dir and what overrides the dataset's own settings."""
    own = "Default: the dataset's own"
    flags.DEFINE_string(
        "dataset",
        "demo",
        f"{', '.join(CATALOGUE)}; or files of interactions (CSV, JSON lines, Parquet, Arrow; a folder, a "
        f"pattern or "
        "several with commas; plain, .gz, .bz2, .xz, .zst, .zip); or a pro_sg folder; or a database with "
        "--query: "
        "postgresql://user@host/name, sqlite:///file, duckdb:///file, or duckdb:// for SQL over files.",
    )
    flags.DEFINE_string("data_dir", "data", "The folder of raw and prepared data.")
    flags.DEFINE_string(
        "raw_path", None, "File or folder of the dataset's raw data. Default: <data_dir>/<dataset>."
    )
    flags.DEFINE_enum(
        "protocol",
        None,
        PROTOCOLS,
        "strong: users are held out; temporal: the last interactions of every user. Default: strong.",
    )
    for role, example in (("user", "userId"), ("item", "movieId")):
        flags.DEFINE_string(f"{role}_column", None, f"Column of {role} ids in a file. Default: {example}.")
    flags.DEFINE_string(
        "rating_column", None, "Column of ratings; '' if every row is a positive. Default: rating."
    )
    flags.DEFINE_string(
        "timestamp_column", None, "Column of times, for --protocol=temporal. Default: timestamp."
    )
    flags.DEFINE_float("threshold", None, f"Rows with rating > threshold are positives. {own}, else 3.5.")
    flags.DEFINE_integer(
        "min_item_users", None, f"Drop items with fewer users; done before the next. {own}, else 0."
    )
    flags.DEFINE_integer("min_user_items", None, f"Drop users with fewer items. {own}, else 5.")
    flags.DEFINE_integer(
        "heldout_users",
        None,
        f"Users for validation, and as many for the test. {own}, else a tenth, at most 10,000.",
    )
    flags.DEFINE_string(
        "titles", None, "CSV with the item column and title. Default: movies.csv beside the data, if any."
    )
    _define_form()
    flags.DEFINE_string("query", None, "SQL whose result is read, of a database.")
    flags.DEFINE_multi_string(
        "append", None, "A file of new interactions; whom the old data holds out stays held out."
    )
    flags.DEFINE_string(
        "heldout_from", None, "Folder of a prepared dataset: hold out the users that it holds out."
    )


def _define_form() -> None:
    """How a text file is written; what is not given is recognised, and printed."""
    recognised = "Default: it is recognised"
    flags.DEFINE_string(
        "columns",
        None,
        "Of text files without a header: user,item,rating,timestamp in their order, '-' for what is not "
        "read; or "
        "their positions from 1, as 1,2,4.",
    )
    flags.DEFINE_string(
        "delimiter", None, f"Between the fields of a text file: one character, or tab. {recognised}."
    )
    flags.DEFINE_enum(
        "quote",
        None,
        ['"', ""],
        "'\"' if quotation marks enclose fields, '' if they are letters. Default: they enclose, but not "
        "where "
        "tabs separate.",
    )
    flags.DEFINE_string("encoding", None, f"Of a text file, such as windows-1252. {recognised}.")
    flags.DEFINE_enum("decimal", None, [".", ","], f"In ratings, before the fraction. {recognised}.")
    flags.DEFINE_enum(
        "timestamp_unit", None, ["s", "ms", "us", "ns"], f"Of times that are numbers. {recognised}."
    )


def spec_from_flags() -> DatasetSpec:
    """The spec that the flags describe.

    Raises:
        DataError: there is no such dataset, or a value is out of range.
    """
    overrides = {name: FLAGS[name].value for name in _OVERRIDES}
    return resolve(FLAGS.dataset, path=FLAGS.raw_path, **overrides)


def given() -> dict[str, Any]:
    """The flags that say which data it is, as far as they were given, by name; passwords are left out."""
    names = ("dataset", "raw_path", *_OVERRIDES)
    found = {name: FLAGS[name].value for name in names if FLAGS[name].present}
    return found | {"dataset": without_secrets(found["dataset"])} if "dataset" in found else found


def in_flags(message: str) -> str:
    """A message of the library with its settings written as flags: `encoding=...` as `--encoding=...`."""
    return _SETTING.sub(r"--\1=", message)
