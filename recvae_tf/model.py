"""RecVAE (Shenbin et al. 2020, arXiv 1912.11160)."""

from typing import Any

import keras
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.errors import check
from multvae_tf.layers import SparseRows, drop_items, l2_normalize, reparameterize
from multvae_tf.losses import Likelihood
from multvae_tf.schedules import BetaSchedule, PerUserBeta, checked_beta
from multvae_tf.trainable_model import check_unused, fused_update
from recvae_tf.encoder import DenseEncoder, Encoder, torch_linear
from recvae_tf.prior import CompositePrior, Prior, log_normal

_DROPOUT, _NOISE = 0, 1
# 1 is that of the first old encoder, if it is random; see `CompositePrior`.
_ENCODER_SEED, _DECODER_SEED, _PRIOR_SEED = 0, 2, 3


@keras.saving.register_keras_serializable(package="recvae_tf")
class RecVAE(Autoencoder):
    """Recommender VAE: a dense encoder, a composite prior, a KL weight per user and alternating training.

    Maximises, over users u, E_q[log p(x_u | z_u)] - beta'(x_u) E_q[log q(z_u | x~_u) - log p(z_u | x_u)],
    beta'(x) = gamma |x|, both expectations by one sample of z; x~ is x with item dropout, and the decoder is
    linear: pi(z) = softmax(W z + b). An epoch is `num_encoder_passes` over the data that update the encoder
    (and the prior, if it has weights), a refresh of the old encoder, and `num_decoder_passes` that update
    the decoder, on the clean x and without the KL term, which has no decoder gradient.

    Args:
        num_items: The size I of the catalogue.
        encoder: The network q(z | x), an `Encoder`; None means `DenseEncoder()`, the paper's.
        prior: The prior p(z | x), a `Prior`; None means `CompositePrior()`, the paper's.
        likelihood: How a user's items are thought to come from the decoder's output, a `Likelihood`; None
            means `MultinomialLikelihood()`.
        beta: How the weight of the KL term goes over users and updates, a `BetaSchedule`, whose step counts
            the updates of both optimizers; None means `PerUserBeta()`, the paper's.
        dropout_rate: The probability with which each item of a user is dropped from the input in training.
        alternating: Whether encoder and decoder have passes of their own, as in the paper; otherwise an epoch
            is one pass, each step of which updates both, from the same weights.
        decoder_denoising: Whether the decoder's updates see the input with dropout, too; not so in the paper.
        num_encoder_passes: How many passes over the data an epoch of alternating training has for the
            encoder.
        num_decoder_passes: How many passes over the data an epoch of alternating training has for the
            decoder.
        seed: The seed of the initial weights, the order of the users, the dropout and the noise.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range, or an object belongs to another model.

    Examples:
        >>> import scipy.sparse
        >>> from recvae_tf import DenseEncoder, RecVAE
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = RecVAE(num_items=20, encoder=DenseEncoder(hidden_dims=(16, 16), latent_dim=4))
        >>> model.compile()
        >>> history = model.fit(x, epochs=2, batch_size=10, verbose=0)
        >>> items, scores = model.recommend(x[:5], k=3)
        >>> items.shape
        (5, 3)

    Deviations: Adam's epsilon is added before the bias correction, in the reference after it. The
    reference's joint training never refreshes the old encoder; here every epoch begins with a refresh.
    The reference's joint training is `alternating=False, decoder_denoising=True`.
    """

    default_learning_rate = 5e-4

    def __init__(
        self,
        num_items: int,
        *,
        encoder: Encoder | None = None,
        prior: Prior | None = None,
        likelihood: Likelihood | None = None,
        beta: BetaSchedule | None = None,
        dropout_rate: float = 0.5,
        alternating: bool = True,
        decoder_denoising: bool = False,
        num_encoder_passes: int = 3,
        num_decoder_passes: int = 1,
        seed: int = 98765,
        **kwargs: Any,
    ):
        encoder = DenseEncoder() if encoder is None else encoder
        prior = CompositePrior() if prior is None else prior
        check(isinstance(encoder, Encoder), "encoder", repr(encoder), "an object, such as DenseEncoder()")
        check(isinstance(prior, Prior), "prior", repr(prior), "an object, such as CompositePrior()")
        losses = ("loss", "nll", "kl", "weighted_kl", "beta", "decoder_nll")
        super().__init__(
            num_items,
            likelihood=likelihood,
            loss_names=(*losses, *prior.refresh_names, *prior.report_names),
            seed=seed,
            **kwargs,
        )
        check(0 <= dropout_rate < 1, "dropout_rate", dropout_rate, "at least 0 and less than 1")
        check(num_encoder_passes >= 1, "num_encoder_passes", num_encoder_passes, "at least 1")
        check(num_decoder_passes >= 1, "num_decoder_passes", num_decoder_passes, "at least 1")
        self.beta: BetaSchedule = checked_beta(PerUserBeta() if beta is None else beta)
        self.latent_dim = encoder.latent_dim
        self.dropout_rate = dropout_rate
        self.alternating = alternating
        self.decoder_denoising = decoder_denoising
        self.num_encoder_passes = num_encoder_passes
        self.num_decoder_passes = num_decoder_passes
        encoder.build_for(num_items, seed * 10 + _ENCODER_SEED, self.dtype_policy)
        prior.build_for(encoder, num_items, seed * 10 + _PRIOR_SEED)
        self.encoder = encoder
        self.decoder = torch_linear(
            self.latent_dim, num_items, (seed * 10 + _DECODER_SEED) * 1000, dtype=self.dtype_policy
        )
        self.prior = prior
        # tf.train.Checkpoint does not look into the lists of layers that Keras layers hold.
        self._weights_for_checkpoints = tf.train.Checkpoint(weights=[v.value for v in self.variables])
        self.built = True

    @property
    def passes_per_epoch(self) -> int:
        """The encoder's and the decoder's passes; one in joint training."""
        return self.num_encoder_passes + self.num_decoder_passes if self.alternating else 1

    @property
    def updates_per_batch(self) -> int:
        """One, of the encoder or the decoder; both in joint training."""
        return 1 if self.alternating else 2

    def phase(self, pass_number: int) -> str:
        """What a pass of an epoch trains, in words for messages."""
        if not self.alternating:
            return "joint pass"
        if pass_number < self.num_encoder_passes:
            return f"encoder pass {pass_number + 1} of {self.num_encoder_passes}"
        return f"decoder pass {pass_number - self.num_encoder_passes + 1} of {self.num_decoder_passes}"

    @property
    def step(self) -> tf.Tensor:
        """The number of updates that both optimizers have made so far, an int64 scalar."""
        return tf.cast(self.optimizer.iterations, tf.int64) + tf.cast(
            self.decoder_optimizer.iterations, tf.int64
        )

    @property
    def optimized_variables(self) -> list[keras.Variable]:
        """What `optimizer` updates: the encoder and the prior; `decoder_optimizer` updates the decoder."""
        return self.encoder.trainable_variables + self.prior.trainable_variables

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        decoder_optimizer: str | keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """As `TrainableModel.compile`, with two optimizers.

        Args:
            optimizer: of the encoder and the prior; None means the paper's Adam.
            decoder_optimizer: of the decoder; None means one with the same settings.
            **kwargs: `steps_per_execution`, `run_eagerly`.

        Raises:
            SettingError: an optimizer is in use already, or is to be both.
        """
        super().compile(optimizer, **kwargs)
        if decoder_optimizer is None:
            decoder_optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        check_unused(decoder_optimizer, "decoder_optimizer")
        self.decoder_optimizer = keras.optimizers.get(decoder_optimizer)
        self.decoder_optimizer.build(self.decoder.trainable_variables)

    def get_compile_config(self) -> dict[str, Any]:
        """Both optimizers, so that a saved model loads with both."""
        config = super().get_compile_config()
        if config:
            config["decoder_optimizer"] = keras.saving.serialize_keras_object(self.decoder_optimizer)
        return config

    def prepare_training(self, num_users: int, num_updates: int | None = None) -> None:
        """See `Autoencoder.prepare_training`; makes room for what the prior keeps of the users."""
        super().prepare_training(num_users, num_updates)
        if self.prior.prepare_training(num_users, self.alternating and self.num_encoder_passes > 1):
            self.train_function = None

    def encode(self, rows: SparseRows) -> tuple[tf.Tensor, tf.Tensor]:
        """Mu and log sigma^2 of q(z | x), float32 [B, latent_dim] each."""
        return self.encoder(rows)

    def decoder_hidden(self, z: tf.Tensor) -> tf.Tensor:
        """Z itself: the decoder is linear."""
        return z

    @property
    def output_layer(self) -> keras.layers.Dense:
        """The decoder."""
        return self.decoder

    def negative_elbo(
        self, batch: TrainingBatch, rows: SparseRows, epsilon: tf.Tensor, beta: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The loss of an encoder update and its parts.

        Args:
            batch: the targets, and what the prior looks at.
            rows: the encoder's input: the same users, normalised, with dropout.
            epsilon: float32 [B, latent_dim], the noise of z.
            beta: float32 scalar or [B].

        Returns:
            `loss` = `nll` + `weighted_kl`, `kl` (without beta) and what the prior reports: float32 scalars,
            means over the users, in nats.
        """
        condition = self.prior.condition(batch)
        z_mean, z_log_var = self.encode(rows)
        z = reparameterize(z_mean, z_log_var, epsilon)
        nll = tf.reduce_mean(self.nll_at(z, batch.x))
        # log q(z | x~) is a function of epsilon = (z - mu) / sigma, not of z and mu: they cancel out.
        log_q = tf.reduce_sum(log_normal(epsilon, 0.0, 0.0) - 0.5 * z_log_var, axis=1)
        log_prior = tf.function(self.prior.log_prob, jit_compile=True, autograph=False)
        log_p, reports = log_prior(z, condition, self.encoder)
        kl = log_q - log_p
        weighted_kl = tf.reduce_mean(beta * kl)
        parts = {"loss": nll + weighted_kl, "nll": nll, "kl": tf.reduce_mean(kl), "weighted_kl": weighted_kl}
        return {**parts, **reports}

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update, or two in joint training; returns the epoch's running means.

        `loss` to `beta` are of the encoder's updates, `decoder_nll` of the decoder's; then what the prior
        reports, of which `change` is how far the posterior means moved since the last refresh of the old
        encoder.
        """
        refresh_pass = self.num_encoder_passes if self.alternating else 0
        is_refresh = tf.equal(batch.pass_number, refresh_pass) & tf.equal(batch.step_in_pass, 0)
        tf.cond(is_refresh, lambda: self._refresh_and_report(batch), lambda: None)
        if self.alternating:
            is_encoder_pass = batch.pass_number < self.num_encoder_passes
            tf.cond(
                is_encoder_pass,
                lambda: self._update_encoder(self._encoder_gradients(batch)),
                lambda: self._update_decoder(self._decoder_gradients(batch)),
            )
        else:
            encoder_gradients = self._encoder_gradients(batch)
            decoder_gradients = self._decoder_gradients(batch)
            self._update_encoder(encoder_gradients)
            self._update_decoder(decoder_gradients)
        return {name: mean.result() for name, mean in self._loss_means.items()}

    def _refresh_and_report(self, batch: TrainingBatch) -> None:
        self._report(batch.x.num_rows, **self.prior.refresh(self.encoder, batch.x))

    def _dropped(self, x: Interactions) -> SparseRows:
        return drop_items(l2_normalize(x), self.dropout_rate, self.noise_seed(_DROPOUT))

    def _epsilon(self, num_users: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal([num_users, self.latent_dim], self.noise_seed(_NOISE))

    def _encoder_gradients(self, batch: TrainingBatch) -> list[tf.Tensor]:
        """Of the loss, for the encoder and the prior; the decoder only hands on the gradient of z."""
        beta = self.beta(self.step, tf.cast(batch.x.row_lengths, tf.float32))
        variables = [variable.value for variable in self.optimized_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            parts = self.negative_elbo(batch, self._dropped(batch.x), self._epsilon(batch.x.num_rows), beta)
        self._report(batch.x.num_rows, **parts, beta=tf.reduce_mean(beta))
        return tape.gradient(parts["loss"], variables)

    def _decoder_gradients(self, batch: TrainingBatch) -> list[tf.Tensor]:
        """Of the negative log-likelihood, for the decoder, at a sample of z; the prior has no part in it."""
        rows = self._dropped(batch.x) if self.decoder_denoising else l2_normalize(batch.x)
        z = reparameterize(*self.encode(rows), self._epsilon(batch.x.num_rows))
        variables = [variable.value for variable in self.decoder.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            nll = tf.reduce_mean(self.nll_at(z, batch.x))
        self._report(batch.x.num_rows, decoder_nll=nll)
        return tape.gradient(nll, variables)

    def _update_encoder(self, gradients: list[tf.Tensor]) -> None:
        fused_update(self.optimizer, self.optimized_variables)(gradients)

    def _update_decoder(self, gradients: list[tf.Tensor]) -> None:
        fused_update(self.decoder_optimizer, self.decoder.trainable_variables)(gradients)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        objects = {"encoder": self.encoder, "prior": self.prior, "beta": self.beta}
        return {
            **super().get_config(),
            **{name: keras.saving.serialize_keras_object(value) for name, value in objects.items()},
            "dropout_rate": self.dropout_rate,
            "alternating": self.alternating,
            "decoder_denoising": self.decoder_denoising,
            "num_encoder_passes": self.num_encoder_passes,
            "num_decoder_passes": self.num_decoder_passes,
        }
