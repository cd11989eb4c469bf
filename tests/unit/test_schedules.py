"""beta at hand-computed steps."""

import keras
import pytest
import tensorflow as tf

from multvae_tf.schedules import ConstantBeta, LinearAnnealing

COUNTS = tf.constant([5.0, 10.0])


@pytest.mark.parametrize(("step", "beta"), [(0, 0.0), (1, 5e-6), (20_000, 0.1), (40_000, 0.2), (46_799, 0.2)])
def test_linear_annealing_of_the_paper(step, beta):
    schedule = LinearAnnealing(total_anneal_steps=200_000, anneal_cap=0.2)
    assert float(schedule(tf.constant(step, tf.int64), COUNTS)) == pytest.approx(beta)


def test_zero_anneal_steps_mean_the_cap_at_once():
    assert float(LinearAnnealing(0, 0.3)(tf.constant(0, tf.int64), COUNTS)) == pytest.approx(0.3)


def test_constant():
    assert float(ConstantBeta(0.7)(tf.constant(9, tf.int64), COUNTS)) == pytest.approx(0.7)


@pytest.mark.parametrize("schedule", [ConstantBeta(0.7), LinearAnnealing(10, 0.2)])
def test_serialisation(schedule):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(copy) is type(schedule)
    assert copy.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConstantBeta(-0.1), "beta is -0.1"),
        (lambda: LinearAnnealing(-1, 0.2), "total_anneal_steps is -1"),
        (lambda: LinearAnnealing(1, float("nan")), "anneal_cap is nan"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
