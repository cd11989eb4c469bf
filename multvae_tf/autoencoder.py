"""The bases of Mult-VAE, Mult-DAE and RecVAE: an encoder to z, a decoder to logits, a likelihood."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multvae_tf import sampled_softmax
from multvae_tf.batches import Interactions
from multvae_tf.errors import check
from multvae_tf.layers import SparseDense, SparseRows, dense_columns, l2_normalize
from multvae_tf.losses import Likelihood, MultinomialLikelihood
from multvae_tf.ranking import ScoresOfBlock
from multvae_tf.schedules import BetaSchedule
from multvae_tf.trainable_model import TrainableModel, fused_update

_CANDIDATES = 2


class Autoencoder(TrainableModel):
    """x -> encode -> z -> decode -> logits, with x_u distributed as the likelihood says of the logits.

    Subclasses create all their weights in the constructor and implement `encode`, `decoder_hidden`,
    `output_layer` and `train_step`.

    Args:
        num_items: size I of the catalogue.
        likelihood: of x given the logits; None means `MultinomialLikelihood()`.
        loss_names: see `TrainableModel`.
        **kwargs: of `RecommenderModel` (`seed`) and `keras.Model` (`name`, `dtype`).
    """

    beta: BetaSchedule | None = None  # the weight of the KL term, where there is one

    def __init__(
        self,
        num_items: int,
        *,
        likelihood: Likelihood | None = None,
        loss_names: Sequence[str] = ("loss", "nll"),
        **kwargs: Any,
    ):
        super().__init__(num_items, loss_names=loss_names, **kwargs)
        if likelihood is None:
            likelihood = MultinomialLikelihood()
        is_likelihood = isinstance(likelihood, Likelihood)
        check(is_likelihood, "likelihood", repr(likelihood), "an object, such as MultinomialLikelihood()")
        self.likelihood = likelihood

    def prepare_training(self, num_users: int, num_updates: int | None = None) -> None:
        """See `TrainableModel.prepare_training`; fills in what the schedule of beta leaves open."""
        if self.beta is None or num_updates is None:
            return
        schedule = self.beta.for_updates(num_updates)
        if schedule is not self.beta:
            self.beta = schedule
            self.train_function = None  # an update that was traced has the old one

    def encode(self, rows: SparseRows) -> tuple[tf.Tensor, tf.Tensor | None]:
        """z_mean and z_log_var, float32 [B, latent_dim]; the latter is None where z has no variance."""
        raise NotImplementedError

    def decoder_hidden(self, z: tf.Tensor) -> tf.Tensor:
        """The input of `output_layer`, float [B, hidden], at z, float [B, latent_dim]."""
        raise NotImplementedError

    @property
    def output_layer(self) -> keras.layers.Dense:
        """The decoder's last layer, linear: one column of its kernel for each item."""
        raise NotImplementedError

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """The logits, float32 [B, num_items], at z, float [B, latent_dim]."""
        return tf.cast(self.output_layer(self.decoder_hidden(z)), tf.float32)

    def call(self, x: Interactions, training: bool = False) -> tf.Tensor:
        """The logits at the mean of z, without dropout: the scores by which items are recommended."""
        z_mean, _ = self.encode(l2_normalize(Interactions(*x)))
        return self.decode(z_mean)

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """What `call` gives, by blocks of items: all layers but the last are computed once."""
        z_mean, _ = self.encode(l2_normalize(x))
        h, layer = self.decoder_hidden(z_mean), self.output_layer

        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            kernel = tf.slice(layer.kernel, [0, start], [-1, width])
            return dense_columns(layer, h, kernel, tf.slice(layer.bias, [start], [width]))

        return scores_of_block

    def nll_at(self, z: tf.Tensor, x: Interactions) -> tf.Tensor:
        """The negative log-likelihood of x, float32 [B], in nats, at z, or this step's estimate of it."""
        if not self.likelihood.num_sampled_items:
            return self.likelihood.nll(x, self.decode(z))
        candidates = sampled_softmax.draw_candidates(
            x.ids, self.num_items, self.likelihood.num_sampled_items, self.noise_seed(_CANDIDATES)
        )
        h, layer = self.decoder_hidden(z), self.output_layer
        kernel, bias = (sampled_softmax.columns(w, candidates.items) for w in (layer.kernel, layer.bias))
        return sampled_softmax.sampled_nll(x, dense_columns(layer, h, kernel, bias), candidates)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "likelihood": keras.saving.serialize_keras_object(self.likelihood)}


class MLPAutoencoder(Autoencoder):
    """What Mult-VAE and Mult-DAE share: two multilayer perceptrons, input dropout, an L2 penalty.

    Weights start Glorot-uniform, biases as a truncated normal of standard deviation 0.001.
    """

    def __init__(
        self,
        num_items: int,
        *,
        hidden_dims: Sequence[int],
        latent_dim: int,
        outputs_per_latent: int,
        activation: str,
        dropout_rate: float,
        l2: float,
        **kwargs: Any,
    ):
        super().__init__(num_items, **kwargs)
        check(all(dim >= 1 for dim in hidden_dims), "hidden_dims", tuple(hidden_dims), "widths of at least 1")
        check(latent_dim >= 1, "latent_dim", latent_dim, "at least 1")
        check(0 <= dropout_rate < 1, "dropout_rate", dropout_rate, "at least 0 and less than 1")
        check(0 <= l2 < math.inf, "l2", l2, "at least 0")
        check(
            _is_activation(activation), "activation", repr(activation), "a Keras activation, such as 'tanh'"
        )
        self.hidden_dims = tuple(hidden_dims)
        self.latent_dim = latent_dim
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.l2 = l2
        self._layers_made = 0
        encoder_dims = [*hidden_dims, outputs_per_latent * latent_dim]
        self.input_layer = SparseDense(num_items, encoder_dims[0], **self._initializers())
        self.encoder_layers = self._dense_layers(encoder_dims)
        self.decoder_layers = self._dense_layers([latent_dim, *reversed(self.hidden_dims), num_items])
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
        """The encoder's last layer before any activation, float [B, its width]."""
        activation = keras.activations.get(self.activation)
        h = self.input_layer(rows)
        for layer in self.encoder_layers:
            h = layer(activation(h))
        return h

    def decoder_hidden(self, z: tf.Tensor) -> tf.Tensor:
        """The input of `output_layer`, float [B, its width], at z, float [B, latent_dim]."""
        activation = keras.activations.get(self.activation)
        h = z
        for layer in self.decoder_layers[:-1]:
            h = activation(layer(h))
        return h

    @property
    def output_layer(self) -> keras.layers.Dense:
        """The decoder's last layer, which gives the logits."""
        return self.decoder_layers[-1]

    def l2_penalty(self) -> tf.Tensor:
        """Lambda * sum ||W||^2 over the kernels, not the biases, a float32 scalar."""
        kernels = [layer.kernel for layer in (self.input_layer, *self.encoder_layers, *self.decoder_layers)]
        return self.l2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])

    def minimize(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """One update of all weights, by the gradients of the loss that the tape recorded."""
        gradients = tape.gradient(loss, self.trainable_variables)
        fused_update(self.optimizer, self.trainable_variables)(gradients)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_dims": self.hidden_dims,
            "latent_dim": self.latent_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "l2": self.l2,
        }


def _is_activation(name: Any) -> bool:
    try:
        return isinstance(name, str) and callable(keras.activations.get(name))
    except ValueError:
        return False
