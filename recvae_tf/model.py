"""RecVAE (Shenbin et al. 2020, arXiv 1912.11160)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.layers import SparseRows, drop_items, l2_normalize, reparameterize
from multvae_tf.optimization import fused_update
from multvae_tf.schedules import BetaSchedule, PerUserBeta
from recvae_tf import switches
from recvae_tf.encoder import Encoder, torch_linear
from recvae_tf.prior import Posterior, log_normal
from recvae_tf.prior_cache import PriorCache

_DROPOUT, _NOISE = 0, 1
_ENCODER_SEED, _OLD_ENCODER_SEED, _DECODER_SEED, _PRIOR_SEED = range(4)


@keras.saving.register_keras_serializable(package="recvae_tf")
class RecVAE(MultinomialAutoencoder):
    """Recommender VAE: a dense encoder, a composite prior, a KL weight per user and alternating training.

    Maximises, over users u, E_q[log p(x_u | z_u)] - beta'(x_u) E_q[log q(z_u | x~_u) - log p(z_u | x_u)],
    beta'(x) = gamma |x|, both expectations by one sample of z; x~ is x with item dropout, and the decoder is
    linear: pi(z) = softmax(W z + b). An epoch is `num_encoder_passes` over the data that update the encoder
    (and the prior, if it has weights), a refresh of the old encoder, and `num_decoder_passes` that update
    the decoder, on the clean x and without the KL term, which has no decoder gradient.

    Args:
        num_items: size I of the catalogue.
        encoder: `dense`, RecVAE's, or `mlp`, Mult-VAE's.
        hidden_dims: widths of the encoder's hidden layers; None: five of 600 for `dense`, one for `mlp`.
        latent_dim: size of z.
        variant: `paper`: LN epsilon 1e-5, and the first epoch's old encoder is the initial encoder;
            `master`, the authors' later code: LN epsilon 0.1, and it is a different random network.
        prior: `composite`, `gaussian`, `mixture`, `vamp` or `realnvp`.
        mixture_weights: of the composite prior's standard normal, old posterior and wide normal.
        num_prior_components: of the priors `mixture` and `vamp`.
        beta: a `BetaSchedule`; its step counts the updates of both optimizers. None: `PerUserBeta(0.005)`.
        dropout_rate: of the L2-normalised input.
        alternating: whether encoder and decoder have passes of their own; otherwise an epoch is one pass,
            each step of which updates both, from the same weights.
        decoder_denoising: whether the decoder's updates see x~ instead of x.
        num_encoder_passes: over the data, in an epoch of alternating training.
        num_decoder_passes: over the data, in an epoch of alternating training.
        prior_cache_bytes: memory that may be spent on keeping the users' old posteriors between the encoder
            passes of an epoch; if they do not fit they are computed anew each time.
        seed: of the initial weights, the dropout and the noise.
        **kwargs: of `MultinomialAutoencoder`.

    Raises:
        ValueError: an option is none of the above, or a number of passes is less than 1.

    Train with `fit` on `batches.training_batches(..., passes_per_epoch=model.passes_per_epoch)`.

    Deviations: Adam's epsilon is added before the bias correction, in the reference after it. The
    reference's joint training never refreshes the old encoder; here every epoch begins with a refresh.
    The reference's joint training is `alternating=False, decoder_denoising=True`.
    """

    def __init__(
        self,
        num_items: int,
        *,
        encoder: str = "dense",
        hidden_dims: Sequence[int] | None = None,
        latent_dim: int = 200,
        variant: str = "paper",
        prior: str = "composite",
        mixture_weights: Sequence[float] = (3 / 20, 3 / 4, 1 / 10),
        num_prior_components: int = 100,
        beta: BetaSchedule | None = None,
        dropout_rate: float = 0.5,
        alternating: bool = True,
        decoder_denoising: bool = False,
        num_encoder_passes: int = 3,
        num_decoder_passes: int = 1,
        prior_cache_bytes: int = 2**30,
        seed: int = 0,
        **kwargs: Any,
    ):
        switches.check(encoder=encoder, prior=prior, variant=variant)
        if min(num_encoder_passes, num_decoder_passes) < 1:
            raise ValueError(
                f"num_encoder_passes is {num_encoder_passes}, num_decoder_passes {num_decoder_passes}; "
                "both must be at least 1"
            )
        self.prior_kind = prior
        super().__init__(num_items, seed=seed, **kwargs)
        self.encoder_kind = encoder
        self.hidden_dims = None if hidden_dims is None else tuple(hidden_dims)
        self.latent_dim = latent_dim
        self.variant = variant
        self.mixture_weights = tuple(mixture_weights)
        self.num_prior_components = num_prior_components
        self.beta = PerUserBeta(0.005) if beta is None else beta
        self.dropout_rate = dropout_rate
        self.alternating = alternating
        self.decoder_denoising = decoder_denoising
        self.num_encoder_passes = num_encoder_passes
        self.num_decoder_passes = num_decoder_passes
        self.prior_cache_bytes = prior_cache_bytes

        def new_encoder(seed: int) -> Encoder:
            return switches.new_encoder(
                encoder, variant, num_items, hidden_dims, latent_dim, seed=seed, dtype=self.dtype_policy
            )

        self.encoder = new_encoder(seed * 10 + _ENCODER_SEED)
        self.old_encoder = new_encoder(
            seed * 10 + (_ENCODER_SEED if variant == "paper" else _OLD_ENCODER_SEED)
        )
        self.old_encoder.trainable = False
        self.decoder = torch_linear(
            latent_dim, num_items, (seed * 10 + _DECODER_SEED) * 1000, dtype=self.dtype_policy
        )
        self.prior = switches.new_prior(
            prior,
            num_items,
            latent_dim,
            mixture_weights=mixture_weights,
            num_components=num_prior_components,
            seed=seed * 10 + _PRIOR_SEED,
        )
        self._prior_cache: PriorCache | None = None
        # tf.train.Checkpoint does not look into the lists of layers that Keras layers hold.
        self._weights_for_checkpoints = tf.train.Checkpoint(weights=[v.value for v in self.variables])
        self.built = True

    @property
    def loss_names(self) -> tuple[str, ...]:
        """`loss` to `beta` are of the encoder's updates, `decoder_nll` of the decoder's.

        `change` is how far the posterior means moved since the last refresh of the old encoder, then what
        the prior reports.
        """
        shares = switches.PRIORS[self.prior_kind].report_names
        return ("loss", "nll", "kl", "weighted_kl", "beta", "decoder_nll", "change", *shares)

    @property
    def passes_per_epoch(self) -> int:
        """The encoder's and the decoder's passes; one in joint training."""
        return self.num_encoder_passes + self.num_decoder_passes if self.alternating else 1

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

    def compile(self, optimizer: Any, decoder_optimizer: Any = None, **kwargs: Any) -> None:
        """As `MultinomialAutoencoder.compile`, with two optimizers.

        Args:
            optimizer: of the encoder and the prior.
            decoder_optimizer: of the decoder; None means one with the same settings.
            **kwargs: `steps_per_execution`, `run_eagerly`.
        """
        super().compile(optimizer=optimizer, **kwargs)
        if decoder_optimizer is None:
            decoder_optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        self.decoder_optimizer = keras.optimizers.get(decoder_optimizer)
        self.decoder_optimizer.build(self.decoder.trainable_variables)

    def get_compile_config(self) -> dict[str, Any]:
        """Both optimizers, so that a saved model loads with both."""
        return {
            "optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "decoder_optimizer": keras.saving.serialize_keras_object(self.decoder_optimizer),
        }

    def prepare_training(self, num_users: int) -> None:
        """Makes the cache of old posteriors, if they fit and are needed more than once."""
        reused = self.alternating and self.num_encoder_passes > 1 and self.prior.needs_old_posterior
        fits = PriorCache.num_bytes(num_users, self.latent_dim) <= self.prior_cache_bytes
        self._prior_cache = PriorCache(num_users, self.latent_dim) if reused and fits else None
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

    def old_posterior(self, batch: TrainingBatch) -> Posterior:
        """Mu and log sigma^2 of the batch's users under the old encoder, float32 [B, latent_dim] each."""
        cache = self._prior_cache
        if cache is None:
            return self.old_encoder(l2_normalize(batch.x))

        def compute() -> Posterior:
            posterior = self.old_encoder(l2_normalize(batch.x))
            cache.write(batch.users, *posterior)
            return posterior

        return tf.cond(tf.equal(batch.pass_number, 0), compute, lambda: cache.read(batch.users))

    def refresh_prior(self, x: Interactions) -> tf.Tensor:
        """Copies the encoder to the old encoder.

        Args:
            x: users on whom to measure the change.

        Returns:
            (mu_new - mu_old)^2 on the clean x, a float32 scalar: the mean over users and dimensions.
        """
        rows = l2_normalize(x)
        change = tf.reduce_mean(tf.math.squared_difference(self.encoder(rows)[0], self.old_encoder(rows)[0]))
        self.old_encoder.copy_weights(self.encoder)
        return change

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
        old_posterior = self.old_posterior(batch) if self.prior.needs_old_posterior else None
        z_mean, z_log_var = self.encode(rows)
        z = reparameterize(z_mean, z_log_var, epsilon)
        nll = tf.reduce_mean(self.nll_at(z, batch.x))
        # log q(z | x~) is a function of epsilon = (z - mu) / sigma, not of z and mu: they cancel out.
        log_q = tf.reduce_sum(log_normal(epsilon, 0.0, 0.0) - 0.5 * z_log_var, axis=1)
        log_prior = tf.function(self.prior.log_prob, jit_compile=True, autograph=False)
        log_p, reports = log_prior(z, old_posterior, self.encoder)
        kl = log_q - log_p
        weighted_kl = tf.reduce_mean(beta * kl)
        parts = {"loss": nll + weighted_kl, "nll": nll, "kl": tf.reduce_mean(kl), "weighted_kl": weighted_kl}
        return {**parts, **reports}

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update, or two in joint training; returns the epoch's running means of `loss_names`."""
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
        self._report(batch.x.num_rows, change=self.refresh_prior(batch.x))

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
        return {
            **super().get_config(),
            "encoder": self.encoder_kind,
            "hidden_dims": self.hidden_dims,
            "latent_dim": self.latent_dim,
            "variant": self.variant,
            "prior": self.prior_kind,
            "mixture_weights": self.mixture_weights,
            "num_prior_components": self.num_prior_components,
            "beta": keras.saving.serialize_keras_object(self.beta),
            "dropout_rate": self.dropout_rate,
            "alternating": self.alternating,
            "decoder_denoising": self.decoder_denoising,
            "num_encoder_passes": self.num_encoder_passes,
            "num_decoder_passes": self.num_decoder_passes,
            "prior_cache_bytes": self.prior_cache_bytes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RecVAE":
        """The inverse of `get_config`."""
        return cls(
            **{**config, "beta": keras.saving.deserialize_keras_object(config["beta"], custom_objects)}
        )
