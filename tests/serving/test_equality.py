"""The Keras model, the reloaded export and the C++ runtime rank the same items with the same scores."""

import gzip

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from multvae_tf.config import MultVAEConfig
from multvae_tf.metrics import mask_seen

from interactions import as_interactions, latent_taste_interactions
from multvae_tf.batches import training_batches
from multvae_tf.models import MultDAE
from multvae_tf.serving.export import export_model
from recvae_tf.model import RecVAE
from serving.exports import ask_natively, ask_reloaded, rows

K = 100


def assert_same_everywhere(model, matrix, item_ids, tmp_path):
    """Asks for the best 100 of every row of a CSR matrix, in each of the three ways.

    Items may change places only where the Keras model's own scores of them are within 1e-5.
    """
    popularity = np.bincount(matrix.indices, minlength=matrix.shape[1])
    folder = export_model(model, item_ids, None, popularity, name="same", top_k=K, saved_models_dir=tmp_path)
    seen = as_interactions(matrix)
    scores, items = (tensor.numpy() for tensor in tf.function(model.recommend)(seen, K))
    unseen_scores = mask_seen(tf.function(model)(seen), seen).numpy()
    histories = np.split(np.array(item_ids, object)[matrix.indices], matrix.indptr[1:-1])
    request = ("serving_default", {"history": rows(*histories)})
    (reloaded,) = ask_reloaded(folder, [request])
    (native,) = ask_natively(folder, [request], tmp_path)
    number_of = {item_id.encode(): number for number, item_id in enumerate(item_ids)}
    for answer in (reloaded, native):
        np.testing.assert_array_equal(answer["num_known_items"], np.diff(matrix.indptr))
        np.testing.assert_allclose(answer["scores"], scores, rtol=1e-5, atol=1e-5)
        given = np.vectorize(number_of.__getitem__)(answer["item_ids"])
        assert all(len(set(row)) == K for row in given.tolist())
        np.testing.assert_allclose(
            np.take_along_axis(unseen_scores, given, axis=1), scores, rtol=1e-5, atol=1e-5
        )
        assert np.mean(given == items) > 0.9999


@pytest.mark.parametrize(
    "new_model",
    [
        lambda n: MultVAEConfig(total_anneal_steps=0, learning_rate=0.01).build_model(n),
        lambda n: MultDAE(n, latent_dim=50),
        lambda n: RecVAE(n, hidden_dims=[100] * 5, latent_dim=50),
    ],
    ids=["multvae", "multdae", "recvae"],
)
def test_synthetic_users(new_model, tmp_path):
    matrix = latent_taste_interactions(1_000, 700, seed=5)
    matrix = matrix[np.diff(matrix.indptr) > 0]
    model = new_model(matrix.shape[1])
    if model.compiled:
        model.fit(training_batches(matrix, 100, seed=0), epochs=1, verbose=0)
    assert_same_everywhere(model, matrix, [f"id-{i}" for i in range(matrix.shape[1])], tmp_path)


@pytest.mark.realdata
def test_a_thousand_users_of_ml1m(real_data, tmp_path):
    with gzip.open(real_data / "ml-1m" / "ratings.csv.gz", "rt") as file:
        ratings = np.loadtxt(file, delimiter=",", skiprows=1)
    users, items = ratings[ratings[:, 2] > 3.5, :2].astype(int).T
    item_ids, items = np.unique(items, return_inverse=True)
    users = np.unique(users, return_inverse=True)[1]
    matrix = scipy.sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)))
    model = MultVAEConfig(total_anneal_steps=100).build_model(len(item_ids))
    model.fit(training_batches(matrix, 500, seed=0), verbose=0)
    assert_same_everywhere(model, matrix[:1_000], [str(i) for i in item_ids], tmp_path)
