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
# # Your own matrix in five lines
#
# A recommender needs one thing: a sparse matrix of users by items with a 1 for each interaction. Here one is made up;
# yours comes from `scipy.sparse.load_npz`, from a data frame, or from `data_prep`.

# %%
import keras
import numpy as np
import scipy.sparse

rng = np.random.default_rng(0)
tastes = rng.normal(size=(1500, 8)) @ rng.normal(size=(8, 400))
x = scipy.sparse.csr_matrix(tastes > np.quantile(tastes, 0.93))
x

# %% [markdown]
# ## Train and recommend

# %%
from multvae_tf import MultVAE

model = MultVAE(num_items=x.shape[1], hidden_dims=(100,), latent_dim=32)
model.compile()
model.fit(x, epochs=5, batch_size=100, verbose=0)
items, scores = model.recommend(x[:3], k=5)
items

# %% [markdown]
# `items` holds column numbers, best first, and none that the user has already.
#
# ## How good is it?
#
# For that, users are held out. Of each a part of the items, the *fold-in*, is shown to the model; the rest should be ranked
# high. The mean over the users comes with its standard error.

# %%
train, others = x[:1200], x[1200:].tocoo()
is_hidden = rng.random(others.nnz) < 0.3


def part(chosen):
    places = (others.row[chosen], others.col[chosen])
    return scipy.sparse.csr_matrix((np.ones(chosen.sum()), places), others.shape)


fold_in, held_out = part(~is_hidden), part(is_hidden)

model = MultVAE(num_items=x.shape[1], hidden_dims=(100,), latent_dim=32)
model.compile()
history = model.fit(train, epochs=10, batch_size=100, validation_data=(fold_in, held_out), verbose=0)
{name: str(estimate) for name, estimate in model.evaluate(fold_in, held_out).items()}

# %% [markdown]
# After each epoch the validation users were ranked, too; Keras' history has the curve.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(5, 3))
axes.plot(range(1, 11), history.history["val_NDCG@100"])
axes.set(xlabel="epoch", ylabel="NDCG@100 of the validation users")
plt.show()

# %% [markdown]
# ## A linear model beside it
#
# On small data a model in closed form is hard to beat, and it takes a second. It has the same methods.

# %%
from multvae_tf.linear import EASE

linear = EASE(num_items=x.shape[1], l2=50.0)
linear.fit(train, verbose=0)
str(linear.evaluate(fold_in, held_out)["NDCG@100"])

# %% [markdown]
# ## Save and load

# %%
import tempfile
from pathlib import Path

path = Path(tempfile.mkdtemp(), "model.keras")
model.save(path)
loaded = keras.saving.load_model(path)
assert (loaded.recommend(x[:3], k=5)[0] == model.recommend(x[:3], k=5)[0]).all()
