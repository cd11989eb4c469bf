"""What a worker is told of the run that it is to train: a JSON file in the run's folder."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from multvae_tf.errors import RunError
from multvae_tf.run_folder import write_atomically

FILE_NAME = "job.json"


@dataclasses.dataclass(frozen=True)
class Job:
    """One training, in plain values.

    Attributes:
        model: the name of the model.
        data: the dataset and what overrides its own settings.
        overrides: what overrides the settings of the model's paper, with the seed.
        data_dir: the folder of raw and prepared data.
        threads: how many compute a matrix product. The weights depend on it to the last bit, so it stays
            what it was when the run began.
        command: of the training command that would do the same, for the record.

    Example:
        >>> job = Job("multvae", {"dataset": "ml1m"}, {"epochs": 50, "seed": 1}, "data", 2, "...")
        >>> job.write(Path("runs/mine"))  # doctest: +SKIP
        >>> Job.read(Path("runs/mine")) == job  # doctest: +SKIP
        True
    """

    model: str
    data: dict[str, Any]
    overrides: dict[str, Any]
    data_dir: str
    threads: int
    command: str

    def write(self, folder: Path) -> Path:
        """Writes the job into its run's folder; returns the file's path."""
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        path = folder / FILE_NAME
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        return path

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """The job of a run's folder.

        Raises:
            RunError: the file is missing, or is no job.
        """
        path = folder / FILE_NAME
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RunError(f"{path} is missing: start the run anew") from None
        except (ValueError, TypeError) as error:
            raise RunError(
                f"{path} describes no training ({error}): delete it, and start the run anew"
            ) from None
