"""RecVAE for TensorFlow and Keras, on top of `multvae_tf`: the model, its encoders and its priors.

from recvae_tf import CompositePrior, DenseEncoder, RecVAE
model = RecVAE(num_items=x.shape[1], encoder=DenseEncoder(), prior=CompositePrior())
model.compile()
model.fit(x, epochs=50, batch_size=500, validation_data=(fold_in, held_out))
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recvae_tf.encoder import DenseEncoder, MLPEncoder
    from recvae_tf.flow import RealNVPPrior
    from recvae_tf.mixtures import MixturePrior, VampPrior
    from recvae_tf.model import RecVAE
    from recvae_tf.prior import CompositePrior, GaussianPrior

_HOME_OF = {
    "CompositePrior": "prior",
    "DenseEncoder": "encoder",
    "GaussianPrior": "prior",
    "MLPEncoder": "encoder",
    "MixturePrior": "mixtures",
    "RealNVPPrior": "flow",
    "RecVAE": "model",
    "VampPrior": "mixtures",
}
__all__ = [
    "CompositePrior",
    "DenseEncoder",
    "GaussianPrior",
    "MLPEncoder",
    "MixturePrior",
    "RealNVPPrior",
    "RecVAE",
    "VampPrior",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("multvae_tf")  # which sets TensorFlow up
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
