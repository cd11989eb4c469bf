"""What a run was told and what it found: the content of its JSON files, typed."""

import dataclasses
import math
from typing import Any

import keras

from multvae_tf.errors import check
from multvae_tf.evaluation import Estimate
from multvae_tf.trainable_model import OPTIMIZERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long and how a run trains its model; the model's seed and precision are arguments of the model.

    Attributes:
        epochs: How many epochs the model is trained; 200 for Mult-VAE on ML-20M (Liang et al. 2018, section
            4.4).
        batch_size: How many users an update sees; 500 in both papers.
        optimizer: The name of the optimizer, `adam` (both papers' code) or `sgd`, plain gradient descent.
        learning_rate: The step size of the optimizer; None (`auto`) means the one of the model's paper.
        patience: After how many epochs without a better validation NDCG@100 the run ends; 0 means never, as
            in the papers.

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> from multvae_tf import TrainingConfig
        >>> TrainingConfig(epochs=50, batch_size=100).learning_rate is None
        True
    """

    epochs: int = 200
    batch_size: int = 500
    optimizer: str = "adam"
    learning_rate: float | None = None
    patience: int = 0

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        check(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        check(self.optimizer in OPTIMIZERS, "optimizer", self.optimizer, " or ".join(OPTIMIZERS))
        rate = self.learning_rate
        check(rate is None or 0 < rate < math.inf, "learning_rate", rate, "a number greater than 0")
        check(self.patience >= 0, "patience", self.patience, "at least 0")

    def new_optimizer(self, default_learning_rate: float) -> keras.optimizers.Optimizer:
        """An optimizer with these settings; the argument is the rate where none is set."""
        rate = default_learning_rate if self.learning_rate is None else self.learning_rate
        return OPTIMIZERS[self.optimizer](rate)


@dataclasses.dataclass(frozen=True)
class DataInfo:
    """On what a run is trained.

    Attributes:
        name: of the dataset.
        protocol: how users were held out: `strong`, `temporal`, or '' where that is not known.
        fingerprint: a checksum of the contents; '' where there is none.
        folder: where the prepared dataset lay when the run began; '' where it was given in memory.
        settings: those that made the dataset, by name.
        published_as: the dataset of the papers that this is, with their filters and split; '' for any other.
    """

    name: str = "data"
    protocol: str = ""
    fingerprint: str = ""
    folder: str = ""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    published_as: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything that determines a run; the content of config.json.

    Attributes:
        model: the model as Keras serialises it: its class and the arguments of its constructor.
        training: how long and how it is trained.
        data: on what.
        num_train_users: rows of the training data.
        versions: of Python and the packages.
        environment: what the last bits of a result depend on: threads, and whether oneDNN computes.
        command: that started the run, '' if it was started from Python.
        started: when, in UTC.
    """

    model: dict[str, Any]
    training: TrainingConfig
    data: DataInfo
    num_train_users: int
    versions: dict[str, str]
    environment: dict[str, str]
    command: str
    started: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """What a finished run found; the content of metrics.json.

    Attributes:
        best_epoch: counted from 1; the epoch whose weights the run's model has.
        epochs: how many were trained in all.
        validation: each metric's estimate on the validation users.
        test: likewise on the test users; None if there were none.
        popularity: what the ranking by popularity reaches on the test users, or else on the validation users.
        seconds: of training, without validation, over all sessions of the run.
        users_per_second: users that the updates saw, by those seconds.
        peak_memory_bytes: of the process that finished the run.
        hardware: the processor and the number of its cores.
        sha256: of the files that the model is made of, by name.
    """

    best_epoch: int
    epochs: int
    validation: dict[str, Estimate]
    test: dict[str, Estimate] | None
    popularity: dict[str, Estimate]
    seconds: float
    users_per_second: float
    peak_memory_bytes: int
    hardware: str
    sha256: dict[str, str]
