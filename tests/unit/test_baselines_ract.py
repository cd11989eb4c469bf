"""RaCT: the critic's features, target and statistics against NumPy; what each phase trains; exact resume."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import oracle
from interactions import as_interactions, hold_out, latent_taste_interactions
from multvae_tf import MultDAE, MultVAE
from multvae_tf.baselines import Critic, RaCT
from multvae_tf.baselines.critic import look, target
from multvae_tf.batches import TrainingBatch
from multvae_tf.errors import RunError
from recvae_tf import DenseEncoder, RecVAE

NUM_ITEMS = 120
X = latent_taste_interactions(90, NUM_ITEMS, seed=3)
TRAIN, (FOLD_IN, HELD_OUT) = X[:60], hold_out(X[60:], 0.3, seed=6)
ACTORS = {
    "multvae": lambda: MultVAE(NUM_ITEMS, hidden_dims=(16,), latent_dim=4),
    "multdae": lambda: MultDAE(NUM_ITEMS, latent_dim=4),
    "recvae": lambda: RecVAE(NUM_ITEMS, encoder=DenseEncoder(hidden_dims=(16, 16), latent_dim=4)),
}


@pytest.fixture(params=["multvae", "recvae"])
def model(request):
    return compiled(request.param)


def compiled(actor="multvae", **settings):
    rates = {"critic_learning_rate": 1e-2, "actor_critic_learning_rate": 1e-3}
    model = RaCT(NUM_ITEMS, actor=ACTORS[actor](), **rates, **settings)
    model.compile()
    return model


def values(variables):
    return [variable.numpy() for variable in variables]


def is_same(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def view_of(model, users, kept):
    return look(model.actor, as_interactions(X[users]), tf.constant(kept), 0.5, None)


@pytest.mark.parametrize("actor", ACTORS)
def test_features_and_target_equal_a_slow_computation(actor):
    model = compiled(actor)
    users = X[:8]
    kept = np.random.default_rng(1).random(users.nnz) < 0.5
    kept[users.indptr[3] : users.indptr[4]] = True  # This user hides nothing.
    view = view_of(model, slice(8), kept)
    features, ndcg = view.features.numpy(), target(view, NUM_ITEMS).numpy()
    for user in range(8):
        start, stop = users.indptr[user : user + 2]
        items, of_user = users.indices[start:stop], kept[start:stop]
        logits = view.logits.numpy()[user].astype(np.float64)
        log_softmax = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        expected = [of_user.sum(), (~of_user).sum(), -log_softmax[items].sum()]
        np.testing.assert_allclose(features[user], expected, rtol=1e-4)
        seen, unseen = np.zeros(NUM_ITEMS), np.zeros(NUM_ITEMS)
        seen[items[of_user]] = unseen[items[~of_user]] = 1
        expected = oracle.ndcg_at_k(logits, seen, unseen, 100) if unseen.any() else 0
        np.testing.assert_allclose(ndcg[user], expected, rtol=1e-5)
    assert ndcg[3] == 0


def test_the_actor_sees_only_what_was_kept():
    model = compiled()
    kept = np.zeros(X[:2].nnz, bool)
    kept[:2] = True
    logits = view_of(model, slice(2), kept).logits.numpy()
    w, b = (weight.numpy() for weight in model.actor.input_layer.weights)
    hidden = np.tanh(w[X.indices[:2]].sum(axis=0) / np.sqrt(X[0].nnz) / 0.5 + b)
    z = (hidden @ model.actor.encoder_layers[0].kernel.numpy() + model.actor.encoder_layers[0].bias.numpy())[
        :4
    ]
    np.testing.assert_allclose(logits[0], model.actor.decode(tf.constant([z]))[0], rtol=1e-3, atol=1e-5)


def test_the_critic_standardises_by_all_that_it_observed():
    critic = Critic(seed=1)
    features = np.random.default_rng(2).normal(5, 3, size=(40, 3)).astype(np.float32)
    for part in np.split(features, [7, 30]):
        critic.observe(tf.constant(part))
    np.testing.assert_allclose(critic.means.numpy(), features.mean(axis=0), rtol=1e-5)
    h = (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0) + 1e-3)
    for number, layer in enumerate(critic.dense_layers):
        h = h @ layer.kernel.numpy() + layer.bias.numpy()
        h = np.maximum(h, 0) if number < 3 else 1 / (1 + np.exp(-h))
    predicted = critic(tf.constant(features))
    np.testing.assert_allclose(predicted, h[:, 0], rtol=1e-4)
    ndcg = np.linspace(0, 1, 40, dtype=np.float32)
    penalty = 1e-4 * sum(np.square(weight).sum() for weight in values(critic.trainable_variables)) / 40
    expected = np.square(ndcg - h[:, 0]).mean() + penalty
    np.testing.assert_allclose(critic.loss(predicted, tf.constant(ndcg)), expected, rtol=1e-4)


def test_each_phase_trains_its_part(model):
    epochs = 4
    changed = []
    for epoch in range(epochs):
        before = values(model.actor.trainable_variables), values(model.critic.trainable_variables)
        if epoch == 0:
            model.prepare_training(60, model.num_updates(60, 20, epochs))
        model.fit(TRAIN, epochs=epoch + 1, initial_epoch=epoch, batch_size=20, verbose=0)
        after = values(model.actor.trainable_variables), values(model.critic.trainable_variables)
        changed.append(tuple(not is_same(old, new) for old, new in zip(before, after, strict=True)))
    assert changed == [(True, False), (True, False), (False, True), (True, True)]
    assert int(model.step) == model.num_updates(60, 20, epochs)


def test_the_third_phase_raises_the_prediction():
    model = (
        compiled(phase_ends=(0, 0), actor_critic_learning_rate=1e-2) if False else compiled(phase_ends=(0, 0))
    )
    x = as_interactions(TRAIN)
    model.critic.observe(view_of(model, slice(60), np.random.default_rng(0).random(TRAIN.nnz) < 0.5).features)
    frozen = values(model.critic.trainable_variables)
    kept = tf.constant(np.random.default_rng(1).random(TRAIN.nnz) < 0.5)

    def prediction():
        return float(tf.reduce_mean(model.critic(look(model.actor, x, kept, 0.5, None).features)))

    before = prediction()
    zero = tf.constant(0, tf.int64)
    update = tf.function(model.train_step)
    for _ in range(20):
        update(TrainingBatch(x, tf.range(60, dtype=tf.int64), zero, zero))
        for variable, value in zip(model.critic.trainable_variables, frozen, strict=True):
            variable.assign(value)
    assert prediction() > before


def test_the_critic_learns_to_predict():
    model = compiled(phase_ends=(0, 10**6))
    history = model.fit(TRAIN, epochs=40, batch_size=20, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert abs(history["predicted_ndcg"][-1] - history["ndcg"][-1]) < 0.05


def test_scores_are_the_actors(model):
    np.testing.assert_array_equal(model.predict(FOLD_IN, verbose=0), model.actor.predict(FOLD_IN, verbose=0))
    assert model.evaluate(FOLD_IN, HELD_OUT) == model.actor.evaluate(FOLD_IN, HELD_OUT)


@pytest.mark.filterwarnings("error:.*optimizer")
def test_a_saved_model_goes_on_as_if_it_had_not_been(model, tmp_path):
    model.fit(TRAIN, epochs=4, batch_size=20, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.get_config() == model.get_config()
    for one in (model, loaded):
        one.fit(TRAIN, epochs=5, initial_epoch=4, batch_size=20, verbose=0)
    assert int(loaded.step) == int(model.step)
    assert is_same(values(loaded.variables), values(model.variables))


@pytest.mark.parametrize("actor", ["multvae", "recvae"])
def test_a_checkpoint_in_any_phase_continues_exactly(actor, tmp_path):
    settings = {"phase_ends": (4, 8)}
    straight = compiled(actor, **settings)
    straight.fit(TRAIN, epochs=4, batch_size=20, verbose=0)
    written = None
    for epoch in range(4):
        # A new process in each phase: all that is kept is in the checkpoint.
        model = compiled(actor, **settings)
        model.prepare_training(60, model.num_updates(60, 20, 4))
        checkpoint = tf.train.Checkpoint(model=model)
        if written:
            checkpoint.restore(written).assert_consumed()
        model.fit(TRAIN, epochs=epoch + 1, initial_epoch=epoch, batch_size=20, verbose=0)
        written = checkpoint.save(str(tmp_path / f"epoch{epoch}"))
    assert is_same(values(model.variables), values(straight.variables))


def test_settings_that_cannot_be_are_refused():
    for settings, message in (
        ({"actor": MultDAE(5)}, "actor is of 5 items; it must be of 120"),
        ({"actor": "multvae"}, "actor is 'multvae'; it must be an autoencoder"),
        ({"phase_ends": (5, 3)}, r"phase_ends is \(5, 3\)"),
        ({"critic_learning_rate": 0}, "critic_learning_rate is 0"),
    ):
        with pytest.raises(RunError, match=message):
            RaCT(NUM_ITEMS, **settings)
