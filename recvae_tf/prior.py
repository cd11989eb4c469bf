"""Priors of z: RecVAE's composite one, and those with which the paper compares it (RealNVP: `flow`)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recvae_tf.encoder import Encoder

Posterior = tuple[tf.Tensor, tf.Tensor]
_LOG_2_PI = math.log(2 * math.pi)


def log_normal(z: tf.Tensor, mean: tf.Tensor | float, log_var: tf.Tensor | float) -> tf.Tensor:
    """Elementwise log N(z; mu, sigma^2) = -(log sigma^2 + log 2 pi + (z - mu)^2 / sigma^2) / 2."""
    return -0.5 * (log_var + _LOG_2_PI + tf.square(z - mean) * tf.exp(-log_var))


class Prior(keras.layers.Layer):
    """p(z), or p(z | x) if it looks at the user's old posterior.

    Its weights, if any, are trained with the encoder's. Subclasses implement `log_prob`, which XLA must be
    able to compile, name in `report_names` what it reports, and say in `needs_old_posterior` whether they
    use that.
    """

    needs_old_posterior = False
    report_names: tuple[str, ...] = ()

    def log_prob(
        self, z: tf.Tensor, old_posterior: Posterior | None, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The log density at z.

        Args:
            z: float32 [B, latent_dim].
            old_posterior: mu and log sigma^2 of the users under the old encoder, float32 [B, latent_dim]
                each; None for priors that do not need it.
            encoder: the present one.

        Returns:
            log p, float32 [B], in nats, and a float32 scalar for each of `report_names`.
        """
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="recvae_tf")
class GaussianPrior(Prior):
    """p(z) = N(z; 0, I), the prior of Mult-VAE.

    Deviations: its KL is the single-sample estimate here, as with every other prior, not the closed form.
    """

    def log_prob(
        self, z: tf.Tensor, old_posterior: Posterior | None, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`."""
        return tf.reduce_sum(log_normal(z, 0.0, 0.0), axis=1), {}


@keras.saving.register_keras_serializable(package="recvae_tf")
class CompositePrior(Prior):
    """The composite prior of RecVAE (Shenbin et al. 2020).

    p(z_k | x) = w_1 N(z_k; 0, 1) + w_2 N(z_k; mu_old,k(x), sigma_old,k^2(x)) + w_3 N(z_k; 0, e^10), for each
    latent dimension k on its own; mu_old and sigma_old^2 are the posterior, on the clean x, of a frozen
    earlier encoder.

    Args:
        mixture_weights: w, positive, sum 1.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: the weights are not three positive numbers with sum 1.

    Deviations: none.
    """

    needs_old_posterior = True
    report_names = ("share_standard", "share_old_posterior", "share_wide")
    wide_log_var = 10.0

    def __init__(self, mixture_weights: Sequence[float] = (3 / 20, 3 / 4, 1 / 10), **kwargs: Any):
        super().__init__(**kwargs)
        self.mixture_weights = tuple(mixture_weights)
        if len(self.mixture_weights) != 3 or min(self.mixture_weights) <= 0:
            raise ValueError(f"mixture_weights is {self.mixture_weights}; it must be three positive numbers")
        if not math.isclose(sum(self.mixture_weights), 1, abs_tol=1e-6):
            raise ValueError(f"mixture_weights is {self.mixture_weights}; its sum must be 1")
        self.built = True

    def by_dimension(self, z: tf.Tensor, old_posterior: Posterior) -> tuple[tf.Tensor, tf.Tensor]:
        """Per dimension, log p(z_k | x), [B, latent_dim]; and each component's mean responsibility, [3]."""
        gaussians = [(0.0, 0.0), old_posterior, (0.0, self.wide_log_var)]
        weighted = tf.stack(
            [math.log(w) + log_normal(z, *g) for w, g in zip(self.mixture_weights, gaussians, strict=True)]
        )
        shares = tf.reduce_mean(tf.nn.softmax(tf.stop_gradient(weighted), axis=0), axis=[1, 2])
        return tf.reduce_logsumexp(weighted, axis=0), shares

    def log_prob(
        self, z: tf.Tensor, old_posterior: Posterior | None, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`; reports each component's mean responsibility for z."""
        assert old_posterior is not None
        log_probs, shares = self.by_dimension(z, old_posterior)
        return tf.reduce_sum(log_probs, axis=1), dict(zip(self.report_names, tf.unstack(shares), strict=True))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mixture_weights": self.mixture_weights}


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

    Args:
        latent_dim: size of z.
        num_components: of the mixture.
        seed: of the initial means, which are standard normal; variances start at 1, weights equal.
        **kwargs: of `keras.layers.Layer`.

    Deviations: the authors' code has no learnable mixture; this is the usual one over whole vectors z.
    """

    report_names = ("largest_share",)

    def __init__(self, latent_dim: int, num_components: int, *, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.num_components = num_components
        self.seed = seed
        shape = (num_components, latent_dim)
        self.means = self.add_weight(
            name="means", shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0, seed=seed)
        )
        self.log_vars = self.add_weight(name="log_vars", shape=shape, initializer="zeros")
        self.logits = self.add_weight(name="logits", shape=(num_components,), initializer="zeros")
        self.built = True

    def log_prob(
        self, z: tf.Tensor, old_posterior: Posterior | None, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`; reports the largest component's mean responsibility."""
        log_weights = tf.nn.log_softmax(self.logits.value)
        log_prob, share = log_mixture(z, self.means.value, self.log_vars.value, log_weights)
        return log_prob, {"largest_share": share}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "num_components": self.num_components,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="recvae_tf")
class VampPrior(Prior):
    """p(z) = (1/K) sum_j q(z | u_j) for learnt pseudo-inputs u_j (Tomczak & Welling 2018, eq. 9).

    Args:
        num_items: size I of the catalogue.
        num_components: K.
        seed: of the initial pseudo-inputs, which are uniform in [0, 1].
        **kwargs: of `keras.layers.Layer`.

    Deviations: a pseudo-input is max(u_j, 0), L2-normalised as the users' rows are.
    """

    report_names = ("largest_share",)

    def __init__(self, num_items: int, num_components: int, *, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.num_components = num_components
        self.seed = seed
        self.pseudo_inputs = self.add_weight(
            name="pseudo_inputs",
            shape=(num_components, num_items),
            initializer=keras.initializers.RandomUniform(0.0, 1.0, seed=seed),
        )
        self.built = True

    def log_prob(
        self, z: tf.Tensor, old_posterior: Posterior | None, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`; reports the largest component's mean responsibility."""
        inputs = tf.nn.l2_normalize(tf.nn.relu(self.pseudo_inputs.value), axis=1)
        log_weights = tf.fill([self.num_components], np.float32(-math.log(self.num_components)))
        log_prob, share = log_mixture(z, *encoder.encode_dense(inputs), log_weights)
        return log_prob, {"largest_share": share}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "num_components": self.num_components,
            "seed": self.seed,
        }
