"""RecVAE on data drawn from what it assumes: against popularity, and killed in the middle of a phase."""

import keras
import numpy as np
import pytest
from interactions import hold_out, latent_taste_interactions

from multvae_tf.evaluation import evaluate
from multvae_tf.optimization import adam
from multvae_tf.pipeline import training_batches
from multvae_tf.run_folder import RunFolder
from multvae_tf.training import train
from recvae_tf.config import RecVAEConfig
from recvae_tf.model import RecVAE

MATRIX = latent_taste_interactions(600, 100, seed=5)
TRAIN, (FOLD_IN, HELD_OUT) = MATRIX[:400], hold_out(MATRIX[400:], 0.3, seed=6)


def test_recvae_beats_popularity():
    # 600 users x 100 items from z ~ N(0, I) (seed 5), 200 of them held out; model seed 0. NDCG@100 was .65
    # against .37 when this was written; the test asks for half of that difference.
    model = RecVAE(100, hidden_dims=(32, 32), latent_dim=8)
    model.compile(adam(5e-3))
    model.prepare_training(TRAIN.shape[0])
    batches = training_batches(TRAIN, 50, seed=7, num_epochs=15, passes_per_epoch=model.passes_per_epoch)
    history = model.fit(
        batches, epochs=15, steps_per_epoch=8 * model.passes_per_epoch, shuffle=False, verbose=0
    ).history
    by_model = evaluate(model, FOLD_IN, HELD_OUT)["NDCG@100"].mean
    # Without weights in the encoder every user has the same z, and the decoder's bias ranks by popularity.
    popularity = RecVAE(100, hidden_dims=(32, 32), latent_dim=8)
    for variable in popularity.variables:
        variable.assign(np.zeros(variable.shape))
    popularity.decoder.bias.assign(np.asarray(TRAIN.sum(axis=0)).ravel())
    by_popularity = evaluate(popularity, FOLD_IN, HELD_OUT)["NDCG@100"].mean
    assert by_model > by_popularity + 0.14
    assert history["decoder_nll"][-1] < history["decoder_nll"][0]


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


def test_a_run_killed_in_the_middle_of_a_phase_goes_on_as_if_it_had_not_been(tmp_path):
    # 8 steps a pass, 32 an epoch: first killed at update 45, in the second epoch's second encoder pass, then,
    # having begun that epoch anew, at its update 28, in its decoder pass.
    config = RecVAEConfig(
        hidden_dims=(16, 16), latent_dim=8, epochs=3, batch_size=50, learning_rate=5e-3, seed=4
    )

    def run(name, callbacks=()):
        folder, model = RunFolder(tmp_path / name), config.build_model(100)
        folder.folder.mkdir(exist_ok=True)
        train(model, TRAIN, (FOLD_IN, HELD_OUT), config, folder, callbacks=callbacks)
        return folder, [variable.numpy() for variable in model.variables]

    straight, weights = run("straight")
    for update in (45, 28):
        with pytest.raises(KilledError):
            run("killed", [KillAt(update)])
    killed, weights_of_killed = run("killed")
    for one, other in zip(weights, weights_of_killed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert killed.history_path.read_text() == straight.history_path.read_text()
