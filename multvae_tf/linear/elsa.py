"""ELSA: item-item weights of low rank, trained by gradients, for catalogues of a million items."""

from typing import Any

import keras
import tensorflow as tf

from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.errors import check
from multvae_tf.linear.low_rank import normalized_squared_error, shallow_scores, unit_rows
from multvae_tf.ranking import ScoresOfBlock
from multvae_tf.trainable_model import TrainableModel, fused_update


@keras.saving.register_keras_serializable(package="multvae_tf")
class ELSA(TrainableModel):
    """Scalable linear shallow autoencoder: scores x A A' - x, where the rows of A have norm 1.

    A, [num_items, rank], has a vector for each item, and A A' - I a zero diagonal by construction. Minimises
    || y / ||y|| - x / ||x|| ||^2 with y = x A A' - x, the mean over the users. Neither A A' nor a dense x is
    ever made: memory is 4 matrices [num_items, rank] for the weights and Adam, and about two more during an
    update.

    Args:
        num_items: The size I of the catalogue.
        rank: The length r of the items' vectors.
        seed: The seed of the first vectors and the order of the users.
        **kwargs: of `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.linear import ELSA
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = ELSA(num_items=20, rank=8)
        >>> model.compile()
        >>> history = model.fit(x, epochs=2, batch_size=10, verbose=0)
        >>> model.item_vectors.shape
        TensorShape([20, 8])

    Deviations: the authors' program trains by NAdam with a learning rate of .1, this one by Adam with .01
    unless `compile` is told otherwise (on small data .003 is better, with twice the epochs). The loss is the
    sum over the items, not their mean, beside whose gradients Adam's epsilon would be large in a large
    catalogue.

    References:
        Vancura, Alves, Kasalicky and Kordik 2022, Scalable Linear Shallow Autoencoder for Collaborative
        Filtering (RecSys).
    """

    default_learning_rate = 1e-2

    def __init__(self, num_items: int, *, rank: int = 512, seed: int = 98765, **kwargs: Any):
        super().__init__(num_items, seed=seed, **kwargs)
        check(rank >= 1, "rank", rank, "at least 1")
        self.rank = rank
        self.raw_vectors = self.add_weight(
            name="raw_vectors",
            shape=(num_items, rank),
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
            dtype="float32",
            autocast=False,
        )
        self.built = True

    @property
    def item_vectors(self) -> tf.Tensor:
        """A, float32 [num_items, rank]; the cosine of two items is the product of their vectors."""
        return unit_rows(tf.convert_to_tensor(self.raw_vectors))

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """See `low_rank.shallow_scores`."""
        return shallow_scores(x, tf.convert_to_tensor(self.raw_vectors))

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update; returns the epoch's mean over the users of the loss."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(normalized_squared_error(batch.x, self.item_vectors))
        fused_update(self.optimizer, self.trainable_variables)(tape.gradient(loss, self.trainable_variables))
        return self._report(batch.x.num_rows, loss=loss)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rank": self.rank}
