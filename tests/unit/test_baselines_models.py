"""What is particular to one baseline: CDAE's user vectors, WMF's iterations and presets, ItemKNN's scores."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interactions import latent_taste_interactions
from multvae_tf.baselines import CDAE, WARP, WMF, ItemKNN, LambdaNet, Popularity
from multvae_tf.baselines.ranking_losses import lambdarank_loss, warp_loss
from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.errors import RunError
from multvae_tf.layers import l2_normalize

X = latent_taste_interactions(90, 40, seed=3)
DENSE = X.toarray().astype(np.float64)


def test_popularity_is_the_number_of_users():
    model = Popularity(40)
    model.fit(X, verbose=0)
    np.testing.assert_array_equal(model.predict(X[:2], verbose=0), np.tile(DENSE.sum(axis=0), (2, 1)))


def test_itemknn_adds_the_similarities_of_each_items_neighbours():
    model = ItemKNN(40, num_neighbours=5, shrinkage=3.0)
    model.fit(X, verbose=0)
    common, counts = DENSE.T @ DENSE, DENSE.sum(axis=0)
    similarity = common / (np.sqrt(np.outer(counts, counts)) + 3)
    np.fill_diagonal(similarity, 0)
    for item, column in enumerate(similarity.T):
        similarity[np.argsort(-column.astype(np.float32), kind="stable")[5:], item] = 0
    np.testing.assert_allclose(model.predict(X, verbose=0), DENSE @ similarity, rtol=1e-4, atol=1e-6)


def test_wmf_equals_implicit():
    als = pytest.importorskip("implicit.als")
    model = WMF(40, rank=6, positive_weight=8.0, l2=2.0, num_iterations=4, seed=5)
    model.fit(X, verbose=0)
    theirs = als.AlternatingLeastSquares(
        factors=6, regularization=2.0, alpha=8.0, iterations=4, use_cg=False, use_gpu=False, num_threads=1
    )
    start = np.random.default_rng(5).standard_normal((40, 6), np.float32)
    theirs.item_factors = np.float32(0.1 / np.sqrt(6)) * start
    theirs.user_factors = np.zeros((90, 6), np.float32)
    theirs.fit(X.astype(np.float32), show_progress=False)
    np.testing.assert_allclose(model.item_vectors.numpy(), theirs.item_factors, rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(
        model.fold_in(X), theirs.recalculate_user(np.arange(90), X), rtol=1e-2, atol=1e-4
    )


def test_wmf_in_the_terms_of_rendle_ranks_as_their_minimum():
    # sum over ones (1 - s)^2 + a sum over all s^2 + l sum_u (n_u + a I) |p_u|^2, and likewise for the items.
    a, l2 = 0.2, 0.05
    model = WMF.from_rendle(40, rank=5, unobserved_weight=a, l2=l2, num_iterations=300)
    model.fit(X, verbose=0)
    # Their scores are 1 / (1 + a) of ours: both vectors by the root of that.
    scale = 1 / np.sqrt(1 + a)
    p, q = scale * model.fold_in(X).astype(np.float64), scale * model.item_vectors.numpy().astype(np.float64)
    scores = p @ q.T
    of_scores = DENSE * (scores - 1) + a * scores
    of_p = of_scores @ q + l2 * (DENSE.sum(axis=1) + a * 40)[:, np.newaxis] * p
    of_q = of_scores.T @ p + l2 * (DENSE.sum(axis=0) + a * 90)[:, np.newaxis] * q
    assert np.abs(p).max() > 0.1
    np.testing.assert_allclose(of_p, 0, atol=2e-3)
    np.testing.assert_allclose(of_q, 0, atol=2e-2)


def cdae():
    model = CDAE(40, latent_dim=5, l2=0.01, positive_weight=4.0)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(X, epochs=2, batch_size=30, verbose=0)
    return model


def test_cdae_has_a_vector_for_each_training_user():
    model = cdae()
    users = np.array([3, 70])
    x = Interactions.from_csr(X[users])
    batch = TrainingBatch(x, tf.constant(users), tf.constant(0, tf.int64), tf.constant(0, tf.int64))
    parts = model.penalized_nll(batch, l2_normalize(x))
    kernels = [weight.numpy().astype(np.float64) for weight in model.trainable_variables]
    v, w, b, w_out, b_out = kernels
    assert v.shape == (90, 5)
    rows = DENSE[users]
    normalized = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    y = np.tanh(np.tanh(normalized @ w + v[users] + b) @ w_out + b_out)
    nll = 0.5 * (np.where(rows > 0, 4.0, 1.0) * np.square(rows - y)).sum(axis=1).mean()
    penalty = 0.01 * sum(np.square(matrix).sum() for matrix in (w, w_out, v))
    np.testing.assert_allclose(parts["nll"], nll, rtol=1e-4)
    np.testing.assert_allclose(parts["loss"], nll + penalty, rtol=1e-4)


def test_cdae_does_without_the_vectors_of_new_users():
    model = cdae()
    before = model.predict(X[:5], verbose=0)
    model.user_vectors.assign(model.user_vectors + 1.0)
    np.testing.assert_array_equal(model.predict(X[:5], verbose=0), before)


def test_cdae_goes_on_after_loading(tmp_path):
    model = cdae()
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for one in (model, loaded):
        one.fit(X, epochs=3, initial_epoch=2, batch_size=30, verbose=0)
    assert int(loaded.step) == 9
    np.testing.assert_array_equal(loaded.user_vectors.numpy(), model.user_vectors.numpy())


def test_cdae_takes_weights_into_a_new_model(tmp_path):
    model, new = cdae(), CDAE(40, latent_dim=5)
    model.save_weights(tmp_path / "m.weights.h5")
    new.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(new.user_vectors.numpy(), model.user_vectors.numpy())
    np.testing.assert_array_equal(new.predict(X, verbose=0), model.predict(X, verbose=0))


def test_cdae_needs_to_know_its_users():
    model = cdae()
    with pytest.raises(RunError, match="x is of 20 users; it must be of the 90 that were trained"):
        model.fit(X[:20], verbose=0)
    rows = tf.data.Dataset.from_tensors(Interactions.from_csr(X))
    with pytest.raises(RunError, match="x is a Dataset, whose users have no numbers"):
        model.fit(rows, verbose=0)


def test_the_ranking_networks_are_trained_by_their_losses():
    x = Interactions.from_csr(X[:4])
    for model, loss in ((WARP(40, latent_dim=5), warp_loss), (LambdaNet(40, latent_dim=5), lambdarank_loss)):
        scores = tf.constant(np.random.default_rng(1).normal(size=(4, 40)), tf.float32)
        np.testing.assert_array_equal(model.likelihood.nll(x, scores), loss(x, scores))


def test_warp_is_linear():
    model = WARP(40, latent_dim=5, l2=0.5)
    w, b, w_out, b_out = (weight.numpy().astype(np.float64) for weight in model.trainable_variables)
    normalized = DENSE / np.linalg.norm(DENSE, axis=1, keepdims=True)
    expected = (normalized @ w + b) @ w_out + b_out
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WMF(4, positive_weight=1.0), "positive_weight is 1.0; it must be above 1"),
        (lambda: WMF(4, l2=0.0), "l2 is 0.0"),
        (lambda: WMF(4, rank=0), "rank is 0"),
        (lambda: WMF(4, l2_exponent=2.0), "l2_exponent is 2.0"),
        (lambda: WMF(4, num_iterations=0), "num_iterations is 0"),
        (lambda: ItemKNN(4, num_neighbours=0), "num_neighbours is 0"),
        (lambda: ItemKNN(4, shrinkage=-1), "shrinkage is -1"),
        (lambda: CDAE(4, positive_weight=0), "positive_weight is 0"),
        (lambda: WARP(4, latent_dim=0), "latent_dim is 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(RunError, match=message):
        make()
