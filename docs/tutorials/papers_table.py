# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% tags=["hidden"]
# Works in a folder of its own, and imports TensorFlow without its start-up messages.
import os
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.chdir(tempfile.mkdtemp())
shown = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
import multvae_tf.models

os.dup2(shown, 2)

# %% [markdown]
# # Reproduce a paper's table
#
# The defaults of the models are the papers' settings for ML-20M; `papers.SETTINGS` has what differs on other data, each
# value with its source. Here the demo data stands for ML-20M, so that this page is made in a minute. For the real thing
# replace `"demo"` by `"ml20m"` and the small networks by the defaults, or use `scripts/reproduce.py`, which also writes
# a report.

# %%
import numpy as np

import data_prep
from multvae_tf import LinearAnnealing, MultDAE, MultVAE, TrainingConfig, train
from multvae_tf.linear import EASE

data = data_prep.prepare("demo")
validation = (data.validation.fold_in, data.validation.held_out)
test = (data.test.fold_in, data.test.held_out)
small = {"latent_dim": 50}
MODELS = {
    "Mult-VAE": lambda seed: MultVAE(
        data.num_items, hidden_dims=(100,), beta=LinearAnnealing(None, 0.2), seed=seed, **small
    ),
    "Mult-DAE": lambda seed: MultDAE(data.num_items, seed=seed, **small),
    "EASE": lambda seed: EASE(data.num_items, l2=200.0),
}
SEEDS = (1, 2)

# %% [markdown]
# Each model is trained under several seeds. A single run says little: two runs of one model differ, too.

# %%
rankings = {}
for name, new_model in MODELS.items():
    for seed in SEEDS:
        run = train(
            new_model(seed),
            data.train,
            validation,
            test_data=test,
            config=TrainingConfig(epochs=8, batch_size=100),
            folder=f"runs/{name}-{seed}",
        )
        rankings[name, seed] = run.test_ranking().metrics["NDCG@100"]

# %% [markdown]
# The test users are the same for all models, so the difference of two models is taken user by user: that has a far
# smaller error than the difference of two means.

# %%
means = {name: np.mean([rankings[name, seed] for seed in SEEDS], axis=0) for name in MODELS}
for name, per_user in means.items():
    difference = per_user - means["Mult-VAE"]
    error = difference.std() / np.sqrt(len(difference))
    print(
        f"{name:9} NDCG@100 {per_user.mean():.4f}   to Mult-VAE {difference.mean():+.4f} (+-{1.96 * error:.4f})"
    )
