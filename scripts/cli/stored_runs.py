"""What the commands take from a run that exists: its settings, and the dataset that it was trained on."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

import multvae_tf
from cli import dataset_flags, model_flags
from cli.settings import flat_settings
from data_prep.dataset import spec_to_json
from data_prep.errors import DataError
from multvae_tf.errors import RunError
from multvae_tf.files import read_json

if TYPE_CHECKING:
    from data_prep import PreparedDataset
    from multvae_tf import Run

FLAGS = flags.FLAGS
flags.disclaim_key_flags()


def define_run_flag() -> None:
    """Defines --run, the folder of a run that exists."""
    flags.DEFINE_string(
        "run", None, "The folder of the run. Default: the run below runs/ that was started last."
    )


def chosen_run() -> "Run":
    """The run in --run, or the one below runs/ that was started last."""
    return multvae_tf.Run.open(FLAGS.run) if FLAGS.run else multvae_tf.Run.latest("runs")


def environment_of(folder: str | None) -> dict[str, str]:
    """Under what a run began, read before TensorFlow is imported; nothing where there is no run."""
    try:
        return dict(read_json(Path(folder or "", "config.json"))["environment"])
    except (OSError, RunError, TypeError, KeyError, ValueError):
        return {}  # which opening the run will tell


def take_settings_file(path: str) -> dict[str, Any]:
    """Reads a run's config.json: sets the flags of its data that are not given, returns its other settings.

    Raises:
        RunError: the file is missing or describes no run.
    """
    try:
        content = read_json(Path(path))
        settings = flat_settings(content["model"], content["training"])
        data = content["data"]["settings"]["flags"]
        for name, value in data.items():
            if not FLAGS[name].present:
                FLAGS[name].value = value
    except FileNotFoundError:
        raise RunError(f"config is {path}, and there is no such file") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"config is {path}, which is not what a run writes: it lacks {error}") from None
    return settings


def record_of(dataset: "PreparedDataset") -> Any:
    """What a run keeps of its dataset, a `DataInfo`."""
    from multvae_tf.run import DataInfo

    return DataInfo(
        name=dataset.name,
        protocol=dataset.spec.protocol,
        fingerprint=dataset.fingerprint,
        folder=str(Path(dataset.folder).resolve()),
        settings={"flags": dataset_flags.given(), "spec": spec_to_json(dataset.spec)},
        published_as=dataset.published_name or "",
    )


def require_agreement(run: "Run") -> None:
    """Checks that the flags which are given say what the run was told.

    Raises:
        RunError: one of them says something else; the message names it.
    """
    stored = flat_settings(run.settings.model, dataclasses.asdict(run.settings.training))
    given = model_flags.given() | ({"model": FLAGS.model} if FLAGS["model"].present else {})
    for name, value in given.items():
        shown, told = (tuple(v) if isinstance(v, list) else v for v in (value, stored.get(name)))
        if shown is not None and name != "variant" and shown != told:
            raise RunError(
                f"{run.settings_path} is of another run: its {name} is {told}, not {shown}; leave --{name} "
                "out, or choose another --run"
            )
    require_same_data(run)


def require_same_data(run: "Run") -> None:
    """Checks that the flags of the data which are given say what the run was trained on.

    Raises:
        RunError: one of them says something else.
    """
    given = dataset_flags.given()
    if not given:
        return
    data = run.settings.data.settings
    for name, value in data.get("flags", {}).items():
        if not FLAGS[name].present:
            FLAGS[name].value = value
    wanted = spec_to_json(dataset_flags.spec_from_flags())
    for name, value in data.get("spec", {}).items():
        if wanted.get(name) != value:
            raise RunError(
                f"{run.settings_path} is of a run on other data: its {name} is {value}, not "
                f"{wanted.get(name)}; leave the flags of the data out, or choose another --run"
            )


def dataset_of(run: "Run", data_dir: str) -> "PreparedDataset":
    """The dataset that a run was trained on, also if the folders were moved since.

    Args:
        run: the run.
        data_dir: where it is looked for by its contents, if it is not where it was.

    Raises:
        RunError: it is not found, or was changed.
    """
    import data_prep

    info = run.settings.data
    if not info.fingerprint:
        raise RunError(f"{run.folder} was trained on data in memory, which is in no folder")
    folders = [Path(info.folder), *sorted(Path(data_dir).glob("*/prepared/*"))]
    for folder in folders:
        if folder.is_dir():
            try:
                dataset = data_prep.load(folder)
            except DataError:
                if folder == folders[0]:
                    raise
                continue
            if dataset.fingerprint == info.fingerprint:
                return dataset
    raise RunError(
        f"the data of {run.folder} ({info.name}, sha256 {info.fingerprint[:12]}...) is not in "
        f"{info.folder}, nor below {data_dir}: name the folder of prepared data by --data_dir, or prepare "
        "it anew"
    )
