"""What stands in a run folder after each epoch, so that a run can be killed at any time and continued."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from multvae_tf.errors import RunError
from multvae_tf.files import write_atomically
from multvae_tf.ranking import MONITORED
from multvae_tf.run import Run
from multvae_tf.training.checkpoints import Checkpoints


class Progress(tf.Module):
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


class Recorder(keras.callbacks.Callback):
    """After each epoch: history, then the best weights, then the checkpoint that makes the epoch count.

    A run that is killed in between repeats the epoch, which gives the same files again.

    Args:
        run: where it records.
        checkpoints: of the model and the progress.
        progress: how far the run has come.
        patience: see `TrainingConfig`.
    """

    def __init__(self, run: Run, checkpoints: Checkpoints, progress: Progress, patience: int):
        super().__init__()
        self._run = run
        self._checkpoints = checkpoints
        self._progress = progress
        self._patience = patience
        self._history = run.history[: int(progress.epochs_done)]
        self._epoch_start = 0.0
        self._training_end = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes when the epoch's training begins."""
        self._epoch_start = time.perf_counter()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes when the epoch's training ends."""
        self._training_end = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """See the class."""
        progress = self._progress
        values = {name: float(value) for name, value in (logs or {}).items()}
        progress.seconds.assign_add(self._training_end - self._epoch_start)
        progress.epochs_done.assign(epoch + 1)
        self._history.append({"epoch": epoch + 1, **values})
        self._run.write_history(self._history)
        if values[f"val_{MONITORED}"] > float(progress.best_value):
            progress.best_value.assign(values[f"val_{MONITORED}"])
            progress.best_epoch.assign(epoch + 1)
            write_atomically(self._run.weights_path, self.model.save_weights)
        self._checkpoints.save(epoch + 1)
        if progress.has_stalled(self._patience):
            self.model.stop_training = True


class NonFiniteLossGuard(keras.callbacks.Callback):
    """Stops the run at the first loss that is not finite, before it can reach a checkpoint.

    Args:
        run: named in the message.
        steps_per_pass: batches in a pass over the users.
    """

    def __init__(self, run: Run, steps_per_pass: int):
        super().__init__()
        self._run = run
        self._steps_per_pass = steps_per_pass
        self._epoch = 0
        self._last_finite: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the epoch for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """See the class."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        if np.isfinite(list(values.values())).all():
            self._last_finite = values
            return
        last = ", ".join(f"{name} {value:.6g}" for name, value in self._last_finite.items()) or "none"
        phase = self.model.phase(batch // self._steps_per_pass)
        kept = f"the checkpoint of epoch {self._epoch}" if self._epoch else "no checkpoint yet"
        raise RunError(
            f"the loss is not finite in epoch {self._epoch + 1}, step {batch + 1}, {phase}; last finite "
            f"means: {last}; {kept} is in {self._run.folder}; try a smaller learning_rate"
        )
