"""An estimate of the multinomial likelihood that computes the logits of a sample of the items only.

The exact loss of user u, n_u log Z_u - sum_{i in u} f_ui, needs all logits f_u for Z_u = sum_i exp f_ui. Let
P be the items of the whole batch, and cut the other N = I - |P| items, in order, into S strata of m_s
neighbours each, floor(N/S) or ceil(N/S) of them. With one item c_s drawn uniformly from each stratum,

    Z^_u = sum_{i in P} exp f_ui + sum_s m_s exp f_u,c_s

is an unbiased estimate of Z_u: importance sampling of the softmax (Bengio & Senecal 2008; Jean et al. 2015,
arXiv 1412.2007, section 3.1) with a uniform proposal for what is not in the batch. It is the exact loss of a
catalogue of the |P| + S candidates whose logits are raised by log m_s.

Bias: log is concave, so that E[log Z^_u] <= log Z_u (Jensen), by about var(Z^_u) / (2 Z_u^2): the loss that
training reports is too low, and its gradient is biased. Both vanish as S grows; at S = N the loss is exact.

Deviations from the sources: without replacement and stratified, so that candidates are distinct and S = N is
exact; the sources draw independently, from a unigram distribution or from a partition of the corpus.
"""

from typing import NamedTuple

import tensorflow as tf

from multvae_tf import losses
from multvae_tf.batches import Interactions


class Candidates(NamedTuple):
    """The items whose logits an update computes.

    Attributes:
        items: int32 [C], distinct: the batch's own, ascending, then the drawn ones, ascending.
        log_weights: float32 [C], 0 for the batch's own, log m_s for the drawn ones.
        num_own: int32 scalar, |P|.
    """

    items: tf.Tensor
    log_weights: tf.Tensor
    num_own: tf.Tensor


def draw_candidates(ids: tf.Tensor, num_items: int, num_sampled_items: int, seed: tf.Tensor) -> Candidates:
    """The batch's own items, and a stratified sample of the others.

    Args:
        ids: int32 [N], the batch's positives, with repetitions.
        num_items: size of the catalogue.
        num_sampled_items: S, how many to draw; all others, if there are fewer.
        seed: int64 [2]; the draw is a function of it and of the distinct ids alone.
    """
    ids = tf.sort(ids)
    own = tf.boolean_mask(ids, tf.concat([[-1], ids[:-1]], axis=0) != ids)
    num_own = tf.size(own)
    num_others = num_items - num_own
    size = tf.minimum(num_sampled_items, num_others)
    # Stratum s has the others number bounds[s], ..., bounds[s + 1] - 1.
    bounds = tf.cast(
        tf.range(size + 1, dtype=tf.int64)
        * tf.cast(num_others, tf.int64)
        // tf.cast(tf.maximum(size, 1), tf.int64),
        tf.int32,
    )
    widths = bounds[1:] - bounds[:-1]
    uniform = tf.random.stateless_uniform([size], seed, dtype=tf.float64)
    drawn = bounds[:-1] + tf.cast(uniform * tf.cast(widths, tf.float64), tf.int32)
    # own[j] - j others come before own[j]: other number r is item r + |{j : own[j] - j <= r}|.
    drawn += tf.searchsorted(own - tf.range(num_own), drawn, side="right")
    log_weights = tf.concat([tf.zeros([num_own]), tf.math.log(tf.cast(widths, tf.float32))], axis=0)
    return Candidates(tf.concat([own, drawn], axis=0), log_weights, num_own)


def columns(weights: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """The columns, in the last dimension, of a kernel or a bias, with a dense gradient of the same shape.

    The gradient is 0 at all other columns. As the items are distinct it can be scattered, and as it is dense
    the optimizer decays its moments at every column, as Adam does.

    Args:
        weights: float32 [..., num_items].
        items: int32 [C], distinct.

    Returns:
        float32 [..., C].
    """

    @tf.custom_gradient
    def take(weights: tf.Tensor) -> tuple:
        shape = tf.shape(weights, out_type=tf.int64)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            starts = tf.range(tf.reduce_prod(shape[:-1])) * shape[-1]
            positions = starts[:, tf.newaxis] + tf.cast(items, tf.int64)
            flat = tf.scatter_nd(
                tf.reshape(positions, [-1, 1]), tf.reshape(upstream, [-1]), [tf.reduce_prod(shape)]
            )
            return tf.reshape(flat, shape)

        return tf.gather(weights, items, axis=-1), gradient

    return take(tf.convert_to_tensor(weights))


def sampled_nll(x: Interactions, logits: tf.Tensor, candidates: Candidates) -> tf.Tensor:
    """The estimate of `losses.multinomial_nll` from the candidates' logits.

    Args:
        x: the positives of the B users from whose items the candidates were drawn.
        logits: float32 [B, C], of the candidates.
        candidates: see `draw_candidates`.

    Returns:
        float32 [B], in nats.
    """
    own = candidates.items[: candidates.num_own]
    among_candidates = Interactions(tf.searchsorted(own, x.ids), x.row_splits)
    return losses.multinomial_nll(among_candidates, logits + candidates.log_weights)
