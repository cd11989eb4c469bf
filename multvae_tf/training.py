"""Training with `fit`: the best weights on validation, exact resume, and a record of every epoch."""

import csv
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.batches import copied_ahead, evaluation_batches, steps_per_epoch, training_batches
from multvae_tf.config import Config
from multvae_tf.errors import RunError
from multvae_tf.run_folder import RunFolder, write_atomically

MONITORED = "val_NDCG@100"


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What `train` leaves beside the best weights in the model.

    Attributes:
        best_epoch: counted from 1; the epoch whose weights the model has.
        epochs: how many were trained in all.
        seconds: of training, without validation, over all sessions of the run.
        users_per_second: users that the updates saw, by those seconds.
    """

    best_epoch: int
    epochs: int
    seconds: float
    users_per_second: float


class _Progress(tf.Module):
    """How far a run has come; part of its checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs_done = tf.Variable(0, dtype=tf.int64)
        self.best_epoch = tf.Variable(0, dtype=tf.int64)
        self.best_value = tf.Variable(-np.inf, dtype=tf.float64)
        self.seconds = tf.Variable(0.0, dtype=tf.float64)

    def has_stalled(self, patience: int) -> bool:
        """Whether validation has not improved for `patience` epochs; 0 means never."""
        return 0 < patience <= int(self.epochs_done - self.best_epoch)


class _Recorder(keras.callbacks.Callback):
    """After each epoch: history, then the best weights, then the checkpoint that makes the epoch count.

    A run that is killed in between repeats the epoch, which gives the same files again.
    """

    def __init__(
        self, folder: RunFolder, manager: tf.train.CheckpointManager, progress: _Progress, patience: int
    ):
        super().__init__()
        self._folder = folder
        self._manager = manager
        self._progress = progress
        self._patience = patience
        self._history = _read_history(folder.history_path)[: int(progress.epochs_done)]
        self._epoch_start = 0.0
        self._training_end = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_start = time.perf_counter()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training_end = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        progress = self._progress
        values = {name: float(value) for name, value in (logs or {}).items()}
        progress.seconds.assign_add(self._training_end - self._epoch_start)
        progress.epochs_done.assign(epoch + 1)
        self._history.append({"epoch": epoch + 1, **values})
        write_atomically(self._folder.history_path, self._write_history)
        if values[MONITORED] > float(progress.best_value):
            progress.best_value.assign(values[MONITORED])
            progress.best_epoch.assign(epoch + 1)
            write_atomically(self._folder.weights_path, self.model.save_weights)
        try:
            self._manager.save()
        except tf.errors.OpError as error:
            where = f"the checkpoint of epoch {epoch + 1} in {self._manager.directory}"
            raise OSError(f"{where} cannot be written: {error.message}") from None
        if progress.has_stalled(self._patience):
            self.model.stop_training = True

    def _write_history(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self._history[-1]))
            writer.writeheader()
            writer.writerows(self._history)


class _NonFiniteLossGuard(keras.callbacks.Callback):
    """Stops the run at the first loss that is not finite, before it can reach a checkpoint."""

    def __init__(self, folder: RunFolder, steps_per_pass: int):
        super().__init__()
        self._folder = folder
        self._steps_per_pass = steps_per_pass
        self._epoch = 0
        self._last_finite: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        if np.isfinite(list(values.values())).all():
            self._last_finite = values
            return
        last = ", ".join(f"{name} {value:.6g}" for name, value in self._last_finite.items()) or "none"
        phase = self.model.phase(batch // self._steps_per_pass)
        kept = f"the checkpoint of epoch {self._epoch}" if self._epoch else "no checkpoint yet"
        raise RunError(
            f"the loss is not finite in epoch {self._epoch + 1}, step {batch + 1}, {phase}; last finite "
            f"means: {last}; {kept} is in {self._folder.folder}; try a smaller --learning_rate"
        )


def _read_history(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {k: int(v) if k == "epoch" else float(v) for k, v in row.items()} for row in csv.DictReader(file)
        ]


def read_history(folder: RunFolder) -> list[dict[str, Any]]:
    """The rows of history.csv: `epoch`, counted from 1, and the epoch's losses and validation metrics."""
    return _read_history(folder.history_path)


def train(
    model: MultinomialAutoencoder,
    matrix: scipy.sparse.csr_matrix,
    validation: tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix],
    config: Config,
    folder: RunFolder,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains a model, from the folder's checkpoint if there is one, and leaves it with its best weights.

    An epoch counts from the moment its checkpoint is complete. On one CPU a run that was killed at any time
    and continued ends with the same weights, bit for bit, as one that was not.

    Args:
        model: compiled; its weights are the initial ones.
        matrix: CSR [num_train_users, num_items].
        validation: fold-in and held-out CSR [num_validation_users, num_items].
        config: of the run.
        folder: created by `RunFolder.create`.
        callbacks: further Keras callbacks.

    Returns:
        See `TrainingResult`.

    Raises:
        RunError: the loss is not finite, or the checkpoint does not fit the model.
        OSError: the folder cannot be written.
    """
    model.prepare_training(matrix.shape[0])
    progress = _Progress()
    checkpoint = tf.train.Checkpoint(model=model, progress=progress)
    manager = tf.train.CheckpointManager(checkpoint, folder.checkpoints_path, max_to_keep=1)
    if manager.latest_checkpoint:
        try:
            checkpoint.restore(manager.latest_checkpoint).assert_consumed()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise RunError(f"{manager.latest_checkpoint} does not fit this model: {error}") from None
    first_epoch = int(progress.epochs_done)
    steps_per_pass = steps_per_epoch(matrix.shape[0], config.batch_size)
    if first_epoch < config.epochs and not progress.has_stalled(config.early_stopping_patience):
        batches = training_batches(
            matrix,
            config.batch_size,
            seed=config.seed,
            first_epoch=first_epoch,
            num_epochs=config.epochs - first_epoch,
            passes_per_epoch=model.passes_per_epoch,
        )
        if gpus := tf.config.list_logical_devices("GPU"):
            batches = copied_ahead(batches, gpus[0].name)
        model.fit(
            batches,
            validation_data=evaluation_batches(*validation, config.batch_size),
            initial_epoch=first_epoch,
            epochs=config.epochs,
            steps_per_epoch=steps_per_pass * model.passes_per_epoch,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                _NonFiniteLossGuard(folder, steps_per_pass),
                keras.callbacks.TensorBoard(str(folder.tensorboard_path), write_graph=False),
                *callbacks,
                _Recorder(folder, manager, progress, config.early_stopping_patience),
            ],
        )
    model.load_weights(folder.weights_path)
    epochs, seconds = int(progress.epochs_done), float(progress.seconds)
    users = epochs * matrix.shape[0] * model.passes_per_epoch
    return TrainingResult(int(progress.best_epoch), epochs, seconds, users / seconds)
