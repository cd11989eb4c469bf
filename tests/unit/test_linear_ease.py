"""EASE, EDLAE and RDLAE as Keras models, and the choice of their settings."""

import numpy as np
import pytest

from interactions import hold_out, latent_taste_interactions
from multvae_tf.errors import RunError
from multvae_tf.linear import EASE, EDLAE, RDLAE, choose

X = latent_taste_interactions(600, 100, seed=5)
TRAIN, (FOLD_IN, HELD_OUT) = X[:400], hold_out(X[400:], 0.3, seed=6)
MODELS = {
    "ease": lambda: EASE(100, l2=20.0),
    "edlae": lambda: EDLAE(100, l2=10.0, dropout_rate=0.4),
    "rdlae": lambda: RDLAE(100, l2=10.0, dropout_rate=0.4, max_self_weight=0.3),
}


@pytest.fixture(params=MODELS)
def make(request):
    return MODELS[request.param]


def independent_weights(model):
    """As in the papers, in float64."""
    dense = TRAIN.toarray().astype(np.float64)
    common = dense.T @ dense
    p, xi = getattr(model, "dropout_rate", 0), getattr(model, "max_self_weight", 0)
    penalty = model.l2 + p / (1 - p) * np.diag(common)
    inverse = np.linalg.inv(common + np.diag(penalty))
    scale = np.maximum(penalty, (1 - xi) / np.diag(inverse))
    return np.eye(100) - inverse * scale


def test_scores_equal_an_independent_solution(make):
    model = make()
    model.fit(TRAIN, verbose=0)
    found = model.predict(FOLD_IN, verbose=0)
    expected = FOLD_IN @ independent_weights(model)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_fit_tells_what_it_does(make, capsys):
    make().fit(TRAIN)
    assert "counting the common users of 100 x 100 items" in capsys.readouterr().out
    make().fit(TRAIN, verbose=0)
    assert capsys.readouterr().out == ""


def test_settings_out_of_range_are_refused():
    with pytest.raises(RunError, match="l2 is -1"):
        EASE(10, l2=-1)
    with pytest.raises(RunError, match="dropout_rate is 1"):
        EDLAE(10, dropout_rate=1)
    with pytest.raises(RunError, match="max_self_weight is 2"):
        RDLAE(10, max_self_weight=2)


def test_choose_takes_the_best_of_the_grid():
    grid = {"l2": [1.0, 10.0, 100.0], "dropout_rate": [0.1, 0.5]}
    choice = choose(EDLAE(100, name="mine"), grid, TRAIN, (FOLD_IN, HELD_OUT), verbose=0)
    ndcg = {}
    for settings, found in choice.tried:
        model = EDLAE(100, **settings)
        model.fit(TRAIN, verbose=0)
        assert found == model.evaluate(FOLD_IN, HELD_OUT)
        ndcg[settings["l2"], settings["dropout_rate"]] = found["NDCG@100"].mean
    assert len(ndcg) == 6
    assert max(ndcg, key=ndcg.get) == (choice.settings["l2"], choice.settings["dropout_rate"])
    assert (choice.model.l2, choice.model.dropout_rate) == (
        choice.settings["l2"],
        choice.settings["dropout_rate"],
    )
    assert choice.model.evaluate(FOLD_IN, HELD_OUT)["NDCG@100"].mean == max(ndcg.values())


def test_choose_refuses_what_is_no_setting():
    for grid, message in (
        ({"dropout_rate": [0.1]}, "grid is for 'dropout_rate'; it must be for settings of EASE"),
        ({"l2": []}, "the grid for l2 is empty"),
        ({"l2": [1.0, -1.0]}, "l2 is -1.0"),
    ):
        with pytest.raises(RunError, match=message):
            choose(EASE(100), grid, TRAIN, (FOLD_IN, HELD_OUT), verbose=0)


@pytest.mark.parametrize("model_class", [EASE, EDLAE, RDLAE])
def test_settings_left_open_are_chosen_by_the_validation_users_as_choose_does(model_class):
    model = model_class(100, **dict.fromkeys(model_class.grid))
    with pytest.raises(RunError, match="l2 is None; give validation_data to choose it by"):
        model.fit(TRAIN, verbose=0)
    model.fit(TRAIN, validation_data=(FOLD_IN, HELD_OUT), verbose=0)
    choice = choose(model_class(100), model_class.grid, TRAIN, (FOLD_IN, HELD_OUT), verbose=0)
    assert {name: getattr(model, name) for name in model_class.grid} == choice.settings
    np.testing.assert_array_equal(model.item_weights.numpy(), choice.model.item_weights.numpy())
