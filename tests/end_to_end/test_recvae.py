"""RecVAE on data drawn from what it assumes, against recommending what is popular."""

import numpy as np
from interactions import hold_out, latent_taste_interactions

from multvae_tf.evaluation import evaluate
from multvae_tf.optimization import adam
from multvae_tf.pipeline import training_batches
from recvae_tf.model import RecVAE


def test_recvae_beats_popularity():
    # 600 users x 100 items from z ~ N(0, I) (seed 5), 200 of them held out; model seed 0. NDCG@100 was .65
    # against .37 when this was written; the test asks for half of that difference.
    matrix = latent_taste_interactions(600, 100, seed=5)
    train, (fold_in, held_out) = matrix[:400], hold_out(matrix[400:], 0.3, seed=6)
    model = RecVAE(100, hidden_dims=(32, 32), latent_dim=8)
    model.compile(adam(5e-3))
    model.prepare_training(train.shape[0])
    batches = training_batches(train, 50, seed=7, num_epochs=15, passes_per_epoch=model.passes_per_epoch)
    history = model.fit(
        batches, epochs=15, steps_per_epoch=8 * model.passes_per_epoch, shuffle=False, verbose=0
    ).history
    by_model = evaluate(model, fold_in, held_out)["NDCG@100"].mean
    # Without weights in the encoder every user has the same z, and the decoder's bias ranks by popularity.
    popularity = RecVAE(100, hidden_dims=(32, 32), latent_dim=8)
    for variable in popularity.variables:
        variable.assign(np.zeros(variable.shape))
    popularity.decoder.bias.assign(np.asarray(train.sum(axis=0)).ravel())
    by_popularity = evaluate(popularity, fold_in, held_out)["NDCG@100"].mean
    assert by_model > by_popularity + 0.14
    assert history["decoder_nll"][-1] < history["decoder_nll"][0]
