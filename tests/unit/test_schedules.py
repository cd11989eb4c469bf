"""beta at hand-computed steps, and what of a schedule depends on the run."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from multvae_tf import (
    ConstantBeta,
    CyclicalAnnealing,
    LinearAnnealing,
    MultVAE,
    PerUserBeta,
    SettingError,
)
from recvae_tf import RecVAE

COUNTS = tf.constant([5.0, 10.0])


@pytest.mark.parametrize(("step", "beta"), [(0, 0.0), (1, 5e-6), (20_000, 0.1), (40_000, 0.2), (46_799, 0.2)])
def test_linear_annealing_of_the_paper(step, beta):
    schedule = LinearAnnealing(total_anneal_steps=200_000, anneal_cap=0.2)
    assert float(schedule(tf.constant(step, tf.int64), COUNTS)) == pytest.approx(beta)


def test_zero_anneal_steps_mean_the_cap_at_once():
    assert float(LinearAnnealing(0, 0.3)(tf.constant(0, tf.int64), COUNTS)) == pytest.approx(0.3)


def test_constant():
    assert float(ConstantBeta(0.7)(tf.constant(9, tf.int64), COUNTS)) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("step", "ramp", "clip"),
    # 100 updates in 10 cycles of 10, growing in the first 5 of each.
    [(0, 0, 0), (1, 0.04, 0.2), (4, 0.16, 0.2), (5, 0.2, 0.2), (9, 0.2, 0.2), (10, 0, 0), (92, 0.08, 0.2)],
)
def test_cyclical_annealing(step, ramp, clip):
    for kind, beta in (("ramp", ramp), ("clip", clip)):
        schedule = CyclicalAnnealing(100, anneal_cap=0.2, cyclical_cap=kind)
        assert float(schedule(tf.constant(step, tf.int64), COUNTS)) == pytest.approx(beta)


def test_cycles_need_not_be_whole_numbers_of_updates():
    # 10 updates in 4 cycles of 2.5: update 6 is at 6 / 2.5 = 2.4, that is 0.4 of its cycle.
    schedule = CyclicalAnnealing(10, num_cycles=4, cycle_ramp=0.8)
    assert float(schedule(tf.constant(6, tf.int64), COUNTS)) == pytest.approx(0.5)


def test_both_readings_of_a_cap_of_one_are_the_same():
    schedules = [CyclicalAnnealing(100, cyclical_cap=kind) for kind in ("ramp", "clip")]
    for step in range(100):
        first, second = (float(s(tf.constant(step, tf.int64), COUNTS)) for s in schedules)
        assert first == second


def test_per_user():
    np.testing.assert_allclose(PerUserBeta(0.005)(tf.constant(7, tf.int64), COUNTS), [0.025, 0.05], rtol=1e-6)


@pytest.mark.parametrize(
    "schedule",
    [
        ConstantBeta(0.7),
        LinearAnnealing(10, 0.2),
        PerUserBeta(0.1),
        CyclicalAnnealing(9, 3, 0.4, 0.2, "clip"),
    ],
)
def test_serialisation(schedule):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(copy) is type(schedule)
    assert copy.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConstantBeta(-0.1), "constant_beta is -0.1; it must be at least 0"),
        (lambda: LinearAnnealing(-1, 0.2), "total_anneal_steps is -1; it must be at least 0"),
        (lambda: LinearAnnealing(1, float("nan")), "anneal_cap is nan; it must be at least 0"),
        (lambda: LinearAnnealing(1, float("inf")), "anneal_cap is inf; it must be at least 0"),
        (lambda: PerUserBeta(-1.0), "gamma is -1.0; it must be at least 0"),
        (lambda: CyclicalAnnealing(0), "cyclical_steps is 0; it must be at least 1"),
        (lambda: CyclicalAnnealing(9, 0), "num_cycles is 0; it must be at least 1"),
        (
            lambda: CyclicalAnnealing(9, cycle_ramp=0.0),
            "cycle_ramp is 0.0; it must be greater than 0 and at most 1",
        ),
        (
            lambda: CyclicalAnnealing(9, cycle_ramp=1.5),
            "cycle_ramp is 1.5; it must be greater than 0 and at most 1",
        ),
        (
            lambda: CyclicalAnnealing(9, cyclical_cap="cut"),
            "cyclical_cap is cut; it must be ramp or clip",
        ),
        (
            lambda: CyclicalAnnealing(9, anneal_cap=None),
            "anneal_cap is None; it must be a number, at least 0, unless beta is annealed linearly",
        ),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(SettingError) as error:
        make()
    assert str(error.value) == message
    assert error.value.field == message.split()[0]


# 70 epochs over 1,000 users in batches of 500: 2 updates a pass.
def filled_in(model):
    """The schedule of a model of which the number of updates is known."""
    model.prepare_training(1_000, model.num_updates(1_000, 500, 70))
    return model.beta


def test_steps_left_open_reach_the_cap_after_six_sevenths_of_the_updates():
    schedule = filled_in(MultVAE(20, beta=LinearAnnealing(None, 0.2)))
    assert schedule.total_anneal_steps * 0.2 == pytest.approx(120)
    assert schedule.anneal_cap == 0.2


def test_a_cap_left_open_is_searched_by_annealing_to_one():
    schedule = filled_in(MultVAE(20, beta=LinearAnnealing(None, None)))
    assert schedule.get_config() == {"total_anneal_steps": 120, "anneal_cap": None}
    assert schedule.with_cap(1.0).get_config() == {"total_anneal_steps": 120, "anneal_cap": 1.0}


@pytest.mark.parametrize(
    ("schedule", "field", "who"),
    [
        (LinearAnnealing(None, 0.2), "total_anneal_steps", "train"),
        (LinearAnnealing(9, None), "anneal_cap", "train"),
        (CyclicalAnnealing(), "cyclical_steps", "fit"),
    ],
)
def test_a_value_left_open_has_no_beta(schedule, field, who):
    with pytest.raises(SettingError) as error:
        schedule(tf.constant(0, tf.int64), COUNTS)
    assert str(error.value) == f"{field} is None; it must be a number in an update; `{who}` fills it in"


@pytest.mark.parametrize(
    ("model", "updates"),
    [
        (MultVAE(20, beta=CyclicalAnnealing()), 140),
        (RecVAE(20, beta=CyclicalAnnealing()), 560),
        (RecVAE(20, beta=CyclicalAnnealing(), alternating=False), 280),
        (RecVAE(20, beta=CyclicalAnnealing(), num_encoder_passes=5, num_decoder_passes=2), 980),
    ],
)
def test_cycles_left_open_fill_the_updates_of_all_optimizers(model, updates):
    assert filled_in(model).cyclical_steps == updates


@pytest.mark.parametrize(
    "schedule",
    [
        ConstantBeta(0.3),
        PerUserBeta(0.01),
        LinearAnnealing(9, 0.3),
        CyclicalAnnealing(140, anneal_cap=0.3, cyclical_cap="clip"),
    ],
)
@pytest.mark.parametrize("model_class", [MultVAE, RecVAE])
def test_a_schedule_that_leaves_nothing_open_stays_as_it_is(model_class, schedule):
    assert filled_in(model_class(20, beta=schedule)) is schedule
