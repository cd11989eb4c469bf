"""Priors that are mixtures of Gaussians: learnt ones, and the VampPrior."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from multvae_tf.errors import check
from recvae_tf.encoder import Encoder
from recvae_tf.prior import Prior

_LOG_2_PI = math.log(2 * math.pi)


def log_mixture(
    z: tf.Tensor, means: tf.Tensor, log_vars: tf.Tensor, log_weights: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The log density of a mixture of K diagonal Gaussians, and the largest mean responsibility in it.

    Args:
        z: float32 [B, latent_dim].
        means: float32 [K, latent_dim].
        log_vars: float32 [K, latent_dim].
        log_weights: float32 [K].

    Returns:
        float32 [B], and a scalar: 1 / K when all components are used alike, 1 when one does all.
    """
    precisions = tf.exp(-log_vars)
    scaled_means = means * precisions
    squared_distances = (
        tf.matmul(tf.square(z), precisions, transpose_b=True)
        - 2 * tf.matmul(z, scaled_means, transpose_b=True)
        + tf.reduce_sum(means * scaled_means, axis=1)
    )
    log_normalizers = tf.reduce_sum(log_vars + _LOG_2_PI, axis=1)
    components = log_weights - 0.5 * (squared_distances + log_normalizers)
    shares = tf.reduce_mean(tf.nn.softmax(components), axis=0)
    return tf.reduce_logsumexp(components, axis=1), tf.reduce_max(shares)


@keras.saving.register_keras_serializable(package="recvae_tf")
class MixturePrior(Prior):
    """p(z) = sum_j w_j N(z; mu_j, diag sigma_j^2), all learnt.

    The means start standard normal, the variances at 1, and the weights equal.

    Args:
        num_components: How many Gaussians the mixture has; not stated in the paper.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: the number is less than 1.

    Examples:
        >>> from recvae_tf import MixturePrior, RecVAE
        >>> model = RecVAE(num_items=1000, prior=MixturePrior(num_components=10))

    Deviations: the authors' code has no learnable mixture; this is the usual one over whole vectors z.
    """

    report_names = ("largest_share",)

    def __init__(self, num_components: int = 100, **kwargs: Any):
        super().__init__(**kwargs)
        check(num_components >= 1, "num_components", num_components, "at least 1")
        self.num_components = num_components

    def create_weights(self, encoder: Encoder, num_items: int) -> None:
        """The components' means, log variances and logits."""
        shape = (self.num_components, encoder.latent_dim)
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        self.means = self.add_weight(name="means", shape=shape, initializer=normal)
        self.log_vars = self.add_weight(name="log_vars", shape=shape, initializer="zeros")
        self.logits = self.add_weight(name="logits", shape=(self.num_components,), initializer="zeros")

    def log_prob(
        self, z: tf.Tensor, condition: Any, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`; reports the largest component's mean responsibility."""
        log_weights = tf.nn.log_softmax(self.logits.value)
        log_prob, share = log_mixture(z, self.means.value, self.log_vars.value, log_weights)
        return log_prob, {"largest_share": share}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_components": self.num_components}


@keras.saving.register_keras_serializable(package="recvae_tf")
class VampPrior(Prior):
    """p(z) = (1/K) sum_j q(z | u_j) for learnt pseudo-inputs u_j (Tomczak & Welling 2018, equation 9).

    The pseudo-inputs start uniform in [0, 1].

    Args:
        num_components: How many pseudo-inputs there are, K; not stated in the RecVAE paper.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: the number is less than 1.

    Examples:
        >>> from recvae_tf import RecVAE, VampPrior
        >>> model = RecVAE(num_items=1000, prior=VampPrior(num_components=10))

    Deviations: a pseudo-input is max(u_j, 0), L2-normalised as the users' rows are.
    """

    report_names = ("largest_share",)

    def __init__(self, num_components: int = 100, **kwargs: Any):
        super().__init__(**kwargs)
        check(num_components >= 1, "num_components", num_components, "at least 1")
        self.num_components = num_components

    def create_weights(self, encoder: Encoder, num_items: int) -> None:
        """The pseudo-inputs, [num_components, num_items]."""
        self.pseudo_inputs = self.add_weight(
            name="pseudo_inputs",
            shape=(self.num_components, num_items),
            initializer=keras.initializers.RandomUniform(0.0, 1.0, seed=self.seed),
        )

    def log_prob(
        self, z: tf.Tensor, condition: Any, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`; reports the largest component's mean responsibility."""
        inputs = tf.nn.l2_normalize(tf.nn.relu(self.pseudo_inputs.value), axis=1)
        log_weights = tf.fill([self.num_components], np.float32(-math.log(self.num_components)))
        log_prob, share = log_mixture(z, *encoder.encode_dense(inputs), log_weights)
        return log_prob, {"largest_share": share}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_components": self.num_components}
