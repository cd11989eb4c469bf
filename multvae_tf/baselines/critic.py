"""RaCT's critic: a small network that predicts a user's NDCG from the terms of the loss."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.batches import HeldOutBatch, Interactions
from multvae_tf.errors import check
from multvae_tf.layers import keep_items, l2_normalize, reparameterize
from multvae_tf.ranking import MONITORED, rank_batch

_NUM_FEATURES = 3
_EPSILON = 1e-3


class ActorView(NamedTuple):
    """What the actor makes of users of whom it sees a part.

    Attributes:
        features: float32 [B, 3]: the number of items that it sees, of those that it does not, and the
            negative log-likelihood of all.
        seen: the items that it sees.
        unseen: the others.
        logits: float32 [B, num_items].
    """

    features: tf.Tensor
    seen: Interactions
    unseen: Interactions
    logits: tf.Tensor


def look(
    actor: Autoencoder, x: Interactions, kept: tf.Tensor, keep_probability: float, epsilon: tf.Tensor | None
) -> ActorView:
    """The actor's view of users without the items that dropout took, and the critic's features.

    Args:
        actor: encodes, decodes and has the likelihood.
        x: all items of B users.
        kept: bool [N], which of `x.ids` the actor sees.
        keep_probability: 1 - the rate of the dropout, in (0, 1].
        epsilon: the noise of z, float32 [B, latent_dim]; None means z = mu.
    """
    z, z_log_var = actor.encode(keep_items(l2_normalize(x), kept, keep_probability))
    if z_log_var is not None and epsilon is not None:
        z = reparameterize(z, z_log_var, epsilon)
    logits = actor.decode(z)
    seen, unseen = x.only(kept), x.only(~kept)
    counts = [tf.cast(part.row_lengths, tf.float32) for part in (seen, unseen)]
    features = tf.stack([*counts, actor.likelihood.nll(x, logits)], axis=1)
    return ActorView(features, seen, unseen, logits)


def target(view: ActorView, num_items: int) -> tf.Tensor:
    """NDCG@100 of the items that the actor did not see, float32 [B]; 0 for a user who has none."""
    logits = tf.stop_gradient(view.logits)
    ranking = rank_batch(
        lambda start, width: tf.slice(logits, [0, start], [-1, width]),
        num_items,
        HeldOutBatch(view.seen, view.unseen),
    )
    return tf.cast(ranking.metrics[MONITORED], tf.float32)


@keras.saving.register_keras_serializable(package="multvae_tf")
class Critic(keras.layers.Layer):
    """Predicts the NDCG of a user, in (0, 1), from the three features of `ActorView`.

    The features are standardised by their mean and variance over all users that `observe` was given; then
    come ReLU layers and a sigmoid.

    Args:
        hidden_dims: The widths of the ReLU layers.
        l2: The weight of the sum of the squared weights, divided by the users of a batch, in the loss.
        seed: The seed of the initial weights.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import tensorflow as tf
        >>> from multvae_tf.baselines import Critic
        >>> Critic()(tf.constant([[10.0, 9.0, 200.0]])).shape
        TensorShape([1])

    Deviations: the program of Lobel et al. standardises by batch renormalisation, whose averages it takes
    while the actor is trained; these are exact averages, taken while the critic is trained alone.

    References:
        Lobel, Li, Gao and Carin 2020 (ICLR, arXiv 1906.04281), section 3.2.
    """

    def __init__(
        self, hidden_dims: tuple[int, ...] = (100, 100, 10), *, l2: float = 1e-4, seed: int = 0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        check(all(dim >= 1 for dim in hidden_dims), "hidden_dims", tuple(hidden_dims), "widths of at least 1")
        check(l2 >= 0, "l2", l2, "at least 0")
        self.hidden_dims = tuple(hidden_dims)
        self.l2 = l2
        self.seed = seed
        self.num_observed = self._statistic("num_observed", ())
        self.means = self._statistic("means", (_NUM_FEATURES,))
        self.squares = self._statistic("squares", (_NUM_FEATURES,))
        self.dense_layers = []
        activations = ["relu"] * len(self.hidden_dims) + ["sigmoid"]
        width = _NUM_FEATURES
        for number, (units, activation) in enumerate(zip((*self.hidden_dims, 1), activations, strict=True)):
            initializer = keras.initializers.GlorotUniform(seed=seed * 1000 + number)
            layer = keras.layers.Dense(units, activation=activation, kernel_initializer=initializer)
            layer.build((None, width))
            self.dense_layers.append(layer)
            width = units
        self.built = True

    def _statistic(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, initializer="zeros", dtype="float32", trainable=False)

    def observe(self, features: tf.Tensor) -> None:
        """Takes the features of further users, float32 [B, 3], into the mean and the variance."""
        total = self.num_observed + tf.cast(tf.shape(features)[0], tf.float32)
        differences = features - self.means
        means = self.means + tf.reduce_sum(differences, axis=0) / total
        self.squares.assign_add(tf.reduce_sum(differences * (features - means), axis=0))
        self.means.assign(means)
        self.num_observed.assign(total)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """The predicted NDCG, float32 [B]."""
        variances = self.squares / tf.maximum(self.num_observed, 1.0)
        h = (features - self.means) * tf.math.rsqrt(variances + _EPSILON)
        for layer in self.dense_layers:
            h = layer(h)
        return tf.cast(h[:, 0], tf.float32)

    def loss(self, predicted: tf.Tensor, ndcg: tf.Tensor) -> tf.Tensor:
        """The mean squared error of the prediction, and the L2 penalty, a float32 scalar."""
        penalty = tf.add_n([tf.reduce_sum(tf.square(weight)) for weight in self.trainable_variables])
        num_users = tf.cast(tf.maximum(tf.size(ndcg), 1), tf.float32)
        return tf.reduce_mean(tf.square(ndcg - predicted)) + self.l2 * penalty / num_users

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "hidden_dims": self.hidden_dims, "l2": self.l2, "seed": self.seed}
