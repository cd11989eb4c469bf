"""Priors of z: RecVAE's composite one, and the Gaussian of Mult-VAE."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.errors import SettingError, check
from multvae_tf.layers import l2_normalize
from recvae_tf.encoder import Encoder

Posterior = tuple[tf.Tensor, tf.Tensor]
_LOG_2_PI = math.log(2 * math.pi)
OLD_ENCODERS = ("initial", "random")


def log_normal(z: tf.Tensor, mean: tf.Tensor | float, log_var: tf.Tensor | float) -> tf.Tensor:
    """Elementwise log N(z; mu, sigma^2) = -(log sigma^2 + log 2 pi + (z - mu)^2 / sigma^2) / 2."""
    return -0.5 * (log_var + _LOG_2_PI + tf.square(z - mean) * tf.exp(-log_var))


class Prior(keras.layers.Layer):
    """p(z), or p(z | x) if it looks at the user: a description, until a model builds it for its encoder.

    Its weights, if any, are trained with the encoder's. Subclasses create them in `create_weights`, implement
    `log_prob`, which XLA must be able to compile, and name in `report_names` what it reports.
    """

    built: bool
    report_names: tuple[str, ...] = ()
    refresh_names: tuple[str, ...] = ()
    seed: int

    def build_for(self, encoder: Encoder, num_items: int, seed: int) -> None:
        """Creates the weights; called by the model that the prior is handed to.

        Args:
            encoder: the model's, built.
            num_items: size I of the catalogue.
            seed: of the initial weights.

        Raises:
            SettingError: the prior is another model's already.
        """
        if self.built:
            raise SettingError("prior", "belongs to another model already; make a new one")
        self.seed = seed
        self.create_weights(encoder, num_items)
        self.built = True

    def create_weights(self, encoder: Encoder, num_items: int) -> None:
        """Creates the weights, from `seed`; most priors have none."""

    def prepare_training(self, num_users: int, is_reused: bool) -> bool:
        """Makes room for what is kept of each user between the encoder passes of an epoch, if that is of use.

        Returns:
            Whether that changes what an update does, so that it has to be traced anew.
        """
        return False

    def condition(self, batch: TrainingBatch) -> Any:
        """What `log_prob` needs to know of a batch's users; computed outside of what XLA compiles."""
        return None

    def log_prob(
        self, z: tf.Tensor, condition: Any, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The log density at z.

        Args:
            z: float32 [B, latent_dim].
            condition: what `condition` gave.
            encoder: the present one.

        Returns:
            log p, float32 [B], in nats, and a float32 scalar for each of `report_names`.
        """
        raise NotImplementedError

    def refresh(self, encoder: Encoder, x: Interactions) -> dict[str, tf.Tensor]:
        """What happens between the encoder's and the decoder's passes; x are users to measure it on.

        Returns:
            What is to be reported of it: float32 scalars by name, some of `refresh_names`.
        """
        return {}


@keras.saving.register_keras_serializable(package="recvae_tf")
class GaussianPrior(Prior):
    """p(z) = N(z; 0, I), the prior of Mult-VAE.

    Examples:
        >>> from recvae_tf import GaussianPrior, RecVAE
        >>> model = RecVAE(num_items=1000, prior=GaussianPrior())

    Deviations: its KL is the single-sample estimate here, as with every other prior, not the closed form.
    """

    def log_prob(
        self, z: tf.Tensor, condition: Any, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`."""
        return tf.reduce_sum(log_normal(z, 0.0, 0.0), axis=1), {}


class PosteriorCache:
    """mu and log sigma^2 under the old encoder, one row per user, on the model's side of training only.

    The old encoder does not change between two refreshes and sees the clean x: one forward pass per epoch
    gives every user's old posterior. The first encoder pass of an epoch writes it, the others read it.

    Nothing in the cache outlives the epoch, so it belongs in no checkpoint: a resumed run begins an epoch,
    and writes what an uninterrupted run would have written, from the same batches, bit for bit. (Written by
    the decoder pass, whose batches differ, it would have to be saved with every checkpoint.) Nor does it
    matter how the decoder is trained. Rows never written are NaN: reading one stops the run.

    Args:
        num_users: rows.
        latent_dim: size of z.
    """

    def __init__(self, num_users: int, latent_dim: int):
        self.num_users = num_users
        self._rows = tf.Variable(
            tf.fill([num_users, 2 * latent_dim], float("nan")), trainable=False, name="posterior_cache"
        )

    @staticmethod
    def num_bytes(num_users: int, latent_dim: int) -> int:
        """The memory that a cache of this size takes."""
        return num_users * 2 * latent_dim * tf.float32.size

    def write(self, users: tf.Tensor, z_mean: tf.Tensor, z_log_var: tf.Tensor) -> None:
        """Keeps the users' parameters, float32 [B, latent_dim] each; users is int64 [B]."""
        self._rows.scatter_update(tf.IndexedSlices(tf.concat([z_mean, z_log_var], axis=1), users))

    def read(self, users: tf.Tensor) -> Posterior:
        """What `write` kept of these users."""
        z_mean, z_log_var = tf.split(tf.gather(self._rows, users), 2, axis=1)
        return z_mean, z_log_var


@keras.saving.register_keras_serializable(package="recvae_tf")
class CompositePrior(Prior):
    """The composite prior of RecVAE (Shenbin et al. 2020).

    p(z_k | x) = w_1 N(z_k; 0, 1) + w_2 N(z_k; mu_old,k(x), sigma_old,k^2(x)) + w_3 N(z_k; 0, e^10), for each
    latent dimension k on its own; mu_old and sigma_old^2 are the posterior, on the clean x, of a frozen
    earlier encoder, which this prior keeps and refreshes once an epoch.

    Args:
        mixture_weights: The weights w of the standard normal, the old posterior and the wide normal; they are
            positive, and their sum is 1.
        first_old_encoder: What the old encoder is in the first epoch: `initial`, the model's initial encoder
            (the paper's code), or `random`, a network of other random weights (the authors' later code).
        prior_cache_bytes: How much memory may be spent on keeping the users' old posteriors, 8 * latent_dim
            bytes each, between the encoder passes of an epoch; where they do not fit they are computed anew.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: the weights are not three positive numbers with sum 1, or a value is none of the above.

    Examples:
        >>> from recvae_tf import CompositePrior, RecVAE
        >>> model = RecVAE(num_items=1000, prior=CompositePrior(mixture_weights=(0.2, 0.7, 0.1)))

    Deviations: none.
    """

    report_names = ("share_standard", "share_old_posterior", "share_wide")
    refresh_names = ("change",)
    wide_log_var = 10.0
    old_encoder: Encoder

    def __init__(
        self,
        mixture_weights: Sequence[float] = (3 / 20, 3 / 4, 1 / 10),
        *,
        first_old_encoder: str = "initial",
        prior_cache_bytes: int = 2**30,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        weights = tuple(mixture_weights)
        is_mixture = len(weights) == 3 and min(weights) > 0 and math.isclose(sum(weights), 1, abs_tol=1e-6)
        check(is_mixture, "mixture_weights", weights, "three positive numbers with sum 1")
        known = first_old_encoder in OLD_ENCODERS
        check(known, "first_old_encoder", repr(first_old_encoder), " or ".join(OLD_ENCODERS))
        check(prior_cache_bytes >= 0, "prior_cache_bytes", prior_cache_bytes, "at least 0")
        self.mixture_weights = weights
        self.first_old_encoder = first_old_encoder
        self.prior_cache_bytes = prior_cache_bytes
        self._cache: PosteriorCache | None = None

    def create_weights(self, encoder: Encoder, num_items: int) -> None:
        """The old encoder, whose seed is the encoder's own, or the next one."""
        seed = encoder.seed + (self.first_old_encoder == "random")
        self.old_encoder = encoder.twin(num_items, seed)
        self.old_encoder.trainable = False

    def prepare_training(self, num_users: int, is_reused: bool) -> bool:
        """Makes the cache of old posteriors, if they fit and are needed more than once."""
        latent_dim = self.old_encoder.latent_dim
        fits = PosteriorCache.num_bytes(num_users, latent_dim) <= self.prior_cache_bytes
        wanted = num_users if is_reused and fits else 0
        if wanted == (self._cache.num_users if self._cache else 0):
            return False
        self._cache = PosteriorCache(num_users, latent_dim) if wanted else None
        return True

    @property
    def is_cached(self) -> bool:
        """Whether the users' old posteriors are kept between the encoder passes of an epoch."""
        return self._cache is not None

    def condition(self, batch: TrainingBatch) -> Posterior:
        """Mu and log sigma^2 of the batch's users under the old encoder, float32 [B, latent_dim] each."""
        cache = self._cache
        if cache is None:
            return self.old_encoder(l2_normalize(batch.x))

        def compute() -> Posterior:
            posterior = self.old_encoder(l2_normalize(batch.x))
            cache.write(batch.users, *posterior)
            return posterior

        return tf.cond(tf.equal(batch.pass_number, 0), compute, lambda: cache.read(batch.users))

    def by_dimension(self, z: tf.Tensor, old_posterior: Posterior) -> tuple[tf.Tensor, tf.Tensor]:
        """Per dimension, log p(z_k | x), [B, latent_dim]; and each component's mean responsibility, [3]."""
        gaussians = [(0.0, 0.0), old_posterior, (0.0, self.wide_log_var)]
        weighted = tf.stack(
            [math.log(w) + log_normal(z, *g) for w, g in zip(self.mixture_weights, gaussians, strict=True)]
        )
        shares = tf.reduce_mean(tf.nn.softmax(tf.stop_gradient(weighted), axis=0), axis=[1, 2])
        return tf.reduce_logsumexp(weighted, axis=0), shares

    def log_prob(
        self, z: tf.Tensor, condition: Any, encoder: Encoder
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Prior.log_prob`; the condition is the old posterior; reports what each component does."""
        log_probs, shares = self.by_dimension(z, condition)
        return tf.reduce_sum(log_probs, axis=1), dict(zip(self.report_names, tf.unstack(shares), strict=True))

    def refresh(self, encoder: Encoder, x: Interactions) -> dict[str, tf.Tensor]:
        """Copies the encoder to the old encoder.

        Returns:
            `change`: (mu_new - mu_old)^2 on the clean x, the mean over users and dimensions.
        """
        rows = l2_normalize(x)
        change = tf.reduce_mean(tf.math.squared_difference(encoder(rows)[0], self.old_encoder(rows)[0]))
        self.old_encoder.copy_weights(encoder)
        return {"change": change}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "mixture_weights": self.mixture_weights,
            "first_old_encoder": self.first_old_encoder,
            "prior_cache_bytes": self.prior_cache_bytes,
        }
