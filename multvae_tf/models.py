"""Mult-VAE and Mult-DAE (Liang et al. 2018, arXiv 1802.05814)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf import losses
from multvae_tf.batches import TrainingBatch
from multvae_tf.layers import SparseRows, drop_items, l2_normalize, reparameterize
from multvae_tf.mlp_autoencoder import MLPAutoencoder
from multvae_tf.schedules import BetaSchedule, LinearAnnealing

_DROPOUT, _NOISE = 0, 1


@keras.saving.register_keras_serializable(package="multvae_tf")
class MultVAE(MLPAutoencoder):
    """Variational autoencoder with a multinomial likelihood, Mult-VAE^PR.

    Maximises, over users u, E_q[log p(x_u | z_u)] - beta KL(q(z_u | x_u) || N(0, I)) (eq. 8), with
    q(z_u | x_u) = N(mu(x_u), diag sigma^2(x_u)) and pi(z_u) = softmax(f(z_u)); f, mu and log sigma^2 are
    multilayer perceptrons, linear in their last layer.

    Args:
        num_items: size I of the catalogue.
        hidden_dims: widths of the encoder's hidden layers, first to last; the decoder mirrors them.
        latent_dim: size of z.
        activation: of the hidden layers.
        dropout_rate: of the L2-normalised input, in training.
        l2: lambda of lambda * sum ||W||^2, in the loss of each update.
        likelihood: of x given the decoder's output: `multinomial`, `gaussian` or `logistic`.
        positive_weight: of the Gaussian likelihood; see `losses.gaussian_nll`.
        beta: a `BetaSchedule`.
        seed: of the initial weights, the dropout and the noise.
        **kwargs: of `MultinomialAutoencoder`.

    Train with `fit` on `batches.training_batches`, compiled with an optimizer alone. In training z is
    sampled once per user; otherwise z = mu.

    Deviations: none.
    """

    def __init__(
        self,
        num_items: int,
        *,
        hidden_dims: Sequence[int] = (600,),
        latent_dim: int = 200,
        activation: str = "tanh",
        dropout_rate: float = 0.5,
        l2: float = 0.0,
        likelihood: str = "multinomial",
        positive_weight: float = 10.0,
        beta: BetaSchedule | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            encoder_dims=[*hidden_dims, 2 * latent_dim],
            decoder_dims=[latent_dim, *reversed(hidden_dims)],
            activation=activation,
            dropout_rate=dropout_rate,
            l2=l2,
            likelihood=likelihood,
            positive_weight=positive_weight,
            seed=seed,
            **kwargs,
        )
        self.hidden_dims = tuple(hidden_dims)
        self.latent_dim = latent_dim
        self.beta = LinearAnnealing(total_anneal_steps=200_000, anneal_cap=0.2) if beta is None else beta

    @property
    def loss_names(self) -> tuple[str, ...]:
        """`loss` is the negative ELBO with its L2 penalty."""
        return ("loss", "nll", "kl")

    def encode(self, rows: SparseRows) -> tuple[tf.Tensor, tf.Tensor]:
        """Mu and log sigma^2 of q(z | x), float32 [B, latent_dim] each."""
        z_mean, z_log_var = tf.split(tf.cast(self._encoder_output(rows), tf.float32), 2, axis=1)
        return z_mean, z_log_var

    def negative_elbo(
        self, batch: TrainingBatch, rows: SparseRows, epsilon: tf.Tensor, beta: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The loss of an update and its parts.

        Args:
            batch: the targets.
            rows: the encoder's input: the same users, normalised, with dropout.
            epsilon: float32 [B, latent_dim], the noise of z.
            beta: float32 scalar or [B].

        Returns:
            `loss`, `nll`, `kl`: float32 scalars, means over the users, in nats.
        """
        z_mean, z_log_var = self.encode(rows)
        nll = self.nll_at(reparameterize(z_mean, z_log_var, epsilon), batch.x)
        kl = losses.gaussian_kl(z_mean, z_log_var)
        loss = tf.reduce_mean(nll + beta * kl)
        if self.l2:
            loss += self.l2_penalty()
        return {"loss": loss, "nll": tf.reduce_mean(nll), "kl": tf.reduce_mean(kl)}

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update; returns the epoch's running means of loss, nll and kl, and the update's mean beta."""
        num_users = batch.x.num_rows
        rows = drop_items(l2_normalize(batch.x), self.dropout_rate, self.noise_seed(_DROPOUT))
        epsilon = tf.random.stateless_normal([num_users, self.latent_dim], self.noise_seed(_NOISE))
        beta = self.beta(self.step, tf.cast(batch.x.row_lengths, tf.float32))
        with tf.GradientTape() as tape:
            parts = self.negative_elbo(batch, rows, epsilon, beta)
        self.minimize(tape, parts["loss"])
        return {**self._report(num_users, **parts), "beta": tf.reduce_mean(beta)}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_dims": self.hidden_dims,
            "latent_dim": self.latent_dim,
            "beta": keras.saving.serialize_keras_object(self.beta),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "MultVAE":
        """The inverse of `get_config`."""
        return cls(
            **{**config, "beta": keras.saving.deserialize_keras_object(config["beta"], custom_objects)}
        )


@keras.saving.register_keras_serializable(package="multvae_tf")
class MultDAE(MLPAutoencoder):
    """Denoising autoencoder with a multinomial likelihood, Mult-DAE.

    Maximises, over users u, log p(x_u | g(x_u)) with input dropout (eq. 9) minus an L2 penalty; z = g(x) is
    deterministic.

    Args:
        num_items: size I of the catalogue.
        hidden_dims: widths of the hidden layers between the input and z; the decoder mirrors them.
        latent_dim: size of z.
        activation: of every layer but the output, the one that gives z included.
        dropout_rate: of the L2-normalised input, in training.
        l2: lambda of lambda * sum ||W||^2, in the loss of each update.
        likelihood: of x given the decoder's output: `multinomial`, `gaussian` or `logistic`.
        positive_weight: of the Gaussian likelihood; see `losses.gaussian_nll`.
        seed: of the initial weights and the dropout.
        **kwargs: of `MultinomialAutoencoder`.

    Train as `MultVAE`.

    Deviations: none.
    """

    def __init__(
        self,
        num_items: int,
        *,
        hidden_dims: Sequence[int] = (),
        latent_dim: int = 200,
        activation: str = "tanh",
        dropout_rate: float = 0.5,
        l2: float = 0.01 / 500,
        likelihood: str = "multinomial",
        positive_weight: float = 10.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            encoder_dims=[*hidden_dims, latent_dim],
            decoder_dims=[latent_dim, *reversed(hidden_dims)],
            activation=activation,
            dropout_rate=dropout_rate,
            l2=l2,
            likelihood=likelihood,
            positive_weight=positive_weight,
            seed=seed,
            **kwargs,
        )
        self.hidden_dims = tuple(hidden_dims)
        self.latent_dim = latent_dim

    def encode(self, rows: SparseRows) -> tuple[tf.Tensor, None]:
        """z, float32 [B, latent_dim]; it has no variance."""
        z = keras.activations.get(self.activation)(self._encoder_output(rows))
        return tf.cast(z, tf.float32), None

    def penalized_nll(self, batch: TrainingBatch, rows: SparseRows) -> dict[str, tf.Tensor]:
        """The loss of an update and its part `nll`; see `MultVAE.negative_elbo`."""
        z, _ = self.encode(rows)
        nll = tf.reduce_mean(self.nll_at(z, batch.x))
        return {"loss": nll + self.l2_penalty() if self.l2 else nll, "nll": nll}

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update; returns the epoch's running means of loss and nll."""
        rows = drop_items(l2_normalize(batch.x), self.dropout_rate, self.noise_seed(_DROPOUT))
        with tf.GradientTape() as tape:
            parts = self.penalized_nll(batch, rows)
        self.minimize(tape, parts["loss"])
        return self._report(batch.x.num_rows, **parts)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "hidden_dims": self.hidden_dims, "latent_dim": self.latent_dim}
