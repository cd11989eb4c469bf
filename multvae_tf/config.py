"""The settings of a run: one frozen dataclass per model, and the papers' values per dataset."""

import dataclasses
import math
from typing import Any

import keras

from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.errors import RunError
from multvae_tf.models import MultDAE, MultVAE
from multvae_tf.optimization import adam
from multvae_tf.pipeline import steps_per_epoch
from multvae_tf.schedules import LinearAnnealing


def check(condition: bool, field: str, value: Any, expected: str) -> None:
    """Raises `RunError` naming the field, its value and what is expected, unless the condition holds."""
    if not condition:
        raise RunError(f"{field} is {value}; it must be {expected}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What every model's run has. Defaults: Liang et al. 2018, section 4.4, and the authors' code.

    Attributes:
        epochs: passes of `fit`; 200 on ML-20M (section 4.4).
        batch_size: users in an update (section 4.4).
        learning_rate: of Adam (the code).
        seed: of the initial weights, the shuffle, the dropout and the noise; 98765 in the code.
        mixed_precision: matrix products in bfloat16, weights, logits and loss in float32; not in the papers.
        early_stopping_patience: epochs without a better validation NDCG@100 after which a run ends; 0 means
            never, as in the papers.
        num_sampled_items: items on which an update estimates the softmax's normaliser, beside the batch's
            own; 0: all items, exactly, as in the papers.
    """

    epochs: int = 200
    batch_size: int = 500
    learning_rate: float = 1e-3
    seed: int = 98765
    mixed_precision: bool = False
    early_stopping_patience: int = 0
    num_sampled_items: int = 0

    def __post_init__(self) -> None:
        check(self.epochs >= 1, "epochs", self.epochs, "at least 1")
        check(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
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

    def resolve(self, num_train_users: int) -> "Config":
        """This configuration with everything filled in that depends on the data."""
        return self

    def build_model(self, num_items: int) -> MultinomialAutoencoder:
        """The compiled model for a catalogue of `num_items` items."""
        raise NotImplementedError

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
    """

    hidden_dims: tuple[int, ...] = ()
    latent_dim: int = 200
    activation: str = "tanh"
    dropout_rate: float = 0.5
    l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(all(dim >= 1 for dim in self.hidden_dims), "hidden_dims", self.hidden_dims, "positive widths")
        check(self.latent_dim >= 1, "latent_dim", self.latent_dim, "at least 1")
        check(0 <= self.dropout_rate < 1, "dropout_rate", self.dropout_rate, "at least 0 and less than 1")
        check(0 <= self.l2 < math.inf, "l2", self.l2, "at least 0")
        try:
            keras.activations.get(self.activation)
        except ValueError:
            check(
                False, "activation", self.activation, "the name of a Keras activation, such as tanh or relu"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultVAEConfig(MLPConfig):
    """The settings of Mult-VAE.

    Attributes:
        hidden_dims: (600,) (section 4.4).
        total_anneal_steps: updates in which beta would grow to 1; 200,000 in the code for ML-20M. None
            means: such that beta reaches its cap after the same part of the updates as on ML-20M (6/7).
        anneal_cap: the largest beta, 0.2 in the code for ML-20M.
    """

    hidden_dims: tuple[int, ...] = (600,)
    total_anneal_steps: int | None = 200_000
    anneal_cap: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.total_anneal_steps
        check(steps is None or steps >= 0, "total_anneal_steps", steps, "at least 0")
        check(0 <= self.anneal_cap < math.inf, "anneal_cap", self.anneal_cap, "at least 0")

    def resolve(self, num_train_users: int) -> "MultVAEConfig":
        """See `total_anneal_steps`."""
        if self.total_anneal_steps is not None:
            return self
        updates = self.epochs * steps_per_epoch(num_train_users, self.batch_size)
        steps_to_cap = updates * 6 / 7
        return dataclasses.replace(
            self, total_anneal_steps=max(1, round(steps_to_cap / self.anneal_cap)) if self.anneal_cap else 0
        )

    def build_model(self, num_items: int) -> MultVAE:
        """A compiled `MultVAE`.

        Raises:
            RunError: `total_anneal_steps` has not been resolved.
        """
        check(
            self.total_anneal_steps is not None, "total_anneal_steps", None, "resolved for the dataset first"
        )
        model = MultVAE(
            num_items,
            hidden_dims=self.hidden_dims,
            latent_dim=self.latent_dim,
            activation=self.activation,
            dropout_rate=self.dropout_rate,
            l2=self.l2,
            beta=LinearAnnealing(self.total_anneal_steps or 0, self.anneal_cap),
            num_sampled_items=self.num_sampled_items,
            seed=self.seed,
            dtype=self.dtype_policy,
        )
        model.compile(optimizer=adam(self.learning_rate))
        return model


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultDAEConfig(MLPConfig):
    """The settings of Mult-DAE: lambda = 0.01 / 500 (the code), I-200-I (section 4.4)."""

    l2: float = 0.01 / 500

    def build_model(self, num_items: int) -> MultDAE:
        """A compiled `MultDAE`."""
        model = MultDAE(
            num_items,
            hidden_dims=self.hidden_dims,
            latent_dim=self.latent_dim,
            activation=self.activation,
            dropout_rate=self.dropout_rate,
            l2=self.l2,
            num_sampled_items=self.num_sampled_items,
            seed=self.seed,
            dtype=self.dtype_policy,
        )
        model.compile(optimizer=adam(self.learning_rate))
        return model


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
