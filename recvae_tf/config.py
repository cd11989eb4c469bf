"""The settings of a RecVAE run, and the paper's values per dataset."""

import dataclasses
import math

from multvae_tf.beta_config import BetaConfig
from multvae_tf.config import Config
from multvae_tf.errors import check
from recvae_tf.model import RecVAE
from recvae_tf.switches import ENCODERS, LAYER_NORM_EPSILON, PRIORS


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecVAEConfig(BetaConfig, Config):
    """The settings of RecVAE. Defaults: Shenbin et al. 2020, and the authors' code.

    Attributes:
        epochs: each of `num_encoder_passes` + `num_decoder_passes` over the data; 50 in the code.
        learning_rate: of both optimizers, 5e-4 for Adam (the code).
        variant: paper (LayerNorm epsilon 1e-5; the first old encoder is the initial one) or master, the
            authors' later code (0.1; a different random network).
        encoder: dense (the paper) or mlp, that of Mult-VAE.
        hidden_dims: widths of the encoder's hidden layers; none given means five of 600 for dense (the code)
            and one for mlp.
        latent_dim: size of z, 200 (the code).
        dropout_rate: of the encoder's input, 0.5 (the code).
        prior: composite (the paper), gaussian, mixture, vamp or realnvp.
        mixture_weights: of the composite prior's standard normal, old posterior and wide normal; 3/20, 3/4,
            1/10 in the code.
        beta: per_user (the paper), linear, constant or cyclical; its updates are those of both optimizers.
        num_prior_components: of the priors mixture and vamp; not stated in the paper.
        alternating: whether encoder and decoder have passes of their own (the paper).
        decoder_denoising: whether the decoder's updates see inputs with dropout; not so in the paper.
        num_encoder_passes: in an epoch, 3 (the code).
        num_decoder_passes: in an epoch, 1 (the code).
        prior_cache_bytes: memory for keeping the users' old posteriors (8 * latent_dim bytes each) between
            the encoder passes of an epoch; where they do not fit they are computed anew. Not in the paper.
    """

    epochs: int = 50
    learning_rate: float = 5e-4
    variant: str = "paper"
    encoder: str = "dense"
    hidden_dims: tuple[int, ...] = ()
    latent_dim: int = 200
    dropout_rate: float = 0.5
    prior: str = "composite"
    mixture_weights: tuple[float, ...] = (3 / 20, 3 / 4, 1 / 10)
    num_prior_components: int = 100
    beta: str = "per_user"
    alternating: bool = True
    decoder_denoising: bool = False
    num_encoder_passes: int = 3
    num_decoder_passes: int = 1
    prior_cache_bytes: int = 2**30

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_beta()
        for name, options in (
            ("variant", LAYER_NORM_EPSILON),
            ("encoder", ENCODERS),
            ("prior", PRIORS),
        ):
            value = getattr(self, name)
            check(value in options, name, value, f"one of {', '.join(options)}")
        for name in ("latent_dim", "num_prior_components", "num_encoder_passes", "num_decoder_passes"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        check(self.prior_cache_bytes >= 0, "prior_cache_bytes", self.prior_cache_bytes, "at least 0")
        check(0 <= self.dropout_rate < 1, "dropout_rate", self.dropout_rate, "at least 0 and less than 1")
        dims, weights = self.hidden_dims, self.mixture_weights
        check(all(dim >= 1 for dim in dims), "hidden_dims", dims, "positive widths")
        equal = self.encoder != "dense" or len(set(dims)) <= 1
        check(equal, "hidden_dims", dims, "equal widths for the dense encoder, which adds the layers up")
        is_mixture = len(weights) == 3 and min(weights) > 0 and math.isclose(sum(weights), 1, abs_tol=1e-6)
        check(is_mixture, "mixture_weights", weights, "three positive numbers with sum 1")

    @property
    def passes_per_epoch(self) -> int:
        """As of `RecVAE`."""
        return self.num_encoder_passes + self.num_decoder_passes if self.alternating else 1

    def num_updates(self, num_train_users: int) -> int:
        """Updates of both optimizers in the whole run."""
        return super().num_updates(num_train_users) * (1 if self.alternating else 2)

    def resolve(self, num_train_users: int) -> "RecVAEConfig":
        """See `BetaConfig`."""
        return dataclasses.replace(self, **self.resolved_steps(self.num_updates(num_train_users)))

    def new_model(self, num_items: int) -> RecVAE:
        """See `Config.new_model`."""
        return RecVAE(
            num_items,
            encoder=self.encoder,
            hidden_dims=self.hidden_dims or None,
            latent_dim=self.latent_dim,
            variant=self.variant,
            prior=self.prior,
            mixture_weights=self.mixture_weights,
            num_prior_components=self.num_prior_components,
            beta=self.beta_schedule(),
            dropout_rate=self.dropout_rate,
            alternating=self.alternating,
            decoder_denoising=self.decoder_denoising,
            num_encoder_passes=self.num_encoder_passes,
            num_decoder_passes=self.num_decoder_passes,
            prior_cache_bytes=self.prior_cache_bytes,
            num_sampled_items=self.num_sampled_items,
            seed=self.seed,
            dtype=self.dtype_policy,
        )


# gamma: Shenbin et al. 2020. epochs: the authors' code; more for MSD. ml1m: the settings under
# which the reference program was run for comparison. demo: small enough for a minute on two cores.
PAPER_CONFIGS: dict[str, dict[str, Config]] = {
    "recvae": {
        "ml20m": RecVAEConfig(),
        "netflix": RecVAEConfig(gamma=0.0035),
        "msd": RecVAEConfig(gamma=0.01, epochs=100),
        "ml1m": RecVAEConfig(),
        "demo": RecVAEConfig(epochs=20, batch_size=100),
    },
}
OTHER_DATASETS: dict[str, Config] = {"recvae": RecVAEConfig()}
