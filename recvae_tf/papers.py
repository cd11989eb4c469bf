"""The settings of the RecVAE paper: what differs from the defaults of the model and of training, by dataset.

See `multvae_tf.papers` for what the names mean. Learning rate, batch size and everything else are the model's
defaults: those of Shenbin et al. 2020 and its code for ML-20M.
"""

from typing import Any

from multvae_tf.papers import OTHER

SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "recvae": {
        "ml20m": {"epochs": 50},  # the code
        "netflix": {"epochs": 50, "gamma": 0.0035},  # gamma: the paper
        "msd": {"epochs": 100, "gamma": 0.01},  # gamma: the paper; more epochs
        OTHER: {"epochs": 50},
    },
}

# The two published variants of the authors' code: its branches wsdm, the paper's, and master.
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {"layer_norm_epsilon": 1e-5, "first_old_encoder": "initial"},
    "master": {"layer_norm_epsilon": 0.1, "first_old_encoder": "random"},
}
