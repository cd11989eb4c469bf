"""The flags that choose a dataset, shared by the commands that take one."""

from typing import Any

from absl import flags

from data_prep.catalogue import CATALOGUE, PROTOCOLS, DatasetSpec, resolve

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
)


def define() -> None:
    """Defines --dataset, --data_dir and what overrides the dataset's own settings."""
    own = "Default: the dataset's own"
    flags.DEFINE_string(
        "dataset",
        "demo",
        f"{', '.join(CATALOGUE)}; or a CSV or Parquet file (plain, .gz, .zip); or a pro_sg folder.",
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


def spec_from_flags() -> DatasetSpec:
    """The spec that the flags describe.

    Raises:
        DataError: there is no such dataset, or a value is out of range.
    """
    overrides = {name: FLAGS[name].value for name in _OVERRIDES}
    return resolve(FLAGS.dataset, path=FLAGS.raw_path, **overrides)


def given() -> dict[str, Any]:
    """The flags that say which data it is, as far as they were given, by name."""
    names = ("dataset", "raw_path", *_OVERRIDES)
    return {name: FLAGS[name].value for name in names if FLAGS[name].present}
