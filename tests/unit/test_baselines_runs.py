"""Linear models and baselines in run folders: trained, killed, resumed, opened again."""

import keras
import numpy as np
import pytest

from interactions import hold_out, latent_taste_interactions
from multvae_tf import MultVAE, Run, TrainingConfig, train
from multvae_tf.baselines import CDAE, WMF, ItemKNN, RaCT
from multvae_tf.linear import EASE, ELSA

X = latent_taste_interactions(90, 40, seed=3)
TRAIN, HELD_OUT_USERS = X[:60], hold_out(X[60:], 0.3, seed=6)
CONFIG = TrainingConfig(epochs=4, batch_size=20)
SOLVED = {
    "ease": lambda: EASE(40, l2=5.0),
    "itemknn": lambda: ItemKNN(40, num_neighbours=5),
    "wmf": lambda: WMF(40, rank=4),
}
TRAINED = {
    "elsa": lambda: ELSA(40, rank=4),
    "cdae": lambda: CDAE(40, latent_dim=4),
    "ract": lambda: RaCT(
        40,
        actor=MultVAE(40, hidden_dims=(8,), latent_dim=4),
        critic_learning_rate=1e-2,
        actor_critic_learning_rate=1e-3,
    ),
}


class KilledError(Exception):
    pass


class KillAt(keras.callbacks.Callback):
    """Raises after so many updates."""

    def __init__(self, update):
        super().__init__()
        self.left = update

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KilledError


def values(model):
    return [variable.numpy() for variable in model.variables]


@pytest.mark.parametrize("make", (SOLVED | TRAINED).values(), ids=SOLVED | TRAINED)
def test_a_run_opens_with_the_model_that_was_trained(make, tmp_path):
    model = make()
    run = train(
        model, TRAIN, HELD_OUT_USERS, folder=tmp_path / "run", config=CONFIG, test_data=HELD_OUT_USERS
    )
    opened = Run.open(run.folder)
    np.testing.assert_array_equal(
        opened.model().predict(HELD_OUT_USERS[0], verbose=0), model.predict(HELD_OUT_USERS[0], verbose=0)
    )
    assert opened.metrics.test["NDCG@100"] == model.evaluate(*HELD_OUT_USERS)["NDCG@100"]


@pytest.mark.parametrize("name", ["cdae", "ract"])
def test_a_killed_run_goes_on_as_if_it_had_not_been(name, tmp_path):
    # Three updates an epoch; RaCT's phases end after 6 and 9, so that the kills lie in all three.
    straight = TRAINED[name]()
    train(straight, TRAIN, HELD_OUT_USERS, folder=tmp_path / "straight", config=CONFIG)
    for update in (5, 5, 4):
        with pytest.raises(KilledError):
            train(
                TRAINED[name](),
                TRAIN,
                HELD_OUT_USERS,
                folder=tmp_path / "killed",
                config=CONFIG,
                resume=True,
                callbacks=[KillAt(update)],
            )
    continued = TRAINED[name]()
    train(continued, TRAIN, HELD_OUT_USERS, folder=tmp_path / "killed", config=CONFIG, resume=True)
    for one, other in zip(values(straight), values(continued), strict=True):
        np.testing.assert_array_equal(one, other)
