"""The settings of a run: one frozen dataclass per model, and the papers' values per dataset."""

import dataclasses
import math
from typing import Any

import keras

from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.batches import steps_per_epoch
from multvae_tf.beta_config import BetaConfig
from multvae_tf.errors import check
from multvae_tf.losses import LIKELIHOODS
from multvae_tf.models import MultDAE, MultVAE
from multvae_tf.optimization import OPTIMIZERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What every model's run has. Defaults: Liang et al. 2018, section 4.4, and the authors' code.

    Attributes:
        epochs: passes of `fit`; 200 on ML-20M (section 4.4).
        batch_size: users in an update (section 4.4).
        optimizer: adam (the code) or sgd, plain gradient descent.
        learning_rate: of the optimizer, 1e-3 for Adam (the code).
        seed: of the initial weights, the shuffle, the dropout and the noise; 98765 in the code.
        mixed_precision: matrix products in bfloat16, weights, logits and loss in float32; not in the papers.
        early_stopping_patience: epochs without a better validation NDCG@100 after which a run ends; 0 means
            never, as in the papers.
        num_sampled_items: items on which an update estimates the softmax's normaliser, beside the batch's
            own; 0: all items, exactly, as in the papers.
    """

    epochs: int = 200
    batch_size: int = 500
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    seed: int = 98765
    mixed_precision: bool = False
    early_stopping_patience: int = 0
    num_sampled_items: int = 0

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        check(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        check(self.optimizer in OPTIMIZERS, "optimizer", self.optimizer, " or ".join(OPTIMIZERS))
        check(
            0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "a number greater than 0"
        )
        check(0 <= self.seed < 2**31, "seed", self.seed, "between 0 and 2147483647")
        check(
            self.early_stopping_patience >= 0,
            "early_stopping_patience",
            self.early_stopping_patience,
            "at least 0",
        )
        check(self.num_sampled_items >= 0, "num_sampled_items", self.num_sampled_items, "at least 0")

    @property
    def dtype_policy(self) -> str:
        """The Keras dtype policy of the model."""
        return "mixed_bfloat16" if self.mixed_precision else "float32"

    def new_optimizer(self) -> keras.optimizers.Optimizer:
        """An optimizer with these settings."""
        return OPTIMIZERS[self.optimizer](self.learning_rate)

    @property
    def passes_per_epoch(self) -> int:
        """Passes over the training data in an epoch."""
        return 1

    def num_updates(self, num_train_users: int) -> int:
        """Updates in the whole run."""
        return self.epochs * self.passes_per_epoch * steps_per_epoch(num_train_users, self.batch_size)

    def resolve(self, num_train_users: int) -> "Config":
        """This configuration with everything filled in that depends on the data."""
        return self

    def new_model(self, num_items: int) -> MultinomialAutoencoder:
        """The model for a catalogue of `num_items` items, without an optimizer.

        Raises:
            RunError: the settings have not been resolved.
        """
        raise NotImplementedError

    def build_model(self, num_items: int) -> MultinomialAutoencoder:
        """`new_model`, compiled for training."""
        model = self.new_model(num_items)
        model.compile(optimizer=self.new_optimizer())
        return model

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; `from_json` is the inverse."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Config":
        """The configuration that `to_json` described."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MLPConfig(Config):
    """What Mult-VAE and Mult-DAE share.

    Attributes:
        hidden_dims: widths of the encoder's hidden layers; the decoder mirrors them.
        latent_dim: size of z, 200 (section 4.4).
        activation: of the hidden layers, tanh (section 4.4).
        dropout_rate: of the input, 0.5 (section 4.4).
        l2: lambda of lambda * sum ||W||^2.
        likelihood: multinomial, gaussian or logistic (section 2.1.2).
        positive_weight: of likelihood = gaussian: c_1, the weight of a positive's square, that of any other
            item being 1; not stated in the paper.
    """

    hidden_dims: tuple[int, ...] = ()
    latent_dim: int = 200
    activation: str = "tanh"
    dropout_rate: float = 0.5
    l2: float = 0.0
    likelihood: str = "multinomial"
    positive_weight: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(all(dim >= 1 for dim in self.hidden_dims), "hidden_dims", self.hidden_dims, "positive widths")
        check(self.latent_dim >= 1, "latent_dim", self.latent_dim, "at least 1")
        check(0 <= self.dropout_rate < 1, "dropout_rate", self.dropout_rate, "at least 0 and less than 1")
        check(0 <= self.l2 < math.inf, "l2", self.l2, "at least 0")
        check(
            self.likelihood in LIKELIHOODS, "likelihood", self.likelihood, f"one of {', '.join(LIKELIHOODS)}"
        )
        is_exact = self.likelihood == "multinomial" or not self.num_sampled_items
        check(is_exact, "num_sampled_items", self.num_sampled_items, f"0 with likelihood = {self.likelihood}")
        check(0 < self.positive_weight < math.inf, "positive_weight", self.positive_weight, "greater than 0")
        try:
            keras.activations.get(self.activation)
        except ValueError:
            check(
                False, "activation", self.activation, "the name of a Keras activation, such as tanh or relu"
            )

    def _model_options(self) -> dict[str, Any]:
        """The arguments that the constructors of both models take."""
        return {
            "hidden_dims": self.hidden_dims,
            "latent_dim": self.latent_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "l2": self.l2,
            "likelihood": self.likelihood,
            "positive_weight": self.positive_weight,
            "num_sampled_items": self.num_sampled_items,
            "seed": self.seed,
            "dtype": self.dtype_policy,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultVAEConfig(BetaConfig, MLPConfig):
    """The settings of Mult-VAE.

    Attributes:
        hidden_dims: widths of the encoder's hidden layers, (600,) (section 4.4); the decoder mirrors them.
    """

    hidden_dims: tuple[int, ...] = (600,)
    total_anneal_steps: int | None = 200_000

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_beta()

    def resolve(self, num_train_users: int) -> "MultVAEConfig":
        """See `BetaConfig`."""
        return dataclasses.replace(self, **self.resolved_steps(self.num_updates(num_train_users)))

    def new_model(self, num_items: int) -> MultVAE:
        """See `Config.new_model`."""
        return MultVAE(num_items, beta=self.beta_schedule(), **self._model_options())


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultDAEConfig(MLPConfig):
    """The settings of Mult-DAE: lambda = 0.01 / 500 (the code), I-200-I (section 4.4)."""

    l2: float = 0.01 / 500

    def new_model(self, num_items: int) -> MultDAE:
        """See `Config.new_model`."""
        return MultDAE(num_items, **self._model_options())


# Liang et al. 2018, section 4.4: 200 epochs on ML-20M, 100 on Netflix and MSD; the annealing is that of the
# authors' ML-20M notebook, which gives none for the other two. ml1m: the settings under which the reference
# programs were run for comparison. demo: small enough for a minute on two cores.
PAPER_CONFIGS: dict[str, dict[str, Config]] = {
    "multvae": {
        "ml20m": MultVAEConfig(),
        "netflix": MultVAEConfig(epochs=100),
        "msd": MultVAEConfig(epochs=100),
        "ml1m": MultVAEConfig(total_anneal_steps=5_000),
        "demo": MultVAEConfig(epochs=50, batch_size=100, total_anneal_steps=None),
    },
    "multdae": {
        "ml20m": MultDAEConfig(),
        "netflix": MultDAEConfig(epochs=100),
        "msd": MultDAEConfig(epochs=100),
        "demo": MultDAEConfig(epochs=50, batch_size=100),
    },
}
OTHER_DATASETS: dict[str, Config] = {
    "multvae": MultVAEConfig(total_anneal_steps=None),
    "multdae": MultDAEConfig(),
}
