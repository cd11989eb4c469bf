"""Likelihoods and KL divergences, per user; the models average them over the batch."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.errors import check

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


def gaussian_kl(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """KL(N(mu, sigma^2) || N(0, I)) = sum_k (sigma_k^2 + mu_k^2 - 1 - log sigma_k^2) / 2.

    Args:
        z_mean: mu, float [B, latent_dim].
        z_log_var: log sigma^2, float [B, latent_dim].

    Returns:
        float [B], in nats: summed, not averaged, over the latent dimensions.
    """
    return 0.5 * tf.reduce_sum(tf.exp(z_log_var) + tf.square(z_mean) - 1.0 - z_log_var, axis=1)


class Likelihood:
    """log p(x | logits): how the interactions of a user are thought to come from the decoder's output.

    Subclasses implement `nll`, and give back the constructor's arguments by `get_config`.
    """

    num_sampled_items = 0

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """The negative log-likelihood of x, float32 [B], in nats, given logits, float32 [B, num_items]."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Likelihood":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="multvae_tf")
class MultinomialLikelihood(Likelihood):
    """A user's items are drawn from softmax(logits): the likelihood of Mult-VAE, Mult-DAE and RecVAE.

    Args:
        num_sampled_items: On how many items an update estimates the softmax's normaliser, beside the batch's
            own items; 0 means all of them, exactly, as in the papers. See `sampled_softmax`.

    Raises:
        SettingError: the number is negative.

    Examples:
        >>> from multvae_tf import MultinomialLikelihood, MultVAE
        >>> model = MultVAE(1000, likelihood=MultinomialLikelihood(num_sampled_items=200))

    References: Liang et al. 2018, equation 2; see `multinomial_nll`.
    """

    def __init__(self, num_sampled_items: int = 0):
        check(num_sampled_items >= 0, "num_sampled_items", num_sampled_items, "at least 0")
        self.num_sampled_items = num_sampled_items

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See `multinomial_nll`."""
        return multinomial_nll(x, logits)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_sampled_items": self.num_sampled_items}


@keras.saving.register_keras_serializable(package="multvae_tf")
class GaussianLikelihood(Likelihood):
    """Each entry of x is normal around its logit, and the positives weigh more than the other items.

    Args:
        positive_weight: The weight c_1 of a positive's square, where that of any other item is 1; the paper
            does not state it.

    Raises:
        SettingError: the weight is not a positive number.

    Examples:
        >>> from multvae_tf import GaussianLikelihood
        >>> GaussianLikelihood(positive_weight=5.0).positive_weight
        5.0

    References: Liang et al. 2018, equation 3; see `gaussian_nll`.
    """

    def __init__(self, positive_weight: float = 10.0):
        is_positive = 0 < positive_weight < math.inf
        check(is_positive, "positive_weight", positive_weight, "a number greater than 0")
        self.positive_weight = positive_weight

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See `gaussian_nll`."""
        return gaussian_nll(x, logits, self.positive_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"positive_weight": self.positive_weight}


@keras.saving.register_keras_serializable(package="multvae_tf")
class LogisticLikelihood(Likelihood):
    """Each entry of x is a coin with the probability sigmoid(logit), whatever the others are.

    Examples:
        >>> from multvae_tf import LogisticLikelihood, MultDAE
        >>> type(MultDAE(100, likelihood=LogisticLikelihood()).likelihood).__name__
        'LogisticLikelihood'

    References: Liang et al. 2018, equation 4; see `logistic_nll`.
    """

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See `logistic_nll`."""
        return logistic_nll(x, logits)
