"""What `train` does beside a plain run: a loss that is not finite, early stopping, folders that do not fit.

80 users x 30 items (seed 5), 20 of the users held out; a pass has 6 steps of 10 users.
"""

import dataclasses
import re

import keras
import numpy as np
import pytest
from multvae_tf.beta_search import find_anneal_cap
from multvae_tf.config import MultDAEConfig, MultVAEConfig
from multvae_tf.run_folder import RunFolder
from recvae_tf.config import RecVAEConfig

from interactions import hold_out, latent_taste_interactions
from multvae_tf.errors import RunError
from multvae_tf.training import MONITORED, _Recorder, read_history, train

NUM_ITEMS, STEPS_PER_PASS = 30, 6
MATRIX = latent_taste_interactions(80, NUM_ITEMS, seed=5)
TRAIN, VALIDATION = MATRIX[:60], hold_out(MATRIX[60:], 0.3, seed=6)
COMMON = {"latent_dim": 4, "batch_size": 10, "learning_rate": 5e-3, "epochs": 3}
MULTVAE = MultVAEConfig(hidden_dims=(8,), total_anneal_steps=100, **COMMON)
RECVAE = RecVAEConfig(hidden_dims=(8, 8), **COMMON)


def run(config, folder, *callbacks):
    """Trains into a folder; returns the model and what `train` returned."""
    folder.folder.mkdir(exist_ok=True)
    model = config.build_model(NUM_ITEMS)
    return model, train(model, TRAIN, VALIDATION, config, folder, callbacks=callbacks)


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
    ("config", "update", "where"),
    [
        (MULTVAE, STEPS_PER_PASS + 2, "epoch 2, step 3, training"),
        (RECVAE, 5 * STEPS_PER_PASS + 1, "epoch 2, step 8, encoder pass 2"),
        (RECVAE, 7 * STEPS_PER_PASS + 1, "epoch 2, step 20, decoder pass 1"),
    ],
    ids=["multvae", "recvae-encoder", "recvae-decoder"],
)
def test_a_loss_that_is_not_finite_stops_the_run_and_the_last_checkpoint_stays(
    config, update, where, tmp_path
):
    folder, straight = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "straight")
    with pytest.raises(RunError, match=rf"the loss is not finite in {where}.*; last finite means: ") as error:
        run(config, folder, BreakAfter(update))
    last = re.search(r"last finite means: (.*); the checkpoint of epoch 1 is in", str(error.value))
    assert all(np.isfinite(float(part.split()[-1])) for part in last[1].split(", "))
    assert "loss" in last[1]
    continued, whole = run(config, folder)[0], run(config, straight)[0]
    for one, other in zip(continued.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_run_ends_with_the_weights_of_its_best_epoch(tmp_path):
    folder = RunFolder(tmp_path / "run")
    config = dataclasses.replace(MULTVAE, epochs=30, learning_rate=0.05)
    model, result = run(config, folder)
    history = read_history(folder)
    assert [row["epoch"] for row in history] == list(range(1, 31))
    best = max(history, key=lambda row: row[MONITORED])
    assert result.best_epoch == best["epoch"] < 30
    shorter, _ = run(dataclasses.replace(config, epochs=result.best_epoch), RunFolder(tmp_path / "shorter"))
    for one, other in zip(model.trainable_variables, shorter.trainable_variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_early_stopping_ends_a_run_that_no_longer_gets_better(tmp_path):
    config = dataclasses.replace(MULTVAE, epochs=200, learning_rate=0.05, early_stopping_patience=4)
    folder = RunFolder(tmp_path / "run")
    _, result = run(config, folder)
    assert result.epochs == result.best_epoch + 4 < 200
    assert run(config, folder)[1].epochs == result.epochs


class KilledError(Exception):
    pass


def test_the_largest_beta_is_that_of_the_best_epoch_of_a_run_annealed_to_one(tmp_path, monkeypatch):
    config = dataclasses.replace(MULTVAE, anneal_cap=None, total_anneal_steps=20, epochs=5)
    folder = RunFolder(tmp_path / "run")
    folder.create({"config": config.to_json()}, [str(item) for item in range(NUM_ITEMS)], None)

    def killed_in_epoch_3(recorder, epoch, logs=None):
        if epoch == 2:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(_Recorder, "on_epoch_begin", killed_in_epoch_3)
        with pytest.raises(KilledError):
            find_anneal_cap(config, TRAIN, VALIDATION, folder)
    found = find_anneal_cap(config, TRAIN, VALIDATION, folder)

    straight = RunFolder(tmp_path / "straight")
    _, result = run(dataclasses.replace(config, anneal_cap=1.0), straight)
    history = read_history(straight)
    assert read_history(RunFolder(tmp_path / "run" / "beta_search")) == history
    # The first update of an epoch has beta = (number of updates before it) / 20, the last 5 updates more.
    assert [row["beta"] for row in history] == pytest.approx([0.25, 0.55, 0.85, 1.0, 1.0])
    assert found == dataclasses.replace(config, anneal_cap=history[result.best_epoch - 1]["beta"])


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    folder = RunFolder(tmp_path / "run")
    run(MULTVAE, folder)
    with pytest.raises(RunError, match=r"ckpt-\d+ does not fit this model"):
        run(MultDAEConfig(**COMMON), folder)


def test_a_folder_that_becomes_unwritable_is_told(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.folder.mkdir()
    folder.checkpoints_path.write_text("a file where the checkpoints' folder should be")
    with pytest.raises((OSError, RunError), match="checkpoints"):
        run(MULTVAE, folder)
