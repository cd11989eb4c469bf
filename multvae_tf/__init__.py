"""Mult-VAE and Mult-DAE for TensorFlow and Keras, and what every recommender here shares.

What a stranger types is at this door:

    from multvae_tf import MultVAE
    model = MultVAE(num_items=x.shape[1])
    model.compile()
    model.fit(x, epochs=50, batch_size=500, validation_data=(fold_in, held_out))
    items, scores = model.recommend(x[:5], k=10)

Names are imported when they are first used, so that `connect`, a client of a server, needs no TensorFlow.

This import sets three environment variables for TensorFlow, unless they are set or TensorFlow is imported
already, so that a notebook and the commands compute the same bits: matrix products by oneDNN on every
processor, not on the newest only (TF_ENABLE_ONEDNN_OPTS), and an allocator that keeps the memory of large
tensors for the next ones, where by default each is mapped anew, page by page (TF_CPU_ALLOCATOR_USE_BFC, with
the machine's memory as its limit, TF_CPU_BFC_MEM_LIMIT_IN_MB).
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multvae_tf.batches import HeldOutBatch, Interactions, TrainingBatch
    from multvae_tf.errors import RunError, SettingError
    from multvae_tf.evaluation import Estimate
    from multvae_tf.losses import GaussianLikelihood, LogisticLikelihood, MultinomialLikelihood
    from multvae_tf.models import MultDAE, MultVAE
    from multvae_tf.run import Run, TrainingConfig, evaluate, export
    from multvae_tf.schedules import ConstantBeta, CyclicalAnnealing, LinearAnnealing, PerUserBeta
    from multvae_tf.serving.clients import connect
    from multvae_tf.serving.items import Items
    from multvae_tf.training import train

_HOMES = {
    "batches": ("HeldOutBatch", "Interactions", "TrainingBatch"),
    "errors": ("RunError", "SettingError"),
    "evaluation": ("Estimate",),
    "losses": ("GaussianLikelihood", "LogisticLikelihood", "MultinomialLikelihood"),
    "models": ("MultDAE", "MultVAE"),
    "run": ("Run", "TrainingConfig", "evaluate", "export"),
    "schedules": ("ConstantBeta", "CyclicalAnnealing", "LinearAnnealing", "PerUserBeta"),
    "serving.clients": ("connect",),
    "serving.items": ("Items",),
    "training": ("train",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "ConstantBeta",
    "CyclicalAnnealing",
    "Estimate",
    "GaussianLikelihood",
    "HeldOutBatch",
    "Interactions",
    "Items",
    "LinearAnnealing",
    "LogisticLikelihood",
    "MultDAE",
    "MultVAE",
    "MultinomialLikelihood",
    "PerUserBeta",
    "Run",
    "RunError",
    "SettingError",
    "TrainingBatch",
    "TrainingConfig",
    "connect",
    "evaluate",
    "export",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "keras" not in sys.modules:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "tensorflow" not in sys.modules:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    _MEMORY_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(_MEMORY_BYTES // 2**20))
