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
# # From a file to recommendations
#
# Interactions usually lie in a file or a database, with ids of your own. `data_prep` reads them, keeps every id to the
# byte, and splits the users; `train` writes a run folder; a run recommends by raw ids.

# %%
import numpy as np

# Made up: 600 listeners, 200 songs of 10 genres (the last digit of a song's number); everybody likes two genres.
rng = np.random.default_rng(0)
with open("plays.csv", "w", encoding="utf-8") as plays:
    plays.write("listener,song\n")
    for listener in range(600):
        genres = rng.choice(10, size=2, replace=False)
        for song in np.unique(rng.integers(20, size=25) * 10 + rng.choice(genres, size=25)):
            plays.write(f"{listener:05d},song-{song:03d}\n")
with open("titles.csv", "w", encoding="utf-8") as titles:
    titles.write("song,title\n")
    titles.writelines(f"song-{song:03d},The song number {song}\n" for song in range(200))

# %%
import data_prep

data = data_prep.prepare(
    "plays.csv",
    user_column="listener",
    item_column="song",
    rating_column="",  # every row is an interaction
    titles="titles.csv",
    heldout_users=60,
)
print(data.description)
data.train.shape, data.item_ids[:3]

# %% [markdown]
# ## Train into a run folder
#
# The best epoch by the validation users is kept, the test users are ranked once, and all that is needed to repeat or to
# continue the run is written down.

# %%
from multvae_tf import Items, MultDAE, TrainingConfig, train

run = train(
    MultDAE(num_items=data.num_items, latent_dim=32),
    data.train,
    (data.validation.fold_in, data.validation.held_out),
    test_data=(data.test.fold_in, data.test.held_out),
    items=Items.of(data.item_ids, data.item_titles, data.train.getnnz(axis=0)),
    config=TrainingConfig(epochs=20, batch_size=50),
    folder="runs/mine",
)
print(run.metrics.test["NDCG@100"], "by popularity:", run.metrics.popularity["NDCG@100"])

# %% [markdown]
# ## Recommend by raw ids
#
# A run opens itself, in any other process, also if its folder was moved. A user of whom nothing is known gets the most
# popular items; `exclude` has a row for each user.

# %%
from multvae_tf import Run

recommender = Run.open("runs/mine").recommender()
answer = recommender.recommend(
    [["song-001", "song-007"], ["never heard of"]], k=3, exclude=[["song-002"], []]
)
titles, _ = recommender.describe(answer.item_ids[0].tolist())
print(titles)
answer.num_known_items
