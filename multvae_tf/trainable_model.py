"""What every model that is trained by gradients shares: Keras' compile and fit on scipy matrices."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf.batches import (
    TrainingBatch,
    copied_ahead,
    evaluation_batches,
    passes_over,
    steps_per_epoch,
    training_batches,
)
from multvae_tf.errors import RunError, SettingError, check
from multvae_tf.recommender_model import Matrix, RecommenderModel, checked_csr, checked_held_out


def adam(learning_rate: float) -> keras.optimizers.Adam:
    """Adam with the constants of both reference programs: beta1 .9, beta2 .999, epsilon 1e-8, not 1e-7."""
    return keras.optimizers.Adam(learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8)


def gradient_descent(learning_rate: float) -> keras.optimizers.SGD:
    """Plain stochastic gradient descent, without momentum."""
    return keras.optimizers.SGD(learning_rate)


OPTIMIZERS: dict[str, Callable[[float], keras.optimizers.Optimizer]] = {
    "adam": adam,
    "sgd": gradient_descent,
}


def fused_update(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> Callable[[list[tf.Tensor]], None]:
    """An update of `variables` by `optimizer`, compiled by XLA.

    Keras' optimizers are chains of elementwise ops, each a pass over all weights; XLA makes a few passes of
    them, three of Adam's.

    Args:
        optimizer: built for these variables.
        variables: what is to be updated, in the order of the gradients.

    Returns:
        A function of the gradients, dense tensors in the shapes of the variables.
    """

    @tf.function(jit_compile=True, autograph=False)
    def update(gradients: list[tf.Tensor]) -> None:
        optimizer.apply(gradients, variables)

    return update


def check_unused(optimizer: str | keras.optimizers.Optimizer, field: str) -> None:
    """Raises `SettingError` naming the field if an optimizer has its state for some weights already."""
    if isinstance(optimizer, keras.optimizers.Optimizer) and optimizer.built:
        raise SettingError(field, "is in use already; make a new one")


class TrainableModel(RecommenderModel):
    """A `RecommenderModel` that is trained by gradients, batch by batch.

    Subclasses implement `train_step`, and take every random draw from `noise_seed`, a function of (seed,
    step): a run that is continued from a checkpoint draws what it would have drawn.

    Args:
        num_items: size I of the catalogue.
        loss_names: under which `train_step` reports per-user means of an epoch; `loss` comes first.
        **kwargs: of `RecommenderModel` (`seed`) and `keras.Model` (`name`, `dtype`).
    """

    default_learning_rate = 1e-3

    def __init__(self, num_items: int, *, loss_names: Sequence[str] = ("loss",), **kwargs: Any):
        super().__init__(num_items, **kwargs)
        self._loss_means = {name: keras.metrics.Mean(name=name) for name in loss_names}

    @property
    def passes_per_epoch(self) -> int:
        """Passes over the training data in one epoch of `fit`."""
        return 1

    @property
    def updates_per_batch(self) -> int:
        """Updates that one `train_step` makes."""
        return 1

    def phase(self, pass_number: int) -> str:
        """What a pass of an epoch trains, in words for messages."""
        return "training"

    @property
    def step(self) -> tf.Tensor:
        """The number of updates made so far, an int64 scalar."""
        return tf.cast(self.optimizer.iterations, tf.int64)

    def noise_seed(self, purpose: int) -> tf.Tensor:
        """The int64 [2] seed of this step's draw for one purpose (dropout, noise, ...)."""
        return tf.stack([tf.constant(self.seed * 16 + purpose, tf.int64), self.step])

    @property
    def optimized_variables(self) -> list[keras.Variable]:
        """What `optimizer` updates."""
        return self.trainable_variables

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        *,
        steps_per_execution: int = 1,
        run_eagerly: bool = False,
    ) -> None:
        """Chooses the optimizer, and creates its state at once, since checkpoints need it.

        Args:
            optimizer: a Keras optimizer or its name; None means the paper's Adam. Losses and metrics are the
                model's own.
            steps_per_execution: batches between two looks of Keras at the losses.
            run_eagerly: as of `keras.Model.compile`, for debugging.

        Raises:
            SettingError: the optimizer is in use already.
        """
        if optimizer is None:
            optimizer = adam(self.default_learning_rate)
        check_unused(optimizer, "optimizer")
        super().compile(optimizer=optimizer, steps_per_execution=steps_per_execution, run_eagerly=run_eagerly)
        self.optimizer.build(self.optimized_variables)

    def get_compile_config(self) -> dict[str, Any]:
        """The optimizer, so that a saved model loads with it."""
        return {"optimizer": keras.saving.serialize_keras_object(self.optimizer)} if self.compiled else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model; Keras would skip a model whose `compile` is its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update; returns the running means of the losses over the epoch."""
        raise NotImplementedError

    def prepare_training(self, num_users: int, num_updates: int | None = None) -> None:
        """Fills in what depends on the data; called before `fit` begins.

        Args:
            num_users: the training users, numbered from 0 in the batches; 0 if they have no numbers.
            num_updates: that all epochs make; None if that is not known.
        """

    def num_updates(self, num_users: int, batch_size: int, epochs: int) -> int:
        """The updates that so many epochs over so many users make."""
        batches = steps_per_epoch(num_users, batch_size) * self.passes_per_epoch
        return epochs * batches * self.updates_per_batch

    def fit(
        self,
        x: Matrix | tf.data.Dataset,
        *,
        epochs: int = 1,
        batch_size: int = 500,
        validation_data: tuple[Matrix, Matrix] | tf.data.Dataset | None = None,
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        verbose: int | str = "auto",
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_freq: int = 1,
        validation_batch_size: int | None = None,
    ) -> keras.callbacks.History:
        """Trains on users by items; passes, steps and the order of the users are the model's own business.

        Training goes on where it was: `fit` for one epoch three times gives, bit for bit, the weights of
        `fit` for three.

        Args:
            x: scipy sparse [num_users, num_items] in any format, a 1 for each interaction. Or a
                `tf.data.Dataset` that is one pass over the users, of `Interactions` or ragged int tensors
                [B, None]; or one of `TrainingBatch`, with `steps_per_epoch`.
            epochs: number of the last epoch; Keras counts from `initial_epoch`.
            batch_size: users in an update; a Dataset has its own.
            validation_data: fold-in and held-out, scipy sparse [num_validation_users, num_items] each, or a
                Dataset of `HeldOutBatch`. After each epoch the history has val_NDCG@100 and so on.
            callbacks: Keras callbacks.
            verbose: as of `keras.Model.fit`.
            initial_epoch: as of `keras.Model.fit`.
            steps_per_epoch: of a Dataset of `TrainingBatch`.
            validation_freq: validate every so many epochs.
            validation_batch_size: users at a time; None means `batch_size`.

        Returns:
            Keras' history: for each of the model's losses and metrics a list with one number an epoch.

        Raises:
            SettingError: the data does not fit the model, or holds anything but zeros and ones.
            RunError: the model is not compiled.
        """
        if not self.compiled:
            raise RunError("the model is not compiled: call model.compile() before model.fit()")
        check(batch_size >= 1, "batch_size", batch_size, "at least 1")
        if validation_data is not None and not isinstance(validation_data, tf.data.Dataset):
            fold_in, held_out = validation_data
            fold_in, held_out = checked_held_out(fold_in, held_out, self.num_items)
            if not held_out.nnz:
                raise SettingError(
                    "validation_data", "has no held-out item of any user: nothing to validate on"
                )
            validation_data = evaluation_batches(fold_in, held_out, validation_batch_size or batch_size)
        if isinstance(x, tf.data.Dataset):
            self.prepare_training(0)
            is_of_passes = not isinstance(x.element_spec, TrainingBatch)
            batches = passes_over(x, self.passes_per_epoch) if is_of_passes else x
        else:
            matrix = checked_csr(x, "x", self.num_items)
            check(matrix.shape[0] >= 1, "x", f"of shape {matrix.shape}", "of at least one user")
            self.prepare_training(matrix.shape[0], self.num_updates(matrix.shape[0], batch_size, epochs))
            steps_per_epoch = self.num_updates(matrix.shape[0], batch_size, 1) // self.updates_per_batch
            epochs_done = int(self.step) // (steps_per_epoch * self.updates_per_batch)
            batches = training_batches(
                matrix,
                batch_size,
                seed=self.seed,
                first_epoch=max(initial_epoch, epochs_done),
                num_epochs=epochs - initial_epoch,
                passes_per_epoch=self.passes_per_epoch,
            )
        if gpus := tf.config.list_logical_devices("GPU"):
            batches = copied_ahead(batches, gpus[0].name)
        return super().fit(
            batches,
            validation_data=validation_data,
            initial_epoch=initial_epoch,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,
            verbose=verbose,
            callbacks=None if callbacks is None else list(callbacks),
            validation_freq=validation_freq,
        )

    def _report(self, num_users: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the per-user running means with this batch's means."""
        for name, value in values.items():
            self._loss_means[name].update_state(value, sample_weight=tf.cast(num_users, tf.float32))
        return {name: self._loss_means[name].result() for name in values}
