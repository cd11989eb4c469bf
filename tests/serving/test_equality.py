"""The Keras model, the reloaded export and the C++ runtime rank the same items with the same scores."""

import gzip

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from interactions import as_interactions, latent_taste_interactions
from multvae_tf import Items, LinearAnnealing, MultDAE, MultVAE
from multvae_tf.baselines import WMF, ItemKNN
from multvae_tf.linear import EASE, ELSA
from multvae_tf.ranking import mask_seen
from multvae_tf.serving.export import export_model
from multvae_tf.trainable_model import TrainableModel
from recvae_tf import DenseEncoder, RecVAE
from serving.exports import ask_natively, ask_reloaded, rows

K = 100


def assert_same_everywhere(model, matrix, item_ids, tmp_path):
    """Asks for the best 100 of every row of a CSR matrix, in each of the three ways.

    Items may change places only where the Keras model's own scores of them are within 1e-5.
    """
    popularity = np.bincount(matrix.indices, minlength=matrix.shape[1])
    folder = export_model(model, Items.of(item_ids, None, popularity), tmp_path / "same", top_k=K)
    seen = as_interactions(matrix)
    scores, items = (tensor.numpy() for tensor in model.best_unseen(seen, K))
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
        lambda n: MultVAE(n, beta=LinearAnnealing(0, 0.2)),
        lambda n: MultDAE(n, latent_dim=50),
        lambda n: RecVAE(n, encoder=DenseEncoder([100] * 5, 50)),
        lambda n: EASE(n, l2=50.0),
        lambda n: ELSA(n, rank=32),
        lambda n: ItemKNN(n, num_neighbours=690),
        lambda n: WMF(n, rank=16),
    ],
    ids=["multvae", "multdae", "recvae", "ease", "elsa", "itemknn", "wmf"],
)
def test_synthetic_users(new_model, tmp_path):
    matrix = latent_taste_interactions(1_000, 700, seed=5)
    matrix = matrix[np.diff(matrix.indptr) > 0]
    model = new_model(matrix.shape[1])
    if isinstance(model, TrainableModel):
        model.compile()
    model.fit(matrix, epochs=1, batch_size=100, verbose=0)
    assert_same_everywhere(model, matrix, [f"id-{i}" for i in range(matrix.shape[1])], tmp_path)


@pytest.mark.realdata
def test_a_thousand_users_of_ml1m(real_data, tmp_path):
    with gzip.open(real_data / "ml-1m" / "ratings.csv.gz", "rt") as file:
        ratings = np.loadtxt(file, delimiter=",", skiprows=1)
    users, items = ratings[ratings[:, 2] > 3.5, :2].astype(int).T
    item_ids, items = np.unique(items, return_inverse=True)
    users = np.unique(users, return_inverse=True)[1]
    matrix = scipy.sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)))
    model = MultVAE(len(item_ids), beta=LinearAnnealing(100, 0.2))
    model.compile()
    model.fit(matrix, batch_size=500, verbose=0)
    assert_same_everywhere(model, matrix[:1_000], [str(i) for i in item_ids], tmp_path)
