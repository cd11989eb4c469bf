"""What a worker is told of the run that it is to train, as one JSON text."""

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True)
class Job:
    """One training, in plain values.

    Attributes:
        folder: of the run.
        model: the name of the model.
        data: the dataset and what overrides its own settings, by the names of the flags.
        overrides: what overrides the settings of the model's paper, likewise.
        data_dir: the folder of raw and prepared data.
        command: of the training command that would do the same, for the record.

    Example:
        >>> job = Job("runs/mine", "multvae", {"dataset": "ml1m"}, {"epochs": 50, "seed": 1}, "data", "...")
        >>> Job.from_json(job.to_json()) == job
        True
    """

    folder: str
    model: str
    data: dict[str, Any]
    overrides: dict[str, Any]
    data_dir: str
    command: str

    def to_json(self) -> str:
        """The job as JSON; `from_json` is the inverse."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The job that `to_json` described."""
        return cls(**json.loads(text))
