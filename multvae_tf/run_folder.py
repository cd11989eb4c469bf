"""The folder of one run: what it was told, where it stands, what it found."""

import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multvae_tf.errors import RunError


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file under a temporary name beside `path`, then renames it: readers see all of it or none.

    Args:
        path: the file.
        write: writes the file at the path that it is given, which keeps the suffix of `path`.
    """
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class RunFolder:
    """`runs/<dataset>/<model>/<run>/` and the names of what lies in it.

    Args:
        folder: its path; nothing is created or read yet.
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

    @property
    def is_finished(self) -> bool:
        """Whether the run has written everything: the card comes last."""
        return self.card_path.exists()

    def create(self, settings: dict[str, Any], item_ids: Sequence[str], titles: Sequence[str] | None) -> None:
        """Starts the run: makes the folder, writes its settings and its catalogue.

        Args:
            settings: JSON values: everything that determines the run.
            item_ids: raw id of each item number.
            titles: of the items, or None.

        Raises:
            RunError: the folder already holds a run.
        """
        if self.settings_path.exists():
            raise RunError(
                f"{self.folder} already holds a run: continue it with --resume, or name another --run_dir"
            )
        self.folder.mkdir(parents=True, exist_ok=True)

        def write_items(path: Path) -> None:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["item_id", "title"])
                writer.writerows(
                    zip(item_ids, titles if titles is not None else [""] * len(item_ids), strict=True)
                )

        write_atomically(self.items_path, write_items)
        self.write_json(self.settings_path, settings)

    def read_settings(self) -> dict[str, Any]:
        """The settings with which the run was started.

        Raises:
            RunError: the folder holds no run.
        """
        return self._read_json(self.settings_path, "holds no run")

    def read_metrics(self) -> dict[str, Any]:
        """The results.

        Raises:
            RunError: the run has not finished.
        """
        return self._read_json(
            self.metrics_path, "holds a run that has not finished: continue it with --resume"
        )

    def read_items(self) -> tuple[np.ndarray, np.ndarray]:
        """Raw ids and titles ('' where there is none) by item number, string arrays [num_items]."""
        self.read_settings()
        with self.items_path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        return np.array([row[0] for row in rows], object), np.array([row[1] for row in rows], object)

    def require_settings(self, expected: dict[str, Any]) -> None:
        """Checks that the folder holds the run that these settings describe.

        Args:
            expected: some of the settings that the run was created with.

        Raises:
            RunError: it holds none, or another one; the message names the first field that differs.
        """
        stored = _flatten(self.read_settings())
        for field, value in _flatten(expected).items():
            if stored.get(field) != value:
                raise RunError(
                    f"{self.settings_path} is of another run: its {field} is {stored.get(field)}, not {value}"
                    "; leave the flag out or name another --run_dir"
                )

    def write_json(self, path: Path, content: dict[str, Any]) -> None:
        """Writes one of the folder's JSON files."""
        write_atomically(path, lambda p: p.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8"))

    def _read_json(self, path: Path, absent: str) -> dict[str, Any]:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.folder} {absent}") from None
        except json.JSONDecodeError as error:
            raise RunError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None


def _flatten(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as {"config.epochs": 200, ...}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def latest_run(root: str | os.PathLike[str]) -> RunFolder:
    """The run below `root` that was started last.

    Raises:
        RunError: there is none.
    """
    starts = {path: path.stat().st_mtime for path in Path(root).glob("**/config.json")}
    if not starts:
        raise RunError(f"there is no run below {root}: train one first, or name its folder with --run")
    return RunFolder(max(starts, key=lambda path: starts[path]).parent)
