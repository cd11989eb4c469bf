"""The folder of one run, which opens itself: what it was told, where it stands, what it found."""

import csv
import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from multvae_tf.errors import RunError, SettingError
from multvae_tf.evaluation import HeldOutRanking
from multvae_tf.files import as_record, read_json, sha256, write_atomically, write_json
from multvae_tf.recommender_model import RecommenderModel, import_modules_of
from multvae_tf.run.records import RunMetrics, RunSettings
from multvae_tf.serving.items import Items
from multvae_tf.serving.local import RunRecommender

_PATTERN_CHARACTERS = "[]*?\\"


def check_path(folder: str | os.PathLike[str]) -> None:
    """Raises `SettingError` for a path with a character that TensorFlow takes for a pattern."""
    path = str(Path(folder).resolve())
    if any(character in path for character in _PATTERN_CHARACTERS):
        told = "TensorFlow takes [ ] * ? and \\ in a path for a pattern; choose another"
        raise SettingError("folder", f"is {path}: {told}")


class Run:
    """A run folder and what lies in it; it can be moved, and needs its data for nothing but more training.

    Args:
        folder: its path; nothing is created or read yet. `Run.open` checks that it holds a run.

    Examples:
        >>> from multvae_tf import Run
        >>> run = Run.open("runs/demo/multvae/first")  # doctest: +SKIP
        >>> run.metrics.test["NDCG@100"].mean  # doctest: +SKIP
        0.3787
        >>> run.recommender().recommend([["1", "50"]], k=10).item_ids  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self.settings_path = self.folder / "config.json"
        self.items_path = self.folder / "items.csv"
        self.history_path = self.folder / "history.csv"
        self.metrics_path = self.folder / "metrics.json"
        self.test_users_path = self.folder / "test_users.npz"
        self.weights_path = self.folder / "best.weights.h5"
        self.checkpoints_path = self.folder / "checkpoints"
        self.tensorboard_path = self.folder / "tensorboard"
        self.curves_path = self.folder / "curves.png"
        self.card_path = self.folder / "README.md"
        self.log_path = self.folder / "train.log"

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "Run":
        """The run in a folder.

        Raises:
            RunError: the folder holds no run, or its settings cannot be read.
        """
        run = cls(folder)
        run.settings  # noqa: B018  (read now, so that what is wrong is told here)
        return run

    @classmethod
    def latest(cls, root: str | os.PathLike[str] = "runs") -> "Run":
        """The run below `root` that was started last.

        Raises:
            RunError: there is none.
        """
        runs = [cls(path.parent) for path in Path(root).glob("**/config.json")]
        runs = [run for run in runs if run.folder.name != "beta_search"]
        if not runs:
            raise RunError(f"there is no run below {root}: train one first, or name its folder")
        return max(runs, key=lambda run: run.settings.started)

    @classmethod
    def create(cls, folder: str | os.PathLike[str], settings: RunSettings, items: Items) -> "Run":
        """Starts a run: makes its folder, and writes its catalogue and its settings.

        Raises:
            SettingError: the path has a character that TensorFlow takes for a pattern.
            RunError: the folder already holds a run.
        """
        run = cls(folder)
        check_path(folder)
        if run.settings_path.exists():
            raise RunError(f"{run.folder} already holds a run: resume it, or choose another folder")
        run.folder.mkdir(parents=True, exist_ok=True)
        items.write(run.items_path)
        write_json(run.settings_path, settings)
        return run

    def rewrite_settings(self, settings: RunSettings) -> None:
        """Replaces the settings, once something is known that they left open."""
        write_json(self.settings_path, settings)
        self.__dict__.pop("settings", None)

    def require(self, expected: RunSettings) -> None:
        """Checks that the folder holds the run that these settings describe; None stands for any.

        Raises:
            RunError: it holds another one; the message names the first field that differs.
        """
        stored = _flatten(dataclasses.asdict(self.settings))
        wanted = dataclasses.asdict(expected)
        told = {name: wanted[name] for name in ("training", "model", "num_train_users")}
        told["data"] = {"fingerprint": expected.data.fingerprint or None}
        for field, value in _flatten(told).items():
            if value is not None and stored.get(field) != value:
                raise RunError(
                    f"{self.settings_path} is of another run: its {field} is {stored.get(field)}, not "
                    f"{value}; leave the setting out, or choose another folder"
                )

    @property
    def has_begun(self) -> bool:
        """Whether an epoch has left something."""
        return self.history_path.exists() or self.weights_path.exists()

    @property
    def is_finished(self) -> bool:
        """Whether the run has written everything: the card comes last."""
        return self.card_path.exists()

    @functools.cached_property
    def settings(self) -> RunSettings:
        """With what the run was started.

        Raises:
            RunError: the folder holds no run, or config.json is damaged.
        """
        try:
            return as_record(RunSettings, read_json(self.settings_path), str(self.settings_path))
        except FileNotFoundError:
            raise RunError(f"{self.folder} holds no run") from None

    @property
    def metrics(self) -> RunMetrics:
        """The results.

        Raises:
            RunError: the run has not finished, or metrics.json is damaged.
        """
        try:
            return as_record(RunMetrics, read_json(self.metrics_path), str(self.metrics_path))
        except FileNotFoundError:
            self.settings  # noqa: B018  (a folder without a run is told as that)
            raise RunError(f"{self.folder} holds a run that has not finished: resume it") from None

    @functools.cached_property
    def items(self) -> Items:
        """The catalogue: of each item its raw id, its title, and how many training users have it."""
        self._verify(self.items_path)
        return Items.read(self.items_path)

    @property
    def history(self) -> list[dict[str, Any]]:
        """For each epoch `epoch`, counted from 1, its losses and its validation metrics.

        Raises:
            RunError: history.csv is damaged.
        """
        if not self.history_path.exists():
            return []
        try:
            with self.history_path.open(newline="", encoding="utf-8") as file:
                rows = [
                    {name: int(text) if name == "epoch" else float(text) for name, text in row.items()}
                    for row in csv.DictReader(file)
                ]
            if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
                raise ValueError("its epochs are not 1, 2, 3 and so on")
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            raise RunError(f"{self.history_path} is damaged ({error}): train the run anew") from None
        return rows

    def write_history(self, rows: Sequence[dict[str, Any]]) -> None:
        """Writes what `history` reads."""

        def write(path: Path) -> None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[-1]))
                writer.writeheader()
                writer.writerows(rows)

        write_atomically(self.history_path, write)

    def new_model(self) -> RecommenderModel:
        """The run's model with its initial weights, not compiled.

        Raises:
            RunError: config.json describes no model.
        """
        modules = {str(self.settings.model.get("module")).partition(".")[0]}
        try:
            if not modules <= {"multvae_tf", "recvae_tf"}:
                raise ValueError(f"the module {modules.pop()} is none of this library")
            import_modules_of(self.settings.model)
            model = keras.saving.deserialize_keras_object(self.settings.model)
        except (ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
            reason = str(error).splitlines()[0][:300]
            raise RunError(f"{self.settings_path}: model cannot be made: {reason}") from error
        if not isinstance(model, RecommenderModel):
            raise RunError(
                f"{self.settings_path}: model is a {type(model).__name__}, which is no recommender"
            )
        return model

    def model(self) -> RecommenderModel:
        """The run's model with its best weights, not compiled: it evaluates, recommends and is exported.

        Raises:
            RunError: no epoch has been finished, or the weights are damaged or of another model.
        """
        model = self.new_model()
        if not self.weights_path.exists():
            raise RunError(f"{self.folder} holds a run without weights: resume it")
        self._verify(self.weights_path)
        model.prepare_loading()
        try:
            model.load_weights(self.weights_path)
        except (ValueError, OSError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(
                f"{self.weights_path} does not fit the model of {self.settings_path}: {reason}"
            ) from error
        return model

    def recommender(self) -> RunRecommender:
        """Raw item ids in, raw item ids out, by the run's model."""
        return RunRecommender(self.model(), self.items, identity=sha256(self.weights_path))

    def test_ranking(self) -> HeldOutRanking:
        """What the model ranked highest for each test user, and how good that was.

        Raises:
            RunError: the run had no test users, or the file is damaged.
        """
        return HeldOutRanking.load(self.test_users_path)

    def _verify(self, path: Path) -> None:
        """Raises `RunError` if a file is not what it was when the run finished."""
        if not self.metrics_path.exists():
            return
        if sha256(path) != self.metrics.sha256.get(path.name):
            raise RunError(
                f"{path} was changed after the run had finished, or is damaged: train the run anew"
            )


def _flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as {"training.epochs": 200, ...}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat
