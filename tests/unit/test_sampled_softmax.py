"""The sampled softmax against the exact one, and what the candidates must be."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from interactions import as_interactions, random_interactions
from multvae_tf import MultDAE, MultinomialLikelihood, MultVAE, SettingError, losses, sampled_softmax
from multvae_tf.batches import training_batches
from recvae_tf import DenseEncoder, RecVAE

NUM_ITEMS, HIDDEN = 60, 5
X = random_interactions(6, NUM_ITEMS, 0.08, seed=0)
X = scipy.sparse.vstack([X, scipy.sparse.csr_matrix((1, NUM_ITEMS), dtype=np.float32)]).tocsr()
NUM_OTHERS = NUM_ITEMS - len(np.unique(X.indices))
RNG = np.random.default_rng(1)
H, KERNEL, BIAS = (
    tf.Variable(RNG.normal(size=size), dtype=tf.float32)
    for size in ([7, HIDDEN], [HIDDEN, NUM_ITEMS], [NUM_ITEMS])
)
MODELS = {
    "multvae": lambda likelihood: MultVAE(NUM_ITEMS, hidden_dims=(8,), latent_dim=4, likelihood=likelihood),
    "multdae": lambda likelihood: MultDAE(NUM_ITEMS, hidden_dims=(8,), latent_dim=4, likelihood=likelihood),
    "recvae": lambda likelihood: RecVAE(
        NUM_ITEMS, encoder=DenseEncoder((8, 8), 4), alternating=False, likelihood=likelihood
    ),
}


_draw = tf.function(sampled_softmax.draw_candidates, reduce_retracing=True)


def draw(ids, num_sampled_items, seed=(3, 4), num_items=NUM_ITEMS):
    sizes = tf.constant(num_items), tf.constant(num_sampled_items)
    return _draw(tf.constant(ids, tf.int32), *sizes, tf.constant(seed, tf.int64))


def sampled_nll(candidates):
    kernel, bias = (sampled_softmax.columns(w, candidates.items) for w in (KERNEL, BIAS))
    return sampled_softmax.sampled_nll(as_interactions(X), H @ kernel + bias, candidates)


def gradients(nll_function):
    """The losses, and the gradients of their sum weighted by user for the input, the kernel and the bias."""
    with tf.GradientTape() as tape:
        nll = nll_function()
        weighted = tf.reduce_sum(nll * tf.range(1.0, 8.0))
    return [nll, *tape.gradient(weighted, [H, KERNEL, BIAS])]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.lists(st.integers(0, 39), max_size=60), st.integers(1, 60), st.integers(0, 99))
def test_candidates_are_the_batchs_items_and_distinct_others(num_items, ids, num_sampled_items, seed):
    ids = [i % num_items for i in ids]
    items, log_weights, num_own = draw(ids, num_sampled_items, (seed, 0), num_items)
    own, others = np.split(items.numpy(), [int(num_own)])
    assert own.tolist() == sorted(set(ids))
    assert len(others) == min(num_sampled_items, num_items - len(own))
    assert sorted({*others} - {*own}) == others.tolist()
    assert not len(items) or 0 <= min(items) <= max(items) < num_items
    weights = np.exp(log_weights)
    assert (weights[: len(own)] == 1).all()
    if len(others):
        np.testing.assert_allclose(weights.sum(), num_items, rtol=1e-6)
        assert np.ptp(weights[len(own) :]) < 1.001


def test_the_draw_is_a_function_of_the_seed_and_the_set_of_items():
    items = draw([5, 9, 9, 30], 10).items
    np.testing.assert_array_equal(items, draw([30, 9, 5, 5, 5], 10).items)
    assert np.any(items != draw([5, 9, 9, 30], 10, seed=(3, 5)).items)
    assert np.any(items != draw([5, 9, 9, 30], 10, seed=(2, 4)).items)


def test_every_other_item_is_drawn_with_probability_one_over_its_weight():
    # 2,000 draws of 4 of 11 items, strata of 2, 3, 3 and 3; five standard errors of a frequency are .056.
    counts = np.zeros(13)
    for seed in range(2_000):
        counts[draw([3, 7], 4, (seed, 0), 13).items.numpy()] += 1
    expected = 1 / np.array([2, 2, 3, 1, 3, 3, 3, 1, 3, 3, 3, 3, 3])
    np.testing.assert_allclose(counts / 2_000, expected, atol=0.056)


def test_the_normalizers_estimate_is_unbiased_and_its_logarithm_too_low():
    # 3,000 draws of 6 items: four standard errors of the mean, for each user.
    logits = (H @ KERNEL + BIAS).numpy().astype(np.float64)
    estimates = []
    for seed in range(3_000):
        items, log_weights, _ = draw(X.indices, 6, (seed, 0))
        estimates.append(np.exp(logits[:, items.numpy()] + log_weights.numpy()).sum(axis=1))
    exact, errors = np.exp(logits).sum(axis=1), np.std(estimates, axis=0) / np.sqrt(3_000)
    assert np.all(np.abs(np.mean(estimates, axis=0) - exact) < 4 * errors)
    assert np.all(np.mean(np.log(estimates), axis=0) < np.log(exact) - 4 * errors / exact)


@pytest.mark.parametrize("num_sampled_items", [NUM_OTHERS, NUM_OTHERS + 1, 10 * NUM_ITEMS])
def test_with_all_items_drawn_it_is_the_exact_loss_with_its_gradients(num_sampled_items):
    exact = gradients(lambda: losses.multinomial_nll(as_interactions(X), H @ KERNEL + BIAS))
    sampled = gradients(lambda: sampled_nll(draw(X.indices, num_sampled_items)))
    for ours, expected in zip(sampled, exact, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-5)


def test_the_kernels_gradient_is_that_of_a_gather_and_zero_elsewhere():
    candidates = draw(X.indices, 6)

    def plain():
        kernel, bias = (tf.gather(tf.convert_to_tensor(w), candidates.items, axis=-1) for w in (KERNEL, BIAS))
        return sampled_softmax.sampled_nll(as_interactions(X), H @ kernel + bias, candidates)

    ours, expected = gradients(lambda: sampled_nll(candidates)), gradients(plain)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(one, tf.convert_to_tensor(other), rtol=1e-6, atol=1e-6)
    nonzero = np.flatnonzero(np.any(ours[2].numpy() != 0, axis=0))
    np.testing.assert_array_equal(nonzero, np.sort(candidates.items))


def test_a_user_without_items_has_no_loss_and_no_gradient():
    nll, h_gradient, *_ = gradients(lambda: sampled_nll(draw(X.indices, 6)))
    assert nll[-1] == 0
    np.testing.assert_array_equal(h_gradient[-1], np.zeros(HIDDEN))
    assert np.all(np.isfinite(nll))


@pytest.mark.parametrize("new_model", MODELS.values(), ids=MODELS)
def test_an_update_with_all_items_drawn_is_the_exact_update(new_model):
    batch = next(iter(training_batches(X, X.shape[0], seed=0)))
    losses_of, weights = [], []
    for num_sampled_items in (0, NUM_ITEMS):
        model = new_model(MultinomialLikelihood(num_sampled_items))
        model.compile(keras.optimizers.SGD(0.1))
        losses_of.append(float(tf.function(model.train_step)(batch)["loss"]))
        weights.append([variable.numpy() for variable in model.trainable_variables])
    assert losses_of[0] == pytest.approx(losses_of[1], rel=1e-6)
    for exact, sampled in zip(*weights, strict=True):
        np.testing.assert_allclose(sampled, exact, rtol=1e-5, atol=1e-6)


def test_an_update_makes_nothing_of_the_size_of_users_times_items():
    batch = next(iter(training_batches(X, 3, seed=0)))

    def has_logits_of_all_items(num_sampled_items):
        model = MODELS["multvae"](MultinomialLikelihood(num_sampled_items))
        model.compile()
        step = tf.function(model.train_step)
        operations = step.get_concrete_function(batch).graph.get_operations()
        shapes = [output.shape for operation in operations for output in operation.outputs]
        return any(s.rank == 2 and s[0] in (None, 3) and s[1] == NUM_ITEMS for s in shapes)

    assert has_logits_of_all_items(0)
    assert not has_logits_of_all_items(6)


def test_a_negative_number_of_sampled_items_is_refused():
    with pytest.raises(SettingError) as error:
        MultinomialLikelihood(num_sampled_items=-1)
    assert str(error.value) == "num_sampled_items is -1; it must be at least 0"


@pytest.mark.parametrize("likelihood", [losses.LogisticLikelihood, losses.GaussianLikelihood])
def test_the_other_likelihoods_know_no_sampled_items(likelihood):
    with pytest.raises(TypeError):
        likelihood(num_sampled_items=9)
    assert likelihood().num_sampled_items == 0
