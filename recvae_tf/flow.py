"""A prior that is a normalising flow."""

from typing import Any

import keras
import tensorflow as tf

from multvae_tf.errors import check
from recvae_tf.encoder import Encoder
from recvae_tf.prior import Prior, log_normal


@keras.saving.register_keras_serializable(package="recvae_tf")
class AffineCoupling(keras.layers.Layer):
    """y = m z + (1 - m) (z exp(s(m z)) + t(m z)) with a binary mask m (Dinh et al. 2017, eq. 9).

    s and t share a tanh layer; s is bounded by tanh. Both start at zero, so that y = z.

    Args:
        latent_dim: size of z.
        hidden_dim: width of the tanh layer.
        parity: m is 1 at the dimensions k with k mod 2 = parity.
        seed: of the initial weights.
        **kwargs: of `keras.layers.Layer`.

    Call with float32 [B, latent_dim]; returns y in the same shape and log |det dy/dz|, [B].

    Deviations: none.
    """

    def __init__(self, latent_dim: int, hidden_dim: int, parity: int, *, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.hidden_dim = hidden_dim
        self.parity = parity
        self.seed = seed
        self.mask = tf.cast(tf.range(latent_dim) % 2 == parity, tf.float32)
        initializer = keras.initializers.GlorotUniform(seed=seed)
        self.hidden_layer = keras.layers.Dense(hidden_dim, "tanh", kernel_initializer=initializer)
        self.output_layer = keras.layers.Dense(2 * latent_dim, kernel_initializer="zeros")
        self.hidden_layer.build((None, latent_dim))
        self.output_layer.build((None, hidden_dim))
        self.built = True

    def scale_and_shift(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The s and t, [B, latent_dim]: functions of the masked dimensions, and zero there."""
        s, t = tf.split(self.output_layer(self.hidden_layer(self.mask * z)), 2, axis=1)
        return (1 - self.mask) * tf.tanh(s), (1 - self.mask) * t

    def call(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the class."""
        s, t = self.scale_and_shift(z)
        return z * tf.exp(s) + t, tf.reduce_sum(s, axis=1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "latent_dim": self.latent_dim,
            "hidden_dim": self.hidden_dim,
            "parity": self.parity,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="recvae_tf")
class RealNVPPrior(Prior):
    """A chain f of affine couplings: log p(z) = log N(f(z); 0, I) + log |det df/dz| (Dinh et al., eq. 2).

    Args:
        num_couplings: How many couplings the chain has; their masks alternate.
        coupling_dim: The width of the hidden layer of each coupling.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: a value is less than 1.

    Examples:
        >>> from recvae_tf import RealNVPPrior, RecVAE
        >>> model = RecVAE(num_items=1000, prior=RealNVPPrior(num_couplings=2, coupling_dim=32))

    Deviations: the RecVAE paper gives no sizes for its RealNVP prior, and its code no flow.
    """

    def __init__(self, num_couplings: int = 4, coupling_dim: int = 200, **kwargs: Any):
        super().__init__(**kwargs)
        check(num_couplings >= 1, "num_couplings", num_couplings, "at least 1")
        check(coupling_dim >= 1, "coupling_dim", coupling_dim, "at least 1")
        self.num_couplings = num_couplings
        self.coupling_dim = coupling_dim

    def create_weights(self, encoder: Encoder, num_items: int) -> None:
        """The couplings."""
        self.couplings = [
            AffineCoupling(encoder.latent_dim, self.coupling_dim, number % 2, seed=self.seed * 1000 + number)
            for number in range(self.num_couplings)
        ]

    def to_base(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """f(z), float32 [B, latent_dim], and log |det df/dz|, [B]."""
        log_determinant = tf.zeros(tf.shape(z)[:1])
        for coupling in self.couplings:
            z, term = coupling(z)
            log_determinant += term
        return z, log_determinant

    def log_prob(
        self, z: tf.Tensor, condition: Any, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`."""
        base, log_determinant = self.to_base(z)
        return tf.reduce_sum(log_normal(base, 0.0, 0.0), axis=1) + log_determinant, {}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_couplings": self.num_couplings,
            "coupling_dim": self.coupling_dim,
        }
