"""RecVAE: its arguments, what each phase updates, the cache, the switches, saving and resuming."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interactions import as_interactions, latent_taste_interactions
from multvae_tf import ConstantBeta, LinearAnnealing, SettingError, TrainingBatch, TrainingConfig
from multvae_tf.layers import l2_normalize
from multvae_tf.losses import LogisticLikelihood
from multvae_tf.trainable_model import adam
from recvae_tf import (
    CompositePrior,
    DenseEncoder,
    GaussianPrior,
    MixturePrior,
    MLPEncoder,
    RealNVPPrior,
    RecVAE,
    VampPrior,
)
from recvae_tf.papers import VARIANTS

NUM_USERS, NUM_ITEMS, BATCH_SIZE = 100, 40, 50
MATRIX = latent_taste_interactions(NUM_USERS, NUM_ITEMS, seed=1)


def new_model(variant="paper", **options):
    """A small model that is ready for `train_step`; the options are those of `RecVAE`."""
    encoder = DenseEncoder((8, 8), 4, layer_norm_epsilon=VARIANTS[variant]["layer_norm_epsilon"])
    prior = CompositePrior(first_old_encoder=VARIANTS[variant]["first_old_encoder"])
    model = RecVAE(NUM_ITEMS, **{"encoder": encoder, "prior": prior, "seed": 2, **options})
    model.compile(adam(1e-2))
    model.prepare_training(NUM_USERS)
    return model


def fit(model, epochs, first_epoch=0, callbacks=()):
    return model.fit(
        MATRIX,
        batch_size=BATCH_SIZE,
        initial_epoch=first_epoch,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
    ).history


def batch(pass_number, step_in_pass=1):
    x = as_interactions(MATRIX[:BATCH_SIZE])
    numbers = (tf.constant(n, tf.int64) for n in (pass_number, step_in_pass))
    return TrainingBatch(x, tf.range(BATCH_SIZE, dtype=tf.int64), *numbers)


def values(variables):
    return [variable.numpy() for variable in variables]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def all_differ(one, other):
    return all(np.any(a != b) for a, b in zip(one, other, strict=True))


def state(model):
    """Everything that a continued run needs: weights and both optimizers."""
    return values([*model.variables, *model.optimizer.variables, *model.decoder_optimizer.variables])


def updated_by(model, step):
    """Which of encoder, decoder, old encoder and the prior's own weights a step changes."""
    parts = {
        "encoder": model.encoder.variables,
        "decoder": model.decoder.variables,
        "old_encoder": old_encoder.variables if (old_encoder := old_encoder_of(model)) else [],
        "prior": model.prior.trainable_variables,
    }
    before = {name: values(variables) for name, variables in parts.items()}
    model.train_step(step)
    return {
        name
        for name, variables in parts.items()
        if any(np.any(a != b) for a, b in zip(before[name], values(variables), strict=True))
    }


def old_encoder_of(model):
    return model.prior.old_encoder if isinstance(model.prior, CompositePrior) else None


@pytest.mark.parametrize(
    "prior_class", [CompositePrior, GaussianPrior, MixturePrior, VampPrior, RealNVPPrior]
)
def test_each_phase_updates_its_own_network(prior_class):
    model = new_model(prior=prior_class())
    learnt = {"prior"} if model.prior.trainable_variables else set()
    assert updated_by(model, batch(0)) == {"encoder"} | learnt
    assert updated_by(model, batch(3)) == {"decoder"}
    assert (int(model.optimizer.iterations), int(model.decoder_optimizer.iterations)) == (1, 1)
    assert int(model.step) == 2


def test_every_weight_of_a_phase_is_updated():
    model = new_model(prior=MixturePrior(5))
    encoder, decoder = values(model.optimized_variables), values(model.decoder.variables)
    model.train_step(batch(0))
    model.train_step(batch(3))
    assert all_differ(encoder, values(model.optimized_variables))
    assert all_differ(decoder, values(model.decoder.variables))


def test_joint_training_updates_both():
    model = new_model(alternating=False)
    assert model.passes_per_epoch == 1
    assert updated_by(model, batch(0)) == {"encoder", "decoder"}


def test_joint_updates_start_from_the_same_weights():
    joint, encoder_only, decoder_only = new_model(alternating=False), new_model(), new_model()
    joint.train_step(batch(0))
    encoder_only.train_step(batch(0))
    decoder_only.train_step(batch(3))
    assert_same(values(joint.encoder.variables), values(encoder_only.encoder.variables))
    assert_same(values(joint.decoder.variables), values(decoder_only.decoder.variables))


def test_the_prior_is_refreshed_once_before_the_first_decoder_pass():
    model = new_model(num_encoder_passes=2, num_decoder_passes=2)
    assert model.passes_per_epoch == 4
    model.train_step(batch(0))
    encoder = values(model.encoder.variables)
    assert "old_encoder" not in updated_by(model, batch(2, step_in_pass=1))
    assert "old_encoder" not in updated_by(model, batch(3, step_in_pass=0))
    assert "old_encoder" in updated_by(model, batch(2, step_in_pass=0))
    assert_same(values(model.prior.old_encoder.variables), encoder)


def test_change_is_measured_on_the_clean_input_before_the_refresh():
    model = new_model(variant="master")
    rows = l2_normalize(as_interactions(MATRIX[:BATCH_SIZE]))
    expected = np.mean((model.encoder(rows)[0] - model.prior.old_encoder(rows)[0]) ** 2)
    assert expected > 1e-3
    logs = model.train_step(batch(3, step_in_pass=0))
    assert float(logs["change"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("variant", "same"), [("paper", True), ("master", False)])
def test_the_first_old_encoder(variant, same):
    model = new_model(variant=variant)
    equal = [np.array_equal(a, b) for a, b in zip(*map(values, encoders(model)), strict=True)]
    assert all(equal) == same
    assert model.encoder.connections[0].epsilon == {"paper": 1e-5, "master": 0.1}[variant]


def encoders(model):
    return model.encoder.variables, model.prior.old_encoder.variables


def cached_in(num_bytes, first_old_encoder="initial"):
    return CompositePrior(first_old_encoder=first_old_encoder, prior_cache_bytes=num_bytes)


def test_the_cache_changes_nothing():
    cached, recomputed = (
        new_model(variant="master", prior=cached_in(n, "random"), decoder_denoising=True) for n in (2**20, 0)
    )
    losses, expected = fit(cached, 2), fit(recomputed, 2)
    assert cached.prior.is_cached
    assert not recomputed.prior.is_cached
    # The users of a batch meet in other batches when their old posterior is computed: rounding differs.
    for name, per_epoch in expected.items():
        np.testing.assert_allclose(losses[name], per_epoch, rtol=1e-5, err_msg=name)
    for a, b in zip(state(cached), state(recomputed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_the_cache_is_made_only_where_it_fits_and_is_read():
    row_bytes = 2 * 4 * 4
    assert new_model(prior=cached_in(NUM_USERS * row_bytes)).prior.is_cached
    assert not new_model(prior=cached_in(NUM_USERS * row_bytes - 1)).prior.is_cached
    for options in ({"alternating": False}, {"num_encoder_passes": 1}):
        assert not new_model(**options).prior.is_cached


def test_the_cache_is_of_the_users_that_are_trained_on():
    model = new_model()
    assert model.prior.is_cached
    model.prepare_training(0)
    assert not model.prior.is_cached
    fit(model, 1)
    assert model.prior.is_cached
    assert all(np.isfinite(values(model.trainable_variables)[0]).ravel())


def test_decoder_denoising_is_the_dropout_of_the_decoder_pass():
    clean, denoising, without_dropout = (
        new_model(),
        new_model(decoder_denoising=True),
        new_model(decoder_denoising=True, dropout_rate=0.0),
    )
    for model in (clean, denoising, without_dropout):
        model.train_step(batch(3))
    assert_same(values(clean.decoder.variables), values(without_dropout.decoder.variables))
    assert all_differ(values(clean.decoder.variables), values(denoising.decoder.variables))


def test_loss_is_the_likelihood_plus_the_weighted_kl():
    model = new_model(beta=ConstantBeta(0.3))
    logs = model.train_step(batch(0))
    assert float(logs["weighted_kl"]) == pytest.approx(0.3 * float(logs["kl"]), rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(float(logs["nll"]) + float(logs["weighted_kl"]), rel=1e-6)
    assert sum(float(logs[name]) for name in model.prior.report_names) == pytest.approx(1, rel=1e-5)


def test_annealed_beta_counts_the_updates_of_both_optimizers():
    model = new_model(beta=LinearAnnealing(10, 1.0))
    for pass_number in (0, 3, 3):
        model.train_step(batch(pass_number))
    model.reset_metrics()
    logs = model.train_step(batch(1))
    assert float(logs["weighted_kl"]) == pytest.approx(0.3 * float(logs["kl"]), rel=1e-5)


def test_a_restored_run_continues_bit_for_bit(tmp_path):
    # Alternating training under the composite prior: tests/end_to_end/test_model_contract.py.
    straight, resumed = (new_model(prior=VampPrior(5), alternating=False) for _ in range(2))
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=straight), tmp_path, max_to_keep=None)
    save = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: manager.save())
    losses = fit(straight, 2, callbacks=[save])
    tf.train.Checkpoint(model=resumed).restore(manager.checkpoints[0]).assert_consumed()
    resumed_losses = fit(resumed, 2, first_epoch=1)
    assert_same(state(resumed), state(straight))
    for name in losses:
        assert resumed_losses[name] == losses[name][1:]


def test_a_saved_model_has_both_optimizers_and_trains_on(tmp_path):
    model = new_model(beta=LinearAnnealing(100, 0.5))
    fit(model, 1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert_same(state(loaded), state(model))
    fit(model, 2, first_epoch=1)
    fit(loaded, 2, first_epoch=1)
    assert_same(state(loaded), state(model))


def test_the_cache_is_in_no_checkpoint(tmp_path):
    path = tf.train.Checkpoint(model=new_model()).save(str(tmp_path / "checkpoint"))
    shapes = [shape for _, shape in tf.train.list_variables(path)]
    assert shapes
    assert not [shape for shape in shapes if NUM_USERS in shape]


@pytest.mark.parametrize("options", [{"encoder": MLPEncoder}, {"dtype": "mixed_bfloat16"}])
def test_other_encoders_and_precisions_train(options):
    losses = fit(new_model(**{name: v() if callable(v) else v for name, v in options.items()}), 3)
    assert losses["decoder_nll"][-1] < losses["decoder_nll"][0]


def test_phases_have_names():
    model = new_model()
    assert [model.phase(n) for n in (0, 2, 3)] == [
        "encoder pass 1 of 3",
        "encoder pass 3 of 3",
        "decoder pass 1 of 1",
    ]
    assert new_model(alternating=False).phase(0) == "joint pass"


def test_a_model_is_built_with_every_argument():
    model = RecVAE(
        20,
        encoder=DenseEncoder((8, 8), 4, layer_norm_epsilon=0.1),
        prior=CompositePrior((0.2, 0.3, 0.5), first_old_encoder="random", prior_cache_bytes=7),
        likelihood=LogisticLikelihood(),
        beta=ConstantBeta(0.3),
        dropout_rate=0.25,
        alternating=False,
        decoder_denoising=True,
        num_encoder_passes=2,
        num_decoder_passes=4,
        seed=3,
        dtype="mixed_bfloat16",
    )
    twin = RecVAE.from_config(model.get_config())
    assert twin.get_config() == model.get_config()
    for one in (model, twin):
        assert isinstance(one.likelihood, LogisticLikelihood)
        assert (one.dropout_rate, one.alternating, one.decoder_denoising) == (0.25, False, True)
        assert (one.num_encoder_passes, one.num_decoder_passes, one.seed) == (2, 4, 3)
        assert (one.beta.constant_beta, one.encoder.layer_norm_epsilon) == (0.3, 0.1)
        assert tuple(one.prior.mixture_weights) == (0.2, 0.3, 0.5)
        assert (one.prior.first_old_encoder, one.prior.prior_cache_bytes) == ("random", 7)
        assert one.dtype_policy.name == one.decoder.dtype_policy.name == "mixed_bfloat16"
    assert_same(values(twin.variables), values(model.variables))


@pytest.mark.parametrize(("learning_rate", "expected"), [(None, 5e-4), (0.01, 0.01)])
def test_both_optimizers_have_the_settings_of_one(learning_rate, expected):
    model = RecVAE(20, encoder=DenseEncoder((8,), 4))
    model.compile(TrainingConfig(learning_rate=learning_rate).new_optimizer(model.default_learning_rate))
    for optimizer in (model.optimizer, model.decoder_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(expected)
        assert optimizer.epsilon == 1e-8
    assert model.optimizer is not model.decoder_optimizer


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"encoder": "convolutional"},
            "encoder is 'convolutional'; it must be an object, such as DenseEncoder()",
        ),
        ({"prior": "flat"}, "prior is 'flat'; it must be an object, such as CompositePrior()"),
        ({"beta": "annealed"}, "beta is 'annealed'; it must be a schedule, such as ConstantBeta(0.2)"),
        ({"num_encoder_passes": 0}, "num_encoder_passes is 0; it must be at least 1"),
        ({"num_decoder_passes": 0}, "num_decoder_passes is 0; it must be at least 1"),
        ({"dropout_rate": 1.0}, "dropout_rate is 1.0; it must be at least 0 and less than 1"),
    ],
)
def test_bad_options_are_named(option, message):
    with pytest.raises(SettingError) as error:
        new_model(**option)
    assert str(error.value) == message
