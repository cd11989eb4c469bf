"""What every linear model and every baseline must do: fit, rank, recommend, save, load, fit again.

600 users x 100 items (seed 5), 200 of the users held out.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interactions import as_interactions, hold_out, latent_taste_interactions
from multvae_tf import ranking
from multvae_tf.baselines import CDAE, WARP, WMF, ItemKNN, LambdaNet, Popularity
from multvae_tf.batches import Interactions
from multvae_tf.errors import RunError
from multvae_tf.linear import EASE, ELSA, RDLAE, SLIM
from multvae_tf.trainable_model import TrainableModel

X = latent_taste_interactions(600, 100, seed=5)
TRAIN, (FOLD_IN, HELD_OUT) = X[:400], hold_out(X[400:], 0.3, seed=6)
# Each with the least NDCG@100 that it must reach; popularity has .37.
SOLVED = {
    "ease": (lambda: EASE(100, l2=20.0), 0.55),
    "rdlae": (lambda: RDLAE(100, l2=10.0, dropout_rate=0.4, max_self_weight=0.3), 0.55),
    "slim": (lambda: SLIM(100, l1=1.0, l2=10.0), 0.5),
    "fsslim": (lambda: SLIM(100, l1=1.0, l2=10.0, num_neighbours=20), 0.5),
    "itemknn": (lambda: ItemKNN(100, num_neighbours=20), 0.45),
    "popularity": (lambda: Popularity(100), 0.35),
    "wmf": (lambda: WMF(100, rank=8, l2=5.0), 0.5),
}
TRAINED = {
    "elsa": (lambda: ELSA(100, rank=16), 0.5),
    "cdae": (lambda: CDAE(100, latent_dim=16), 0.45),
    "warp": (lambda: WARP(100, latent_dim=16), 0.45),
    "lambdanet": (lambda: LambdaNet(100, hidden_dims=(32,), latent_dim=8), 0.45),
}
ALL = SOLVED | TRAINED


def fitted(make, x=TRAIN):
    return fit(make, x)[0]


def fit(make, x=TRAIN, **arguments):
    model = make()
    if isinstance(model, TrainableModel):
        model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(x, epochs=20, batch_size=50, verbose=0, **arguments)
    return model, history.history


@pytest.fixture(scope="module", params=ALL)
def name(request):
    if "slim" in request.param:
        pytest.importorskip("sklearn")
    return request.param


@pytest.fixture(scope="module")
def make(name):
    return ALL[name][0]


@pytest.fixture(scope="module")
def model(make):
    return fitted(make)


def test_the_ranking_is_as_good_as_expected(name, model):
    assert model.evaluate(FOLD_IN, HELD_OUT)["NDCG@100"].mean > ALL[name][1]


def test_fit_ranks_the_validation_users(make, model):
    history = fit(make, validation_data=(FOLD_IN, HELD_OUT))[1]
    expected = {f"val_{name}": estimate.mean for name, estimate in model.evaluate(FOLD_IN, HELD_OUT).items()}
    found = {name: values[-1] for name, values in history.items() if name.startswith("val_")}
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(list(found.values()), [expected[name] for name in found], rtol=1e-5)


def test_recommend_gives_the_best_unseen_items(model):
    items, scores = model.recommend(FOLD_IN[:20], k=5)
    unseen = np.where(FOLD_IN[:20].toarray() > 0, -np.inf, model.predict(FOLD_IN[:20], verbose=0))
    np.testing.assert_array_equal(items, np.argsort(-unseen, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(scores, -np.sort(-unseen, axis=1)[:, :5], rtol=1e-5)


def test_scores_are_the_same_by_blocks(model, monkeypatch):
    items, scores = model.recommend(FOLD_IN, k=10)
    monkeypatch.setattr(ranking, "BLOCK_SIZE", 16)
    by_blocks = ranking.top_unseen(model.scores(as_interactions(FOLD_IN)), 100, as_interactions(FOLD_IN), 10)
    np.testing.assert_array_equal(by_blocks[1], items)
    np.testing.assert_allclose(by_blocks[0], scores, rtol=1e-4, atol=1e-6)


def test_a_user_does_not_depend_on_the_others(model):
    together = model.predict(FOLD_IN[:10], verbose=0)
    alone = np.concatenate([model.predict(FOLD_IN[user], verbose=0) for user in range(10)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_a_user_without_items_gets_items(model):
    items, scores = model.recommend(FOLD_IN[:1] * 0, k=3)
    assert len(set(items[0])) == 3
    assert np.all(np.isfinite(scores))


def test_a_saved_model_loads(model, tmp_path):
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.predict(FOLD_IN, verbose=0), model.predict(FOLD_IN, verbose=0))


def test_weights_go_into_another_model(make, model, tmp_path):
    other = fitted(make, TRAIN[::-1])
    model.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.predict(FOLD_IN, verbose=0), model.predict(FOLD_IN, verbose=0))


def test_fitting_twice_from_the_same_seed_gives_the_same(make, model):
    np.testing.assert_array_equal(fitted(make).predict(FOLD_IN, verbose=0), model.predict(FOLD_IN, verbose=0))


def test_a_graph_holds_the_weights(model, tmp_path):
    module = tf.Module()
    module.model = model
    specs = [tf.TensorSpec([None], tf.int32)] * 2
    module.scores = tf.function(lambda *x: model.scores(Interactions(*x))(0, 100), specs)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    x = as_interactions(FOLD_IN)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    found = loaded.scores(x.ids, x.row_splits)
    np.testing.assert_allclose(found, model.predict(FOLD_IN, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SOLVED, indirect=True)
def test_fitting_again_forgets_the_first_data(make, model):
    again = fitted(make, TRAIN[:100])
    before = again.evaluate(FOLD_IN, HELD_OUT)
    again.fit(TRAIN, verbose=0)
    assert again.evaluate(FOLD_IN, HELD_OUT) == model.evaluate(FOLD_IN, HELD_OUT) != before


@pytest.mark.parametrize("name", SOLVED, indirect=True)
@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_model_without_weights_says_so(make, tmp_path):
    for use in (
        lambda m: m.recommend(FOLD_IN),
        lambda m: m.evaluate(FOLD_IN, HELD_OUT),
        lambda m: m.predict(X),
    ):
        with pytest.raises(RunError, match="the model has no weights yet"):
            use(make())
    make().save(tmp_path / "m.keras")
    assert not keras.saving.load_model(tmp_path / "m.keras").is_fitted


@pytest.mark.parametrize("name", SOLVED, indirect=True)
def test_data_that_does_not_fit_is_refused(make):
    with pytest.raises(RunError, match="x has the shape"):
        make().fit(TRAIN[:, :50], verbose=0)
    with pytest.raises(RunError, match="x holds 2"):
        make().fit(TRAIN * 2, verbose=0)
