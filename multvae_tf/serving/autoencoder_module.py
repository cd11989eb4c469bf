"""An autoencoder as it is served: one product with the items' columns, and z as the user's embedding."""

import numpy as np
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.layers import l2_normalize
from multvae_tf.recommender_model import RecommenderModel
from multvae_tf.serving.module import (
    INPUT_RANKS,
    KNOWN_ITEMS_SPECS,
    KnownItems,
    Outputs,
    ServingModule,
    as_interactions,
)
from multvae_tf.serving.plain_function import PlainFunction, finite_value


class AutoencoderModule(ServingModule):
    """A `ServingModule` that scores by one matrix product, made in float32 whatever the model's precision.

    It has one more signature, `embed_user`; items are similar by the cosine of the output layer's weights.
    Arguments and errors are those of `ServingModule`.
    """

    input_ranks = {**INPUT_RANKS, "embed_user": {"history": 2}}  # noqa: RUF012

    def _copy_model(self, model: RecommenderModel, popularity: np.ndarray) -> None:
        assert isinstance(model, Autoencoder)
        self._encode = PlainFunction(
            model, lambda *x: model.encode(l2_normalize(as_interactions(*x)))[0], *KNOWN_ITEMS_SPECS
        )
        nothing = tf.zeros([0], tf.int32)
        latent_dim = self._encode(nothing, nothing, tf.zeros([1], tf.int32)).shape[1]
        self._hidden = PlainFunction(
            model, model.decoder_hidden, tf.TensorSpec([None, latent_dim], tf.float32)
        )
        kernel, bias = (
            finite_value(weight) for weight in (model.output_layer.kernel, model.output_layer.bias)
        )
        # One column for each item: its kernel, its bias, its log popularity.
        self._item_columns = tf.Variable(tf.concat([kernel, [bias, popularity]], axis=0), trainable=False)
        self._is_of_kernel = tf.constant([[1.0]] * len(kernel) + [[0.0]] * 2)
        self._inverse_norms = tf.Variable(1 / tf.maximum(tf.norm(kernel, axis=0), 1e-30), trainable=False)

    def embed_user(self, history: tf.Tensor) -> Outputs:
        """The mean of z given the history, string [B, L]."""
        seen = self._known_items(history, tf.shape(history)[0])
        return {"embedding": self._encode(*seen), "num_known_items": seen.row_lengths}

    def _similarities(self, items: tf.Tensor) -> tf.Tensor:
        vectors = tf.gather(self._item_columns, items, axis=1) * self._is_of_kernel
        products = tf.matmul(vectors, self._item_columns, transpose_a=True)
        return products * (tf.gather(self._inverse_norms, items)[:, tf.newaxis] * self._inverse_norms)

    def _scores(self, seen: KnownItems) -> tf.Tensor:
        """See `ServingModule`.

        One product, of (h, 1, 0) or (0, 0, 1) with the items' columns: a bias added to it, or a selection
        between the two rankings, would be a pass over all scores of a request.
        """
        h = tf.cast(self._hidden(self._encode(*seen)), tf.float32)
        is_known = tf.cast(tf.minimum(seen.row_lengths, 1), tf.float32)[:, tf.newaxis]
        return tf.matmul(tf.concat([h * is_known, is_known, 1 - is_known], axis=1), self._item_columns)
