"""The priors against slow, obvious NumPy versions and values worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from multvae_tf import SettingError
from recvae_tf import (
    CompositePrior,
    DenseEncoder,
    GaussianPrior,
    MixturePrior,
    MLPEncoder,
    RealNVPPrior,
    VampPrior,
)
from recvae_tf.flow import AffineCoupling
from recvae_tf.prior import PosteriorCache

RNG = np.random.default_rng(11)
Z = RNG.normal(size=(6, 4)).astype(np.float32)
OLD = tuple(RNG.normal(size=(6, 4)).astype(np.float32) for _ in range(2))


def built_encoder(num_items, *arguments, seed=0, **options):
    encoder = DenseEncoder(*arguments, **options)
    encoder.build_for(num_items, seed, keras.config.dtype_policy())
    return encoder


def built(prior, latent_dim=4, num_items=9, seed=0):
    """The prior with its weights, for an encoder to z of this size."""
    prior.build_for(built_encoder(num_items, (5, 5), latent_dim), num_items, seed)
    return prior


def density(z, mean, log_var):
    variance = np.exp(np.float64(log_var))
    return np.exp(-((z - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def composite_density(z, old_mean, old_log_var, weights):
    return (
        weights[0] * density(z, 0, 0)
        + weights[1] * density(z, old_mean, old_log_var)
        + weights[2] * density(z, 0, 10)
    )


@pytest.mark.parametrize("weights", [(3 / 20, 3 / 4, 1 / 10), (0.5, 0.2, 0.3)])
def test_composite_equals_the_oracle(weights):
    log_prob, shares = CompositePrior(weights).log_prob(Z, OLD, None)
    np.testing.assert_allclose(log_prob, np.log(composite_density(Z, *OLD, weights)).sum(axis=1), rtol=1e-5)
    total = composite_density(Z, *OLD, weights)
    expected = [
        np.mean(w * d / total)
        for w, d in zip(weights, (density(Z, 0, 0), density(Z, *OLD), density(Z, 0, 10)), strict=True)
    ]
    np.testing.assert_allclose(list(shares.values()), expected, rtol=1e-5)


def test_composite_by_hand():
    # At z = 0 under an old posterior N(0, 1): (0.15 + 0.75 + 0.1 e^-5) / sqrt(2 pi).
    log_prob, _ = CompositePrior().by_dimension(tf.zeros([1, 1]), (tf.zeros([1, 1]), tf.zeros([1, 1])))
    assert float(log_prob[0, 0]) == pytest.approx(np.log(0.9 + 0.1 * np.exp(-5)) - 0.9189385, abs=1e-6)


def test_far_from_both_narrow_gaussians_the_wide_one_remains():
    z = tf.fill([1, 1], 200.0)
    log_prob, shares = CompositePrior().by_dimension(z, (tf.zeros([1, 1]), tf.zeros([1, 1])))
    wide = np.log(0.1) - 0.5 * (10 + np.log(2 * np.pi) + 200.0**2 * np.exp(-10))
    assert float(log_prob[0, 0]) == pytest.approx(wide, rel=1e-6)
    np.testing.assert_allclose(shares, [0, 0, 1], atol=1e-6)


def test_gaussian_by_hand():
    log_prob, _ = GaussianPrior().log_prob(tf.constant([[0.0, 0.0], [1.0, 2.0]]), None, None)
    np.testing.assert_allclose(log_prob, [-1.8378771, -1.8378771 - 2.5], rtol=1e-6)


def test_mixture_equals_the_oracle():
    prior = built(MixturePrior(3), seed=2)
    means, log_vars, logits = (RNG.normal(size=v.shape).astype(np.float32) for v in prior.weights)
    for variable, value in zip(prior.weights, (means, log_vars, logits), strict=True):
        variable.assign(value)
    weights = np.exp(logits) / np.exp(logits).sum()
    parts = np.stack(
        [w * density(Z, m, s).prod(axis=1) for w, m, s in zip(weights, means, log_vars, strict=True)], axis=1
    )
    log_prob, reports = prior.log_prob(Z, None, None)
    np.testing.assert_allclose(log_prob, np.log(parts.sum(axis=1)), rtol=1e-5)
    shares = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(reports["largest_share"], shares.max(), rtol=1e-5)


def test_mixture_by_hand():
    # Two equal components at +-1 with variance 1, z = 0: both have density N(1; 0, 1).
    prior = built(MixturePrior(2), latent_dim=1)
    prior.means.assign([[1.0], [-1.0]])
    log_prob, reports = prior.log_prob(tf.zeros([1, 1]), None, None)
    assert float(log_prob[0]) == pytest.approx(-0.9189385 - 0.5, abs=1e-6)
    assert float(reports["largest_share"]) == pytest.approx(0.5)


def test_vamp_is_the_mean_of_the_posteriors_of_its_pseudo_inputs():
    encoder = built_encoder(30, (8, 8), 4, seed=5)
    prior = VampPrior(3)
    prior.build_for(encoder, 30, seed=6)
    inputs = prior.pseudo_inputs.numpy()
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    means, log_vars = encoder.encode_dense(tf.constant(inputs))
    parts = [density(Z, m, s).prod(axis=1) / 3 for m, s in zip(means.numpy(), log_vars.numpy(), strict=True)]
    log_prob, _ = prior.log_prob(Z, None, encoder)
    np.testing.assert_allclose(log_prob, np.log(np.sum(parts, axis=0)), rtol=1e-5)


def flow_with_random_weights(latent_dim):
    prior = built(RealNVPPrior(num_couplings=3, coupling_dim=6), latent_dim, seed=7)
    for variable in prior.trainable_variables:
        variable.assign(RNG.normal(0, 0.5, size=variable.shape))
    return prior


@pytest.mark.parametrize("latent_dim", [4, 5])
def test_flow_log_determinant_equals_that_of_its_jacobian(latent_dim):
    prior = flow_with_random_weights(latent_dim)
    z = tf.constant(RNG.normal(size=(3, latent_dim)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        base, log_determinant = prior.to_base(z)
    sign, expected = np.linalg.slogdet(tape.batch_jacobian(base, z))
    assert (sign == 1).all()
    np.testing.assert_allclose(log_determinant, expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_flow_can_be_inverted():
    prior = flow_with_random_weights(4)
    z, _ = prior.to_base(Z)
    for coupling in reversed(prior.couplings):
        s, t = coupling.scale_and_shift(z)  # of the masked dimensions, which the coupling leaves alone
        z = (z - t) * np.exp(-s)
    np.testing.assert_allclose(z, Z, atol=1e-5)


def test_flow_is_a_density():
    # One dimension of two conditioned on the other; the grid's error is far below 1e-3.
    prior = flow_with_random_weights(2)
    axis = np.linspace(-12, 12, 601, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    log_prob, _ = prior.log_prob(grid, None, None)
    assert np.exp(log_prob).sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-3)


def test_new_flow_is_the_standard_gaussian():
    np.testing.assert_allclose(
        built(RealNVPPrior()).log_prob(Z, None, None)[0],
        GaussianPrior().log_prob(Z, None, None)[0],
        rtol=1e-6,
    )


PRIORS = [
    CompositePrior((0.2, 0.3, 0.5), first_old_encoder="random", prior_cache_bytes=7),
    GaussianPrior(),
    MixturePrior(3),
    VampPrior(2),
    RealNVPPrior(2, 5),
]


@pytest.mark.parametrize(
    "layer", [*PRIORS, DenseEncoder((5, 5), 3, layer_norm_epsilon=0.1), MLPEncoder((5,))]
)
def test_descriptions_survive_serialisation(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_a_prior_has_the_weights_of_its_seed(prior):
    one, same, other = (built(type(prior).from_config(prior.get_config()), seed=s) for s in (1, 1, 2))
    for a, b in zip(one.weights, same.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    drawn = [
        (a.numpy(), b.numpy())
        for a, b in zip(one.trainable_weights, other.trainable_weights, strict=True)
        if np.ptp(a.numpy()) > 0
    ]
    assert len(drawn) == {"MixturePrior": 1, "VampPrior": 1, "RealNVPPrior": 2}.get(type(one).__name__, 0)
    assert all(np.any(a != b) for a, b in drawn)


def test_couplings_survive_serialisation():
    layer = AffineCoupling(4, 6, 1, seed=2)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    for one, other in zip(copy.weights, layer.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *(
            (
                lambda weights=weights: CompositePrior(weights),
                f"mixture_weights is {weights}; it must be three positive numbers with sum 1",
            )
            for weights in ((0.5, 0.5), (0.5, 0.6, -0.1), (0.5, 0.5, 0.5))
        ),
        (
            lambda: CompositePrior(first_old_encoder="thesis"),
            "first_old_encoder is 'thesis'; it must be initial or random",
        ),
        (
            lambda: CompositePrior(prior_cache_bytes=-1),
            "prior_cache_bytes is -1; it must be at least 0",
        ),
        (lambda: MixturePrior(0), "num_components is 0; it must be at least 1"),
        (lambda: VampPrior(0), "num_components is 0; it must be at least 1"),
        (lambda: RealNVPPrior(0), "num_couplings is 0; it must be at least 1"),
        (lambda: RealNVPPrior(1, 0), "coupling_dim is 0; it must be at least 1"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(SettingError) as error:
        make()
    assert str(error.value) == message


def test_cache_returns_what_was_written_and_nan_otherwise():
    cache = PosteriorCache(num_users=5, latent_dim=4)
    cache.write(tf.constant([3, 0], tf.int64), Z[:2], Z[2:4])
    z_mean, z_log_var = cache.read(tf.constant([0, 1, 3], tf.int64))
    np.testing.assert_array_equal(z_mean, [Z[1], np.full(4, np.nan), Z[0]])
    np.testing.assert_array_equal(z_log_var, [Z[3], np.full(4, np.nan), Z[2]])
    assert PosteriorCache.num_bytes(116_677, 200) == 186_683_200
