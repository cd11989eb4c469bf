"""Mult-VAE and Mult-DAE (Liang et al. 2018, arXiv 1802.05814)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf import losses
from multvae_tf.autoencoder import MLPAutoencoder
from multvae_tf.batches import TrainingBatch
from multvae_tf.layers import SparseRows, drop_items, l2_normalize, reparameterize
from multvae_tf.losses import Likelihood
from multvae_tf.schedules import BetaSchedule, LinearAnnealing, checked_beta

_DROPOUT, _NOISE = 0, 1


@keras.saving.register_keras_serializable(package="multvae_tf")
class MultVAE(MLPAutoencoder):
    """Variational autoencoder with a multinomial likelihood, Mult-VAE^PR.

    Maximises, over users u, E_q[log p(x_u | z_u)] - beta KL(q(z_u | x_u) || N(0, I)) (equation 8), with
    q(z_u | x_u) = N(mu(x_u), diag sigma^2(x_u)) and pi(z_u) = softmax(f(z_u)); f, mu and log sigma^2 are
    multilayer perceptrons, linear in their last layer. In training z is sampled once per user; otherwise
    z = mu. The defaults are the paper's and its code's for ML-20M.

    Args:
        num_items: The size I of the catalogue.
        hidden_dims: The widths of the encoder's hidden layers, first to last; the decoder mirrors them.
        latent_dim: The size of z, the code of a user.
        activation: The name of the Keras activation of the hidden layers.
        dropout_rate: The probability with which each item of a user is dropped from the input in training.
        l2: The weight lambda of the penalty lambda * sum ||W||^2, which is added to the loss of each update.
        likelihood: How a user's items are thought to come from the decoder's output, a `Likelihood`; None
            means `MultinomialLikelihood()`.
        beta: How the weight of the KL term goes over the updates, a `BetaSchedule`; None means
            `LinearAnnealing()`.
        seed: The seed of the initial weights, the order of the users, the dropout and the noise; 98765 in the
            authors' code.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf import MultVAE
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = MultVAE(num_items=20, hidden_dims=(16,), latent_dim=4)
        >>> model.compile()
        >>> history = model.fit(x, epochs=2, batch_size=10, verbose=0)
        >>> items, scores = model.recommend(x[:5], k=3)
        >>> items.shape
        (5, 3)

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
        likelihood: Likelihood | None = None,
        beta: BetaSchedule | None = None,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            hidden_dims=hidden_dims,
            latent_dim=latent_dim,
            outputs_per_latent=2,
            activation=activation,
            dropout_rate=dropout_rate,
            l2=l2,
            likelihood=likelihood,
            loss_names=("loss", "nll", "kl", "beta"),
            seed=seed,
            **kwargs,
        )
        self.beta: BetaSchedule = checked_beta(LinearAnnealing() if beta is None else beta)

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
        """One update; returns the epoch's means over the users of the loss, its parts, and beta."""
        num_users = batch.x.num_rows
        rows = drop_items(l2_normalize(batch.x), self.dropout_rate, self.noise_seed(_DROPOUT))
        epsilon = tf.random.stateless_normal([num_users, self.latent_dim], self.noise_seed(_NOISE))
        beta = self.beta(self.step, tf.cast(batch.x.row_lengths, tf.float32))
        with tf.GradientTape() as tape:
            parts = self.negative_elbo(batch, rows, epsilon, beta)
        self.minimize(tape, parts["loss"])
        return self._report(num_users, **parts, beta=tf.reduce_mean(beta))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "beta": keras.saving.serialize_keras_object(self.beta)}


@keras.saving.register_keras_serializable(package="multvae_tf")
class MultDAE(MLPAutoencoder):
    """Denoising autoencoder with a multinomial likelihood, Mult-DAE.

    Maximises, over users u, log p(x_u | g(x_u)) with input dropout (equation 9) minus an L2 penalty; z = g(x)
    is deterministic. The defaults are the paper's and its code's.

    Args:
        num_items: The size I of the catalogue.
        hidden_dims: The widths of the hidden layers between the input and z; the decoder mirrors them.
        latent_dim: The size of z, the code of a user.
        activation: The name of the Keras activation of every layer but the last, the one that gives z
            included.
        dropout_rate: The probability with which each item of a user is dropped from the input in training.
        l2: The weight lambda of the penalty lambda * sum ||W||^2, which is added to the loss of each update;
            0.01 / 500 in the authors' code.
        likelihood: How a user's items are thought to come from the decoder's output, a `Likelihood`; None
            means `MultinomialLikelihood()`.
        seed: The seed of the initial weights, the order of the users and the dropout; 98765 in the authors'
            code.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> from multvae_tf import MultDAE
        >>> model = MultDAE(num_items=20, latent_dim=4)
        >>> model.compile()
        >>> model.latent_dim
        4

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
        likelihood: Likelihood | None = None,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            hidden_dims=hidden_dims,
            latent_dim=latent_dim,
            outputs_per_latent=1,
            activation=activation,
            dropout_rate=dropout_rate,
            l2=l2,
            likelihood=likelihood,
            seed=seed,
            **kwargs,
        )

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
        """One update; returns the epoch's means over the users of the loss and nll."""
        rows = drop_items(l2_normalize(batch.x), self.dropout_rate, self.noise_seed(_DROPOUT))
        with tf.GradientTape() as tape:
            parts = self.penalized_nll(batch, rows)
        self.minimize(tape, parts["loss"])
        return self._report(batch.x.num_rows, **parts)
