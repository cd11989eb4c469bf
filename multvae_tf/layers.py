"""The sparse first layer, dropout of items, and the reparameterisation."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from multvae_tf.batches import Interactions


class SparseRows(NamedTuple):
    """A batch of sparse rows in which all values of a row are equal.

    A binary row keeps this form under L2 normalisation and inverted dropout, so that the first layer needs no
    value per item: it sums rows of its kernel and scales the sum.

    Attributes:
        items: the non-zero columns of each row.
        scale: float32 [B], the value that every non-zero entry of the row has.
    """

    items: Interactions
    scale: tf.Tensor


def l2_normalize(x: Interactions) -> SparseRows:
    """x_u / ||x_u||_2 of binary rows: every entry becomes 1 / sqrt(n_u); an empty row stays empty."""
    counts = tf.cast(tf.maximum(x.row_lengths, 1), tf.float32)
    return SparseRows(x, tf.math.rsqrt(counts))


def keep_items(rows: SparseRows, kept: tf.Tensor, keep_probability: float) -> SparseRows:
    """Inverted dropout with a given mask: the kept entries, scaled by 1 / keep_probability.

    Args:
        rows: the rows.
        kept: bool [N], which of `rows.items.ids` stay.
        keep_probability: in (0, 1].
    """
    return SparseRows(rows.items.only(kept), rows.scale / keep_probability)


def drop_items(rows: SparseRows, rate: float, seed: tf.Tensor) -> SparseRows:
    """Inverted dropout that drops ids instead of values, so that later layers handle fewer of them.

    Args:
        rows: the rows.
        rate: the probability, in [0, 1), with which an entry is dropped.
        seed: int [2]; the mask is a function of it alone.
    """
    if rate == 0:
        return rows
    uniform = tf.random.stateless_uniform(tf.shape(rows.items.ids), seed)
    return keep_items(rows, uniform >= rate, 1.0 - rate)


@tf.custom_gradient
def sum_kernel_rows(kernel: tf.Tensor, ids: tf.Tensor, segment_ids: tf.Tensor, num_rows: tf.Tensor) -> tuple:
    """Sum of kernel[i] over the ids i of each row, [num_rows, units]; its gradient is dense."""
    num_items = tf.shape(kernel)[0]
    sums = tf.raw_ops.SparseSegmentSumWithNumSegments(
        data=kernel, indices=ids, segment_ids=segment_ids, num_segments=num_rows
    )

    def gradient(upstream: tf.Tensor) -> tuple:
        by_item = tf.argsort(ids)
        kernel_gradient = tf.raw_ops.SparseSegmentSumWithNumSegments(
            data=upstream,
            indices=tf.gather(segment_ids, by_item),
            segment_ids=tf.gather(ids, by_item),
            num_segments=num_items,
        )
        return kernel_gradient, None, None, None

    return sums, gradient


@keras.saving.register_keras_serializable(package="multvae_tf")
class SparseDense(keras.layers.Layer):
    """A dense layer on sparse rows: y_u = s_u * sum_{i in u} W_i + b, without activation.

    The gradient of W is a dense [num_items, units] tensor, summed over the ids in item order: Keras' Adam is
    silently wrong on sparse gradients with repeated indices.

    Args:
        num_items: input width.
        units: output width.
        kernel_initializer: of W, [num_items, units].
        bias_initializer: of b, [units].

    Call with `SparseRows` of B rows; returns float [B, units] in the layer's compute dtype. W stays float32
    under a mixed precision policy: the sum is bound by memory, not by arithmetic.

    Deviations: none; equal to a dense layer on the densified rows.
    """

    def __init__(
        self,
        num_items: int,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.num_items = num_items
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights; their shapes do not depend on the input."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_items, self.units),
            initializer=self.kernel_initializer,
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer=self.bias_initializer, autocast=False
        )
        self.built = True

    def call(self, rows: SparseRows) -> tf.Tensor:
        """See the class."""
        items = rows.items
        sums = sum_kernel_rows(
            tf.convert_to_tensor(self.kernel), items.ids, items.segment_ids, items.num_rows
        )
        return tf.cast(sums * rows.scale[:, tf.newaxis] + self.bias, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


def dense_columns(layer: keras.layers.Dense, h: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """What a linear `Dense` layer gives in some of its columns, in float32.

    Args:
        layer: whose compute dtype is taken.
        h: its input, float [B, input_dim].
        kernel: these columns of its kernel, float32 [input_dim, C].
        bias: the same of its bias, float32 [C].

    Returns:
        h W + b, float32 [B, C].
    """
    h, kernel, bias = (tf.cast(tensor, layer.compute_dtype) for tensor in (h, kernel, bias))
    return tf.cast(tf.nn.bias_add(tf.matmul(h, kernel), bias), tf.float32)


def reparameterize(z_mean: tf.Tensor, z_log_var: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
    """Z = mu + epsilon * exp(log sigma^2 / 2), all [B, latent_dim] (Kingma & Welling 2014, eq. 4)."""
    return z_mean + epsilon * tf.exp(0.5 * z_log_var)
