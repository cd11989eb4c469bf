"""Likelihood and KL against hand-worked values and the oracle; the gradient against numerical differences."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

import oracle
from interactions import as_interactions
from multvae_tf import (
    GaussianLikelihood,
    LogisticLikelihood,
    MultDAE,
    MultinomialLikelihood,
    MultVAE,
    SettingError,
    losses,
)
from recvae_tf import RecVAE

LIKELIHOODS = {
    "multinomial": (MultinomialLikelihood(), losses.multinomial_nll),
    "gaussian": (GaussianLikelihood(3.0), lambda x, logits: losses.gaussian_nll(x, logits, 3.0)),
    "logistic": (LogisticLikelihood(), losses.logistic_nll),
}


def test_nll_of_uniform_logits_is_count_times_log_items():
    x = scipy.sparse.csr_matrix(np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], np.float32))
    nll = losses.multinomial_nll(as_interactions(x), tf.zeros([3, 4]))
    np.testing.assert_allclose(nll, np.array([2, 0, 4]) * np.log(4), rtol=1e-6)


@pytest.mark.parametrize("shape", [(6, 50), (300, 200)], ids=["few", "more positives than one multiple"])
def test_nll_and_its_gradient_equal_the_oracle(shape):
    rng = np.random.default_rng(0)
    x = (rng.random(shape) < 0.2).astype(np.float32)
    x[2] = 0
    logits = rng.normal(0, 3, shape).astype(np.float32)
    weights = rng.random(shape[0]).astype(np.float32)
    with tf.GradientTape() as tape:
        variable = tf.Variable(logits)
        nll = losses.multinomial_nll(as_interactions(scipy.sparse.csr_matrix(x)), variable)
        weighted = tf.reduce_sum(weights * nll)
    np.testing.assert_allclose(nll, oracle.multinomial_nll(x, logits.astype(np.float64)), rtol=1e-5)
    softmax = np.exp(oracle.log_softmax(logits.astype(np.float64)))
    expected = weights[:, None] * (x.sum(axis=1, keepdims=True) * softmax - x)
    np.testing.assert_allclose(tape.gradient(weighted, variable), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "likelihood",
    [GaussianLikelihood(positive_weight=4.0), LogisticLikelihood()],
    ids=["gaussian", "logistic"],
)
def test_other_likelihoods_and_their_gradients_equal_numpy(likelihood):
    rng = np.random.default_rng(3)
    x = (rng.random((6, 50)) < 0.2).astype(np.float32)
    x[2] = 0
    logits = rng.normal(0, 3, (6, 50)).astype(np.float32)
    f = logits.astype(np.float64)
    if isinstance(likelihood, GaussianLikelihood):
        weights = np.where(x > 0, 4.0, 1.0)
        expected = (weights * (x - f) ** 2 / 2).sum(axis=1)
        expected_gradient = weights * (f - x)
    else:
        sigmoid = 1 / (1 + np.exp(-f))
        expected = -(x * np.log(sigmoid) + (1 - x) * np.log(1 - sigmoid)).sum(axis=1)
        expected_gradient = sigmoid - x
    with tf.GradientTape() as tape:
        variable = tf.Variable(logits)
        nll = likelihood.nll(as_interactions(scipy.sparse.csr_matrix(x)), variable)
    np.testing.assert_allclose(nll, expected, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(nll, variable), expected_gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model_class", [MultVAE, MultDAE, RecVAE])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_models_train_under_their_likelihood(model_class, name):
    likelihood, nll = LIKELIHOODS[name]
    model = model_class(50, likelihood=likelihood)
    x = as_interactions(scipy.sparse.random(6, 50, 0.2, "csr", random_state=4))
    z = tf.constant(np.random.default_rng(5).normal(size=(6, model.latent_dim)), tf.float32)
    np.testing.assert_array_equal(model.nll_at(z, x), nll(x, model.decode(z)))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_survive_serialisation(name):
    likelihood, _ = LIKELIHOODS[name]
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(likelihood))
    assert type(copy) is type(likelihood)
    assert copy.get_config() == likelihood.get_config()


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_of_the_positives_that_is_not_a_positive_number_is_refused(weight):
    with pytest.raises(SettingError) as error:
        GaussianLikelihood(positive_weight=weight)
    assert str(error.value) == f"positive_weight is {weight}; it must be a number greater than 0"


def test_nll_is_finite_for_extreme_logits():
    x = scipy.sparse.csr_matrix(np.array([[1, 0, 0]], np.float32))
    nll = losses.multinomial_nll(as_interactions(x), tf.constant([[-1e4, 1e4, 0.0]]))
    np.testing.assert_allclose(nll, [2e4], rtol=1e-6)


def test_kl_at_hand_values():
    # sigma^2 = e: (e + 1 - 1 - 1) / 2 per dimension with mu = 1.
    kl = losses.gaussian_kl(tf.ones([1, 3]), tf.ones([1, 3]))
    np.testing.assert_allclose(kl, [3 * (np.e - 1) / 2], rtol=1e-6)
    np.testing.assert_allclose(losses.gaussian_kl(tf.zeros([2, 3]), tf.zeros([2, 3])), [0, 0])


def test_kl_equals_the_oracle():
    rng = np.random.default_rng(1)
    mean, log_var = rng.normal(size=(2, 5, 8))
    np.testing.assert_allclose(
        losses.gaussian_kl(mean, log_var), oracle.gaussian_kl(mean, log_var), rtol=1e-12
    )


def test_kl_equals_a_monte_carlo_estimate():
    # 200,000 draws, seed 2: four standard errors of the estimate.
    rng = np.random.default_rng(2)
    mean, log_var = np.array([[0.5, -1.0]]), np.array([[-0.7, 0.4]])
    z = mean + np.exp(0.5 * log_var) * rng.normal(size=(200_000, 2))
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_var) + log_var).sum(axis=1)
    log_p = -0.5 * (z**2).sum(axis=1)
    estimate, error = np.mean(log_q - log_p), np.std(log_q - log_p) / np.sqrt(len(z))
    assert abs(float(losses.gaussian_kl(mean, log_var)[0]) - estimate) < 4 * error
