"""Two multilayer perceptrons around z: what Mult-VAE and Mult-DAE share."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf import losses, optimization
from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.batches import Interactions
from multvae_tf.layers import SparseDense, SparseRows


class MLPAutoencoder(MultinomialAutoencoder):
    """What Mult-VAE and Mult-DAE share: two multilayer perceptrons, input dropout, an L2 penalty.

    Weights start Glorot-uniform, biases as a truncated normal of standard deviation 0.001.
    """

    def __init__(
        self,
        num_items: int,
        *,
        encoder_dims: Sequence[int],
        decoder_dims: Sequence[int],
        activation: str,
        dropout_rate: float,
        l2: float,
        likelihood: str,
        positive_weight: float,
        **kwargs: Any,
    ):
        super().__init__(num_items, **kwargs)
        if likelihood not in losses.LIKELIHOODS:
            raise ValueError(
                f"likelihood is {likelihood!r}; it must be one of {', '.join(losses.LIKELIHOODS)}"
            )
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.l2 = l2
        self.likelihood = likelihood
        self.positive_weight = positive_weight
        self._layers_made = 0
        self.input_layer = SparseDense(num_items, encoder_dims[0], **self._initializers())
        self.encoder_layers = self._dense_layers(encoder_dims)
        self.decoder_layers = self._dense_layers([*decoder_dims, num_items])
        self.built = True

    def _initializers(self) -> dict[str, Any]:
        """Initializers and names of the next layer; each layer has its own seed."""
        self._layers_made += 1
        seed = self.seed * 1000 + 2 * self._layers_made
        return {
            "kernel_initializer": keras.initializers.GlorotUniform(seed=seed),
            "bias_initializer": keras.initializers.TruncatedNormal(stddev=0.001, seed=seed + 1),
            "dtype": self.dtype_policy,
        }

    def _dense_layers(self, dims: Sequence[int]) -> list[keras.layers.Dense]:
        layers = []
        for input_dim, units in itertools.pairwise(dims):
            layer = keras.layers.Dense(units, **self._initializers())
            layer.build((None, input_dim))
            layers.append(layer)
        return layers

    def _encoder_output(self, rows: SparseRows) -> tf.Tensor:
        """The encoder's last layer before any activation, float [B, encoder_dims[-1]]."""
        activation = keras.activations.get(self.activation)
        h = self.input_layer(rows)
        for layer in self.encoder_layers:
            h = layer(activation(h))
        return h

    def decoder_hidden(self, z: tf.Tensor) -> tf.Tensor:
        """The input of `output_layer`, float [B, decoder_dims[-1]], at z, float [B, latent_dim]."""
        activation = keras.activations.get(self.activation)
        h = z
        for layer in self.decoder_layers[:-1]:
            h = activation(layer(h))
        return h

    @property
    def output_layer(self) -> keras.layers.Dense:
        """The decoder's last layer, which gives the logits."""
        return self.decoder_layers[-1]

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See `MultinomialAutoencoder.nll`; under the likelihood of this model."""
        return losses.LIKELIHOODS[self.likelihood](x, logits, self.positive_weight)

    def l2_penalty(self) -> tf.Tensor:
        """Lambda * sum ||W||^2 over the kernels, not the biases, a float32 scalar."""
        kernels = [layer.kernel for layer in (self.input_layer, *self.encoder_layers, *self.decoder_layers)]
        return self.l2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])

    def minimize(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """One update of all weights, by the gradients of the loss that the tape recorded."""
        gradients = tape.gradient(loss, self.trainable_variables)
        optimization.fused_update(self.optimizer, self.trainable_variables)(gradients)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "l2": self.l2,
            "likelihood": self.likelihood,
            "positive_weight": self.positive_weight,
        }
