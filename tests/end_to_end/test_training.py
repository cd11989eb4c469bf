"""What `train` does beside a plain run: a loss that is not finite, early stopping, folders that do not fit.

80 users x 30 items (seed 5), 20 of the users held out; a pass has 6 steps of 10 users.
"""

import dataclasses
import re
import shutil

import keras
import numpy as np
import pytest

from interactions import hold_out, latent_taste_interactions
from multvae_tf import LinearAnnealing, MultDAE, MultVAE, Run, RunError, SettingError, TrainingConfig, train
from multvae_tf.ranking import MONITORED
from multvae_tf.training import described
from recvae_tf import DenseEncoder, RecVAE

NUM_ITEMS, STEPS_PER_PASS = 30, 6
MATRIX = latent_taste_interactions(80, NUM_ITEMS, seed=5)
TRAIN, VALIDATION = MATRIX[:60], hold_out(MATRIX[60:], 0.3, seed=6)
CONFIG = TrainingConfig(epochs=3, batch_size=10, learning_rate=5e-3)


def multvae(total_anneal_steps=100, anneal_cap=0.2):
    beta = LinearAnnealing(total_anneal_steps, anneal_cap)
    return MultVAE(NUM_ITEMS, hidden_dims=(8,), latent_dim=4, beta=beta)


def recvae():
    return RecVAE(NUM_ITEMS, encoder=DenseEncoder((8, 8), 4))


def trained(model, folder, *callbacks, **settings):
    """The model, trained into a folder, and the run."""
    config = dataclasses.replace(CONFIG, **settings)
    run = train(model, TRAIN, VALIDATION, folder=folder, config=config, resume=True, callbacks=callbacks)
    return model, run


def assert_same(one, other):
    for a, b in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


class BreakAfter(keras.callbacks.Callback):
    """Makes the first kernel NaN after so many updates."""

    def __init__(self, update):
        super().__init__()
        self.left = update

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            kernel = next(v for v in self.model.trainable_variables if v.shape[0] == NUM_ITEMS)
            kernel.assign(np.full(kernel.shape, np.nan, np.float32))


@pytest.mark.parametrize(
    ("new_model", "update", "where"),
    [
        (multvae, STEPS_PER_PASS + 2, "epoch 2, step 3, training"),
        (recvae, 5 * STEPS_PER_PASS + 1, "epoch 2, step 8, encoder pass 2"),
        (recvae, 7 * STEPS_PER_PASS + 1, "epoch 2, step 20, decoder pass 1"),
    ],
    ids=["multvae", "recvae-encoder", "recvae-decoder"],
)
def test_a_loss_that_is_not_finite_stops_the_run_and_the_last_checkpoint_stays(
    new_model, update, where, tmp_path
):
    with pytest.raises(RunError, match=rf"the loss is not finite in {where}.*; last finite means: ") as error:
        trained(new_model(), tmp_path / "run", BreakAfter(update))
    last = re.search(r"last finite means: (.*); the checkpoint of epoch 1 is in", str(error.value))
    assert all(np.isfinite(float(part.split()[-1])) for part in last[1].split(", "))
    assert "loss" in last[1]
    continued, _ = trained(new_model(), tmp_path / "run")
    whole, _ = trained(new_model(), tmp_path / "straight")
    assert_same(continued, whole)


def test_a_run_ends_with_the_weights_of_its_best_epoch(tmp_path):
    model, run = trained(multvae(), tmp_path / "run", epochs=30, learning_rate=0.05)
    assert [row["epoch"] for row in run.history] == list(range(1, 31))
    best = max(run.history, key=lambda row: row[f"val_{MONITORED}"])
    assert run.metrics.best_epoch == best["epoch"] < 30
    settings = {"epochs": run.metrics.best_epoch, "learning_rate": 0.05}
    shorter, _ = trained(multvae(), tmp_path / "shorter", **settings)
    assert_same(model, shorter)


def test_early_stopping_ends_a_run_that_no_longer_gets_better(tmp_path):
    settings = {"epochs": 200, "learning_rate": 0.05, "patience": 4}
    _, run = trained(multvae(), tmp_path / "run", **settings)
    assert run.metrics.epochs == run.metrics.best_epoch + 4 < 200
    again = trained(multvae(), tmp_path / "run", **settings)[1]
    assert again.metrics.epochs == len(again.history) == run.metrics.epochs


class KilledError(Exception):
    pass


class KilledInEpoch3(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KilledError


def test_the_largest_beta_is_that_of_the_best_epoch_of_a_run_annealed_to_one(tmp_path):
    settings = {"epochs": 8, "learning_rate": 0.05}

    def search(*callbacks):
        return trained(multvae(40, anneal_cap=None), tmp_path / "run", *callbacks, **settings)

    with pytest.raises(KilledError):
        search(KilledInEpoch3())
    model, run = search()

    _, straight = trained(multvae(40, anneal_cap=1.0), tmp_path / "straight", **settings)
    assert Run.open(tmp_path / "run" / "beta_search").history == straight.history
    # Update t has beta = min(1, t / 40); the history has the mean over the epoch's updates.
    betas = np.minimum(1.0, np.arange(8 * STEPS_PER_PASS) / 40).reshape(8, STEPS_PER_PASS)
    assert [row["beta"] for row in straight.history] == pytest.approx(betas.mean(axis=1))
    best_epoch = straight.metrics.best_epoch
    assert best_epoch < 7  # the first of which the last update's beta is 1
    found = {"total_anneal_steps": 40, "anneal_cap": pytest.approx(betas[best_epoch - 1, -1])}
    assert model.beta.get_config() == found
    assert described(model) == run.settings.model
    assert run.model().beta.get_config() == model.beta.get_config()


def test_a_run_whose_largest_beta_was_found_goes_on_with_it(tmp_path):
    def search(*callbacks):
        return trained(multvae(20, anneal_cap=None), tmp_path / "run", *callbacks, epochs=5)

    straight = trained(multvae(20, anneal_cap=None), tmp_path / "straight", epochs=5)[0]
    with pytest.raises(KilledError):
        search(KilledAfter(7 * STEPS_PER_PASS))
    assert Run.open(tmp_path / "run").settings.model["config"]["beta"]["config"]["anneal_cap"] is not None
    assert_same(search()[0], straight)


class KilledAfter(keras.callbacks.Callback):
    """Raises after so many updates in all runs together."""

    def __init__(self, update):
        super().__init__()
        self.left = update

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KilledError


def test_steps_left_open_are_filled_in_and_written_down(tmp_path):
    model, run = trained(multvae(total_anneal_steps=None), tmp_path / "run")
    # 3 epochs of 6 updates; the cap of 0.2 after 6/7 of them.
    assert model.beta.total_anneal_steps == round(18 * 6 / 7 / 0.2)
    assert run.new_model().beta.get_config() == model.beta.get_config()


def test_a_run_of_another_model_is_refused(tmp_path):
    trained(multvae(), tmp_path / "run")
    with pytest.raises(RunError) as error:
        trained(MultDAE(NUM_ITEMS, latent_dim=4), tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    assert str(error.value) == (
        f"{path} is of another run: its model.class_name is MultVAE, not MultDAE; leave the setting out, "
        "or choose another folder"
    )


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    _, wide = trained(multvae(), tmp_path / "wide")
    with pytest.raises(KilledError):
        trained(MultDAE(NUM_ITEMS, latent_dim=4), tmp_path / "run", KilledAfter(1))
    shutil.copytree(wide.checkpoints_path, tmp_path / "run" / "checkpoints", dirs_exist_ok=True)
    with pytest.raises(RunError, match=r"ckpt-\d+ does not fit this model"):
        trained(MultDAE(NUM_ITEMS, latent_dim=4), tmp_path / "run")


def test_a_run_that_is_there_is_only_gone_on_with_if_that_is_asked_for(tmp_path):
    trained(multvae(), tmp_path / "run")
    with pytest.raises(RunError) as error:
        train(multvae(), TRAIN, VALIDATION, folder=tmp_path / "run", config=CONFIG)
    assert str(error.value) == (
        f"{tmp_path / 'run'} already holds a run: resume it, or choose another folder"
    )


def test_a_model_that_has_been_trained_starts_no_run(tmp_path):
    model = multvae()
    model.compile()
    model.fit(TRAIN, epochs=1, batch_size=10, verbose=0)
    with pytest.raises(SettingError) as error:
        trained(model, tmp_path / "run")
    assert str(error.value) == "model has made 6 updates; a run starts from initial weights"
    assert not (tmp_path / "run").exists()


def test_a_folder_that_becomes_unwritable_is_told(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    Run(folder).checkpoints_path.write_text("a file where the checkpoints' folder should be")
    with pytest.raises((OSError, RunError), match="checkpoints"):
        trained(multvae(), folder)
