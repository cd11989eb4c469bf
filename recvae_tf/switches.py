"""The named alternatives that the paper compares: encoders, priors, and the two published variants."""

from collections.abc import Sequence
from typing import Any

from recvae_tf.encoder import DenseEncoder, Encoder, MLPEncoder
from recvae_tf.flow import RealNVPPrior
from recvae_tf.prior import CompositePrior, GaussianPrior, MixturePrior, Prior, VampPrior

ENCODERS: dict[str, type[Encoder]] = {"dense": DenseEncoder, "mlp": MLPEncoder}
PRIORS: dict[str, type[Prior]] = {
    "composite": CompositePrior,
    "gaussian": GaussianPrior,
    "mixture": MixturePrior,
    "vamp": VampPrior,
    "realnvp": RealNVPPrior,
}
LAYER_NORM_EPSILON = {"paper": 1e-5, "master": 0.1}


def check(*, encoder: str, prior: str, variant: str) -> None:
    """Raises `ValueError` if one of them is unknown, with the names that are known."""
    for name, value, known in (
        ("encoder", encoder, ENCODERS),
        ("prior", prior, PRIORS),
        ("variant", variant, LAYER_NORM_EPSILON),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(known)}")


def new_encoder(
    kind: str,
    variant: str,
    num_items: int,
    hidden_dims: Sequence[int] | None,
    latent_dim: int,
    **options: Any,
) -> Encoder:
    """An encoder of this kind; `hidden_dims` None means its own default."""
    if hidden_dims is not None:
        options["hidden_dims"] = hidden_dims
    if kind == "mlp":
        return MLPEncoder(num_items, latent_dim=latent_dim, **options)
    epsilon = LAYER_NORM_EPSILON[variant]
    return DenseEncoder(num_items, latent_dim=latent_dim, layer_norm_epsilon=epsilon, **options)


def new_prior(
    kind: str,
    num_items: int,
    latent_dim: int,
    *,
    mixture_weights: Sequence[float],
    num_components: int,
    seed: int,
) -> Prior:
    """A prior of this kind; each takes of the options what it needs."""
    match kind:
        case "composite":
            return CompositePrior(mixture_weights)
        case "mixture":
            return MixturePrior(latent_dim, num_components, seed=seed)
        case "vamp":
            return VampPrior(num_items, num_components, seed=seed)
        case "realnvp":
            return RealNVPPrior(latent_dim, seed=seed)
        case _:
            return GaussianPrior()
