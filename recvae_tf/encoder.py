"""The encoders: RecVAE's densely connected one, and Mult-VAE's multilayer perceptron for comparison."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf.errors import SettingError, check
from multvae_tf.layers import SparseDense, SparseRows


class Encoder(keras.layers.Layer):
    """q(z | x) = N(mu(x), diag sigma^2(x)): a description of a network, until a model builds it.

    A subclass creates `input_layer`, a `SparseDense`, and its other layers in `create_layers`, and implements
    `posterior` on the input layer's output.

    Args:
        hidden_dims: widths of the hidden layers, first to last.
        latent_dim: size of z.
        **kwargs: of `keras.layers.Layer`.

    Call with `SparseRows` of B rows; returns mu and log sigma^2, float32 [B, latent_dim] each.

    Raises:
        SettingError: a width is less than 1.
    """

    built: bool
    input_layer: SparseDense
    seed: int

    def __init__(self, hidden_dims: Sequence[int], latent_dim: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        is_wide = len(hidden_dims) >= 1 and all(dim >= 1 for dim in hidden_dims)
        check(is_wide, "hidden_dims", tuple(hidden_dims), "one or more widths of at least 1")
        check(latent_dim >= 1, "latent_dim", latent_dim, "at least 1")
        self.hidden_dims = tuple(hidden_dims)
        self.latent_dim = latent_dim

    def build_for(self, num_items: int, seed: int, dtype_policy: Any) -> None:
        """Creates the weights; called by the model that the encoder is handed to.

        Args:
            num_items: size I of the catalogue.
            seed: of the initial weights.
            dtype_policy: of the model.

        Raises:
            SettingError: the encoder is another model's already.
        """
        if self.built:
            raise SettingError("encoder", "belongs to another model already; make a new one")
        self.dtype_policy = dtype_policy
        self.seed = seed
        self.create_layers(num_items)
        self.built = True

    def twin(self, num_items: int, seed: int) -> "Encoder":
        """A built encoder of the same shape, with weights from another seed."""
        other = type(self).from_config(self.get_config())
        other.build_for(num_items, seed, self.dtype_policy)
        return other

    def create_layers(self, num_items: int) -> None:
        """Creates all layers with their weights, from `seed`."""
        raise NotImplementedError

    def posterior(self, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mu and log sigma^2, float32 [B, latent_dim], from the input layer's output, [B, hidden_dims[0]]."""
        raise NotImplementedError

    def call(self, rows: SparseRows) -> tuple[tf.Tensor, tf.Tensor]:
        """See the class."""
        return self.posterior(self.input_layer(rows))

    def encode_dense(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The posterior at a few dense inputs, float32 [K, num_items], already normalised."""
        h = tf.matmul(x, self.input_layer.kernel.value) + self.input_layer.bias
        return self.posterior(tf.cast(h, self.compute_dtype))

    def copy_weights(self, other: "Encoder") -> None:
        """Takes over the weights of an encoder of the same shape."""
        for variable, value in zip(self.variables, other.variables, strict=True):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "hidden_dims": self.hidden_dims, "latent_dim": self.latent_dim}


def torch_linear_initializers(fan_in: int, seed: int) -> dict[str, Any]:
    """Weights and biases uniform in +-1/sqrt(fan_in), how the reference's framework starts a linear layer."""
    bound = 1 / math.sqrt(fan_in)
    return {
        "kernel_initializer": keras.initializers.RandomUniform(-bound, bound, seed=2 * seed),
        "bias_initializer": keras.initializers.RandomUniform(-bound, bound, seed=2 * seed + 1),
    }


def torch_linear(fan_in: int, units: int, seed: int, **kwargs: Any) -> keras.layers.Dense:
    """A built linear layer [fan_in, units] with `torch_linear_initializers`."""
    layer = keras.layers.Dense(units, **torch_linear_initializers(fan_in, seed), **kwargs)
    layer.build((None, fan_in))
    return layer


@tf.function(jit_compile=True, autograph=False)
def _connect(
    h: tf.Tensor, sum_of_layers: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor]:
    activations = h + sum_of_layers
    activations *= tf.sigmoid(activations)
    mean, variance = tf.nn.moments(activations, axes=[1], keepdims=True)
    output = gamma * (activations - mean) * tf.math.rsqrt(variance + epsilon) + beta
    return output, sum_of_layers + output


@keras.saving.register_keras_serializable(package="recvae_tf")
class DenseConnection(keras.layers.Layer):
    """h_k = LN(swish(a_k + S_{k-1})) and S_k = S_{k-1} + h_k, with a_k = W_k h_{k-1} + b_k computed before.

    swish(a) = a sigmoid(a); LN(a) = gamma (a - mean(a)) / sqrt(var(a) + epsilon) + beta. XLA compiles all of
    it to one pass, and fixes the order in which gradients are added up: TensorFlow adds three or more in
    whatever order their buffers become free, and then no two runs are equal to the last bit.

    Args:
        width: size of the last dimension, over which mean and variance (divided by width) go.
        epsilon: added to the variance.
        **kwargs: of `keras.layers.Layer`.

    Call with a_k and S_{k-1}, float [B, width]; returns h_k in the dtype of a_k, and S_k, float32.

    Deviations: none.
    """

    def __init__(self, width: int, epsilon: float, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.width = width
        self.epsilon = epsilon
        self.gamma = self.add_weight(name="gamma", shape=(width,), initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=(width,), initializer="zeros", autocast=False)
        self.built = True

    def call(self, a: tf.Tensor, sum_of_layers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See the class."""
        h, sum_of_layers = _connect(
            tf.cast(a, tf.float32), sum_of_layers, self.gamma.value, self.beta.value, self.epsilon
        )
        return tf.cast(h, a.dtype), sum_of_layers

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "width": self.width, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="recvae_tf")
class DenseEncoder(Encoder):
    """RecVAE's encoder (Shenbin et al. 2020): every layer sees all layers before it.

    h_1 = LN(swish(W_1 x + b_1)); h_k = LN(swish(W_k h_{k-1} + b_k + h_1 + ... + h_{k-1})); mu and
    log sigma^2 are linear in the last h. The x is L2-normalised, with dropout in training.

    Args:
        hidden_dims: The widths of the layers, all equal; five of 600 in the authors' code.
        latent_dim: The size of z, the code of a user; 200 in the authors' code.
        layer_norm_epsilon: What is added to the variance in LN; 1e-5 in the paper's code, 0.1 in the later
            one.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: the widths differ, or a value is out of range.

    Examples:
        >>> from recvae_tf import DenseEncoder, RecVAE
        >>> model = RecVAE(num_items=1000, encoder=DenseEncoder(hidden_dims=(300, 300), latent_dim=64))

    Deviations: none.
    """

    def __init__(
        self,
        hidden_dims: Sequence[int] = (600, 600, 600, 600, 600),
        latent_dim: int = 200,
        *,
        layer_norm_epsilon: float = 1e-5,
        **kwargs: Any,
    ):
        super().__init__(hidden_dims, latent_dim, **kwargs)
        is_even = len(set(self.hidden_dims)) == 1
        check(
            is_even,
            "hidden_dims",
            self.hidden_dims,
            "equal widths for the dense encoder, which adds layers up",
        )
        check(layer_norm_epsilon > 0, "layer_norm_epsilon", layer_norm_epsilon, "greater than 0")
        self.layer_norm_epsilon = layer_norm_epsilon

    def create_layers(self, num_items: int) -> None:
        """See `Encoder.create_layers`."""
        width, depth = self.hidden_dims[0], len(self.hidden_dims)
        seeds = range(self.seed * 1000, self.seed * 1000 + depth + 2)
        dtype = self.dtype_policy
        self.input_layer = SparseDense(
            num_items, width, **torch_linear_initializers(num_items, seeds[0]), dtype=dtype
        )
        self.hidden_layers = [torch_linear(width, width, s, dtype=dtype) for s in seeds[1:depth]]
        epsilon = self.layer_norm_epsilon
        self.connections = [DenseConnection(width, epsilon, dtype=dtype) for _ in range(depth)]
        self.z_mean_layer = torch_linear(width, self.latent_dim, seeds[depth], dtype=dtype)
        self.z_log_var_layer = torch_linear(width, self.latent_dim, seeds[depth + 1], dtype=dtype)

    def posterior(self, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Encoder.posterior`."""
        first, *others = self.connections
        h, sum_of_layers = first(h, tf.zeros(tf.shape(h)))
        for layer, connection in zip(self.hidden_layers, others, strict=True):
            h, sum_of_layers = connection(layer(h), sum_of_layers)
        return tf.cast(self.z_mean_layer(h), tf.float32), tf.cast(self.z_log_var_layer(h), tf.float32)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "layer_norm_epsilon": self.layer_norm_epsilon}


@keras.saving.register_keras_serializable(package="recvae_tf")
class MLPEncoder(Encoder):
    """Mult-VAE's encoder (Liang et al. 2018, section 2.1): tanh layers, then one linear layer.

    Weights start Glorot-uniform, biases as a truncated normal of standard deviation 0.001.

    Args:
        hidden_dims: The widths of the hidden layers, first to last.
        latent_dim: The size of z, the code of a user.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> from recvae_tf import MLPEncoder, RecVAE
        >>> model = RecVAE(num_items=1000, encoder=MLPEncoder(hidden_dims=(300,), latent_dim=64))

    Deviations: none.
    """

    def __init__(self, hidden_dims: Sequence[int] = (600,), latent_dim: int = 200, **kwargs: Any):
        super().__init__(hidden_dims, latent_dim, **kwargs)

    def create_layers(self, num_items: int) -> None:
        """See `Encoder.create_layers`."""
        dims = [*self.hidden_dims, 2 * self.latent_dim]
        self.input_layer = SparseDense(num_items, dims[0], **self._initializers(0))
        self.hidden_layers = []
        for number, (fan_in, units) in enumerate(itertools.pairwise(dims), start=1):
            layer = keras.layers.Dense(units, **self._initializers(number))
            layer.build((None, fan_in))
            self.hidden_layers.append(layer)

    def _initializers(self, number: int) -> dict[str, Any]:
        seed = self.seed * 1000 + 2 * number
        return {
            "kernel_initializer": keras.initializers.GlorotUniform(seed=seed),
            "bias_initializer": keras.initializers.TruncatedNormal(stddev=0.001, seed=seed + 1),
            "dtype": self.dtype_policy,
        }

    def posterior(self, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Encoder.posterior`."""
        for layer in self.hidden_layers:
            h = layer(tf.tanh(h))
        z_mean, z_log_var = tf.split(tf.cast(h, tf.float32), 2, axis=1)
        return z_mean, z_log_var
