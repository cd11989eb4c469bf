"""RecVAE's encoders: their layers, their initial weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from interactions import as_interactions, random_interactions
from multvae_tf import SettingError
from multvae_tf.layers import l2_normalize
from recvae_tf import DenseEncoder, MLPEncoder
from recvae_tf.encoder import torch_linear

MATRIX = random_interactions(num_users=6, num_items=30, density=0.2, seed=3)
ROWS = l2_normalize(as_interactions(MATRIX))
DENSE = MATRIX.toarray() / np.sqrt(np.maximum(MATRIX.sum(axis=1), 1))


def built(encoder, num_items=30, seed=0):
    encoder.build_for(num_items, seed, keras.config.dtype_policy())
    return encoder


@pytest.mark.parametrize("encoder_class", [DenseEncoder, MLPEncoder])
def test_sparse_and_dense_inputs_give_the_same_posterior(encoder_class):
    encoder = built(encoder_class((8, 8), 4), seed=1)
    dense = encoder.encode_dense(tf.constant(DENSE, tf.float32))
    for sparse_part, dense_part in zip(encoder(ROWS), dense, strict=True):
        np.testing.assert_allclose(sparse_part, dense_part, atol=1e-6)


def test_mlp_encoder_equals_numpy():
    encoder = built(MLPEncoder((8,), 4), seed=2)
    first_kernel, first_bias, kernel, bias = (v.numpy() for v in encoder.variables)
    output = np.tanh(DENSE @ first_kernel + first_bias) @ kernel + bias
    z_mean, z_log_var = encoder(ROWS)
    np.testing.assert_allclose(z_mean, output[:, :4], atol=1e-6)
    np.testing.assert_allclose(z_log_var, output[:, 4:], atol=1e-6)


def test_linear_layers_start_uniform_within_one_over_root_fan_in():
    # 400 x 100 draws of U(-.05, .05): standard deviation .05 / sqrt(3), its relative error about 0.3%.
    layer = torch_linear(400, 100, seed=3)
    for weights in (layer.kernel.numpy(), layer.bias.numpy()):
        assert 0.045 < np.abs(weights).max() <= 0.05
    assert np.std(layer.kernel.numpy()) == pytest.approx(0.05 / np.sqrt(3), rel=0.02)


def test_every_layer_has_weights_of_its_own():
    encoder = built(DenseEncoder((8, 8, 8), 8), num_items=8, seed=4)
    kernels = [v.numpy() for v in encoder.variables if v.shape == (8, 8)]
    assert len(kernels) == 5
    assert len({kernel.tobytes() for kernel in kernels}) == 5


def test_a_twin_has_the_shape_and_other_weights():
    encoder = built(DenseEncoder((8, 8), 4, layer_norm_epsilon=0.1), seed=5)
    twin = encoder.twin(30, 6)
    assert twin.get_config() | {"name": ""} == encoder.get_config() | {"name": ""}
    assert [v.shape for v in twin.variables] == [v.shape for v in encoder.variables]
    kernels, others = ([v.numpy() for v in e.variables if len(v.shape) == 2] for e in (encoder, twin))
    assert all(np.any(a != b) for a, b in zip(kernels, others, strict=True))


def test_the_multilayer_perceptron_may_have_any_widths():
    encoder = built(MLPEncoder((8, 9), 4))
    assert [v.shape for v in encoder.variables if len(v.shape) == 2] == [(30, 8), (8, 9), (9, 8)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DenseEncoder((8, 9), 4),
            "hidden_dims is (8, 9); it must be equal widths for the dense encoder, which adds layers up",
        ),
        (lambda: DenseEncoder((), 4), "hidden_dims is (); it must be one or more widths of at least 1"),
        (lambda: MLPEncoder((8, 0), 4), "hidden_dims is (8, 0); it must be one or more widths of at least 1"),
        (lambda: MLPEncoder((8,), 0), "latent_dim is 0; it must be at least 1"),
        (
            lambda: DenseEncoder(layer_norm_epsilon=0.0),
            "layer_norm_epsilon is 0.0; it must be greater than 0",
        ),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(SettingError) as error:
        make()
    assert str(error.value) == message
