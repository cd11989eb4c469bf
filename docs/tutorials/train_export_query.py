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
# # Train, export, query
#
# What TensorFlow Serving loads is a SavedModel that takes raw item ids and gives raw item ids: the table of ids, the
# masking of what the user has, and the choice of the best are all inside.
# %%
import data_prep
import multvae_tf
import multvae_tf.models  # with TensorFlow's start-up messages
from multvae_tf import Items, TrainingConfig, train
from recvae_tf import DenseEncoder, RecVAE

data = data_prep.prepare("demo")
run = train(
    RecVAE(num_items=data.num_items, encoder=DenseEncoder((100, 100), 50)),
    data.train,
    (data.validation.fold_in, data.validation.held_out),
    items=Items.of(data.item_ids, data.item_titles, data.train.getnnz(axis=0)),
    config=TrainingConfig(epochs=2, batch_size=100),
    folder="runs/demo",
)

# %%
folder = multvae_tf.export(run, "saved_models/films", k=50)
sorted(path.name for path in folder.iterdir())

# %% [markdown]
# `manifest.json` says from what the version was made, and has the checksum of every file. Each export takes the next
# version number; a server that watches `saved_models/films` loads it by itself.
#
# ## Ask it in this process

# %%
from multvae_tf.serving.local import SavedModelRecommender
from multvae_tf.serving.recommender import describe_answer

served = SavedModelRecommender(folder)
print(describe_answer(served, ["1", "2", "3"], k=5))

# %% [markdown]
# ## Ask a server
#
# The same methods, over REST or gRPC; the REST client needs no TensorFlow.
#
# ```python
# client = multvae_tf.connect("https://recommender.example.org:8501", "films", label="stable")
# client.recommend([["1", "2", "3"]], k=5)
# ```
