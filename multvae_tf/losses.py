"""Negative log-likelihoods and KL divergences, per user; the models average them over the batch."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from multvae_tf.batches import Interactions

_MULTIPLE = 8192


@tf.function(jit_compile=True, autograph=False)
def _log_normalizer(logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_logsumexp(logits, axis=1)


@tf.function(jit_compile=True, autograph=False)
def _scaled_softmax_minus(
    logits: tf.Tensor, log_normalizer: tf.Tensor, scale: tf.Tensor, coordinates: tf.Tensor, values: tf.Tensor
) -> tf.Tensor:
    softmax = tf.exp(logits - log_normalizer[:, tf.newaxis])
    return tf.tensor_scatter_nd_sub(scale[:, tf.newaxis] * softmax, coordinates, values)


def _for_width_of(logits: tf.Tensor, compiled: Any) -> Callable[..., tf.Tensor]:
    """The function as compiled by XLA, or as it was before: XLA would compile it anew for each width."""
    return compiled if logits.shape[1] is not None else compiled.python_function


def _filled_up(tensor: tf.Tensor) -> tf.Tensor:
    """With zeros, to a multiple of `_MULTIPLE` rows: XLA compiles its callers anew for each length."""
    missing = -tf.shape(tensor)[0] % _MULTIPLE
    return tf.pad(tensor, [[0, missing], *[[0, 0]] * (tensor.shape.rank - 1)])


def multinomial_nll(x: Interactions, logits: tf.Tensor) -> tf.Tensor:
    """-sum_i x_ui log softmax(logits_u)_i for binary x (Liang et al. 2018, eq. 2 without its constant).

    Written as n_u * logsumexp(logits_u) - sum_{i in u} logits_ui: the targets are never densified. The
    gradient, n_u softmax(logits_u) - x_u, is produced in one pass over the logits. XLA subtracts x in place;
    TensorFlow's own scatter would copy the whole.

    Args:
        x: the positives of B users.
        logits: float32 [B, num_items].

    Returns:
        float32 [B], in nats.

    Deviations: none.
    """
    coordinates = x.coordinates
    counts = tf.cast(x.row_lengths, tf.float32)

    @tf.custom_gradient
    def nll(logits: tf.Tensor) -> tuple:
        log_normalizer = _for_width_of(logits, _log_normalizer)(logits)
        sum_of_positives = tf.math.unsorted_segment_sum(
            tf.gather_nd(logits, coordinates), coordinates[:, 0], x.num_rows
        )

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            decrease = tf.gather(upstream, coordinates[:, 0])
            return _for_width_of(logits, _scaled_softmax_minus)(
                logits, log_normalizer, upstream * counts, _filled_up(coordinates), _filled_up(decrease)
            )

        return counts * log_normalizer - sum_of_positives, gradient

    return nll(logits)


def gaussian_nll(x: Interactions, logits: tf.Tensor, positive_weight: float) -> tf.Tensor:
    """sum_i c_ui (x_ui - f_ui)^2 / 2, with c_1 for the positives and c_0 = 1 (Liang et al. 2018, eq. 3).

    Args:
        x: the positives of B users.
        logits: f, float32 [B, num_items].
        positive_weight: c_1.

    Returns:
        float32 [B], without the normalising constant.

    Deviations: the paper does not state c_0 and c_1.
    """
    of_zeros = 0.5 * tf.reduce_sum(tf.square(logits), axis=1)

    def correction(f: tf.Tensor) -> tf.Tensor:
        return 0.5 * (positive_weight * tf.square(1.0 - f) - tf.square(f))

    return of_zeros + _sum_over_positives(x, logits, correction)


def logistic_nll(x: Interactions, logits: tf.Tensor) -> tf.Tensor:
    """-sum_i x_ui log sigma(f_ui) + (1 - x_ui) log(1 - sigma(f_ui)) (Liang et al. 2018, eq. 4).

    Args:
        x: the positives of B users.
        logits: f, float32 [B, num_items].

    Returns:
        float32 [B], in nats.

    Deviations: none.
    """
    return tf.reduce_sum(tf.math.softplus(logits), axis=1) - _sum_over_positives(x, logits, tf.identity)


def _sum_over_positives(
    x: Interactions, logits: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    coordinates = x.coordinates
    values = function(tf.gather_nd(logits, coordinates))
    return tf.math.unsorted_segment_sum(values, coordinates[:, 0], x.num_rows)


# Each takes x, the logits, and the weight of a positive, which is for the Gaussian alone.
LIKELIHOODS: dict[str, Callable[[Interactions, tf.Tensor, float], tf.Tensor]] = {
    "multinomial": lambda x, logits, _: multinomial_nll(x, logits),
    "gaussian": gaussian_nll,
    "logistic": lambda x, logits, _: logistic_nll(x, logits),
}


def gaussian_kl(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """KL(N(mu, sigma^2) || N(0, I)) = sum_k (sigma_k^2 + mu_k^2 - 1 - log sigma_k^2) / 2.

    Args:
        z_mean: mu, float [B, latent_dim].
        z_log_var: log sigma^2, float [B, latent_dim].

    Returns:
        float [B], in nats: summed, not averaged, over the latent dimensions.
    """
    return 0.5 * tf.reduce_sum(tf.exp(z_log_var) + tf.square(z_mean) - 1.0 - z_log_var, axis=1)
