"""WARP and LambdaNet: the autoencoders of Lobel et al. 2020 that are trained to rank."""

from collections.abc import Sequence
from typing import Any

import keras

from multvae_tf.baselines.ranking_losses import LambdaRankLoss, WarpLoss
from multvae_tf.models import MultDAE, MultVAE
from multvae_tf.schedules import BetaSchedule


@keras.saving.register_keras_serializable(package="multvae_tf")
class WARP(MultDAE):
    """A linear autoencoder trained by the listwise WARP loss.

    Scores are W'(W x + b) + b' with x L2-normalised and, in training, with dropout. Minimises
    `ranking_losses.warp_loss` plus an L2 penalty. What `fit` reports as nll is the WARP loss.

    Args:
        num_items: The size I of the catalogue.
        latent_dim: The size of the code of a user, which is the rank of the scores.
        dropout_rate: The probability with which each item of a user is dropped from the input in training.
        l2: The weight lambda of the penalty lambda * sum ||W||^2.
        seed: The seed of the initial weights, the order of the users and the dropout.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> from multvae_tf.baselines import WARP
        >>> model = WARP(num_items=20, latent_dim=4)
        >>> model.compile()

    Deviations: the program of Lobel et al. penalises the biases too, and starts them at zero.

    References:
        Weston, Bengio and Usunier 2011 (IJCAI); in this form Lobel, Li, Gao and Carin 2020, RaCT: Toward
        Amortized Ranking-Critical Training for Collaborative Filtering (ICLR, arXiv 1906.04281).
    """

    def __init__(
        self,
        num_items: int,
        *,
        latent_dim: int = 200,
        dropout_rate: float = 0.5,
        l2: float = 1e-5,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            latent_dim=latent_dim,
            activation="linear",
            dropout_rate=dropout_rate,
            l2=l2,
            likelihood=WarpLoss(),
            seed=seed,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for fixed in ("hidden_dims", "activation", "likelihood"):
            del config[fixed]
        return config


@keras.saving.register_keras_serializable(package="multvae_tf")
class LambdaNet(MultVAE):
    """Mult-VAE's networks trained by LambdaRank.

    Minimises `ranking_losses.lambdarank_loss` at a sample of z, plus beta KL(q(z | x) || N(0, I)). What `fit`
    reports as nll is the LambdaRank loss.

    Args:
        num_items: The size I of the catalogue.
        hidden_dims: The widths of the encoder's hidden layers, first to last; the decoder mirrors them.
        latent_dim: The size of z, the code of a user.
        activation: The name of the Keras activation of the hidden layers.
        dropout_rate: The probability with which each item of a user is dropped from the input in training.
        beta: How the weight of the KL term goes over the updates, a `BetaSchedule`; None means
            `LinearAnnealing()`.
        seed: The seed of the initial weights, the order of the users, the dropout and the noise.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> from multvae_tf.baselines import LambdaNet
        >>> model = LambdaNet(num_items=20, hidden_dims=(8,), latent_dim=4)
        >>> model.compile()

    Deviations: none.

    References:
        Burges, Ragno and Le 2006 (NIPS); as a network of this kind Lobel, Li, Gao and Carin 2020 (ICLR, arXiv
        1906.04281).
    """

    def __init__(
        self,
        num_items: int,
        *,
        hidden_dims: Sequence[int] = (600,),
        latent_dim: int = 200,
        activation: str = "tanh",
        dropout_rate: float = 0.5,
        beta: BetaSchedule | None = None,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            hidden_dims=hidden_dims,
            latent_dim=latent_dim,
            activation=activation,
            dropout_rate=dropout_rate,
            likelihood=LambdaRankLoss(),
            beta=beta,
            seed=seed,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for fixed in ("l2", "likelihood"):
            del config[fixed]
        return config
