"""A whole run, validation and checkpoints included: its time, its peak memory, and what its input costs."""

import itertools
import multiprocessing
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import scipy.sparse

import multvae_tf
from benchmarks import synthetic
from benchmarks.evaluation_ways import fold_in_and_held_out
from benchmarks.timing import peak_memory_bytes, seconds_since_start
from cli import settings
from multvae_tf.batches import steps_per_epoch, training_batches

_SEED = 1
_INPUT_BATCHES = 100
_VALIDATION_USERS = 1000


class FirstStep(keras.callbacks.Callback):
    """Notes when the first update of this process is done.

    Attributes:
        seconds: since the process began; 0 before that update.

    Example:
        >>> first_step = FirstStep()
        >>> model.fit(x, callbacks=[first_step])  # doctest: +SKIP
        >>> first_step.seconds  # doctest: +SKIP
    """

    seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """See the class."""
        self.seconds = self.seconds or seconds_since_start()


def measure(
    model_name: str, given: Mapping[str, Any], shape_name: str, num_users: int | None, folder: Path
) -> dict[str, Any]:
    """Trains on generated data.

    Args:
        model_name: of the model.
        given: settings that override those of the paper for ML-20M.
        shape_name: of the generated data, one of `synthetic.SHAPES`.
        num_users: the training users; None means all of the shape.
        folder: where generated data is kept.

    Returns:
        `epochs`, `seconds_to_first_step` from the start of the process, without the making of the data,
        `seconds_per_epoch`, `step_ms`, `input_ms` of a batch when nothing else is done, `input_to_step`,
        `users_per_second` and `peak_memory_bytes`.
    """
    chosen = settings.resolve(model_name, "ml20m", given)
    started = time.perf_counter()
    path = _generate_elsewhere(shape_name, folder)
    seconds_for_data = time.perf_counter() - started
    matrix = scipy.sparse.load_npz(path)[:num_users]
    model, config = chosen.new_model(matrix.shape[1]), chosen.training()
    validation = fold_in_and_held_out(matrix[:_VALIDATION_USERS])
    first_step = FirstStep()
    with tempfile.TemporaryDirectory() as name:
        run = multvae_tf.train(
            model, matrix, tuple(validation), folder=name, config=config, callbacks=[first_step]
        )
        metrics = run.metrics
    steps = steps_per_epoch(matrix.shape[0], config.batch_size) * model.passes_per_epoch
    step_ms = 1e3 * metrics.seconds / metrics.epochs / steps
    input_ms = _input_ms(matrix, config.batch_size)
    return {
        "epochs": metrics.epochs,
        "seconds_to_first_step": first_step.seconds - seconds_for_data,
        "seconds_per_epoch": metrics.seconds / metrics.epochs,
        "step_ms": step_ms,
        "input_ms": input_ms,
        "input_to_step": input_ms / step_ms,
        "users_per_second": metrics.users_per_second,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _input_ms(matrix: scipy.sparse.csr_matrix, batch_size: int) -> float:
    """Milliseconds for a batch, when nothing else is done."""
    batches = iter(training_batches(matrix, batch_size, seed=_SEED))
    next(batches)
    started = time.perf_counter()
    count = sum(1 for _ in itertools.islice(batches, _INPUT_BATCHES))
    return 1e3 * (time.perf_counter() - started) / max(count, 1)


def _generate_elsewhere(shape_name: str, folder: Path) -> Path:
    """The generated data's file, made in another process so that its memory does not count here."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(synthetic.stored_interactions, (shape_name, _SEED, folder))
