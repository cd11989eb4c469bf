"""The ranking losses of Lobel et al. 2020, listwise and in the graph: WARP and LambdaRank.

Ranks count all items of a user from 1, by score; of equal scores the lower item number comes first.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.losses import Likelihood

# Rows of (positive, all items) that LambdaRank compares at a time.
_PAIR_ROWS = 256


class _Order(NamedTuple):
    """The items of each user by score.

    Attributes:
        items: int32 [B, num_items], best first.
        ranks: int32 [B, num_items], the rank of each item, from 1.
        is_positive: float32 [B, num_items], by item number.
    """

    items: tf.Tensor
    ranks: tf.Tensor
    is_positive: tf.Tensor


def _order(x: Interactions, scores: tf.Tensor) -> _Order:
    items = tf.argsort(scores, direction="DESCENDING", stable=True)
    shape = tf.shape(scores)
    rows = tf.tile(tf.range(shape[0])[:, tf.newaxis], [1, shape[1]])
    positions = tf.tile(tf.range(1, shape[1] + 1)[tf.newaxis], [shape[0], 1])
    ranks = tf.scatter_nd(tf.stack([rows, items], axis=2), positions, shape)
    is_positive = tf.scatter_nd(x.coordinates, tf.ones_like(x.ids, tf.float32), shape)
    return _Order(items, ranks, is_positive)


def warp_weights(x: Interactions, scores: tf.Tensor) -> tf.Tensor:
    """The gradient of `warp_loss`, float32 [B, num_items]: the loss of user u is sum_i w_ui f_ui.

    A positive i at rank r_i, with N_i negatives above it, has w_i = -N_i H(r_i); a negative has the sum of H
    over the positives below it. One sort and two cumulative sums, for all pairs.
    """
    order = _order(x, tf.stop_gradient(scores))
    positive = tf.gather(order.is_positive, order.items, batch_dims=1)
    num_items = tf.shape(scores)[1]
    harmonic = tf.cumsum(1.0 / tf.range(1.0, tf.cast(num_items, tf.float32) + 1.0))
    negatives_above = tf.cumsum(1.0 - positive, axis=1)
    of_positives_below = tf.cumsum(positive * harmonic, axis=1, exclusive=True, reverse=True)
    by_rank = tf.where(positive > 0, -negatives_above * harmonic, of_positives_below)
    return tf.gather(by_rank, order.ranks - 1, batch_dims=1)


def warp_loss(x: Interactions, scores: tf.Tensor) -> tf.Tensor:
    """The listwise WARP loss with margin 0: the sum of H(r_i) (f_j - f_i) over pairs in the wrong order.

    The pairs are of a positive i and a negative j that ranks above it; H(r) = 1 + 1/2 + ... + 1/r, and r_i is
    the rank of the positive among all items.

    Args:
        x: the positives of B users.
        scores: f, float32 [B, num_items].

    Returns:
        float32 [B].

    Deviations: of Weston et al. 2011 the margin is 0, the rank is known instead of sampled, and the weight is
    not divided by the number of negatives above; as in the program of Lobel et al. 2020.

    References:
        Weston, Bengio and Usunier 2011 (IJCAI), WSABIE. Lobel et al. 2020 (arXiv 1906.04281).
    """
    return tf.reduce_sum(warp_weights(x, scores) * scores, axis=1)


def lambdarank_loss(x: Interactions, scores: tf.Tensor) -> tf.Tensor:
    """LambdaRank, sum over positives i and negatives j of |Delta_ij| log(1 + exp(f_j - f_i)).

    Delta_ij = (1 / log2(1 + r_i) - 1 / log2(1 + r_j)) / IDCG is the change of the user's NDCG, without a
    cut-off, when i and j change places. It has no gradient of its own, so that the loss has the gradient that
    LambdaRank defines. Pairs are made for a few hundred positives at a time: memory grows with B * num_items,
    not with the number of pairs.

    Args:
        x: the positives of B users.
        scores: f, float32 [B, num_items].

    Returns:
        float32 [B].

    Deviations: the program of Lobel et al. 2020 reports the sum of the scores in the place of the loss; the
    gradients agree.

    References:
        Burges, Ragno and Le 2006 (NIPS). Lobel et al. 2020 (arXiv 1906.04281).
    """

    @tf.custom_gradient
    def loss(scores: tf.Tensor) -> tuple:
        values, gradients = _lambdas(x, scores)
        return values, lambda upstream: upstream[:, tf.newaxis] * gradients

    return loss(scores)


def _lambdas(x: Interactions, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The loss of each user, [B], and its gradient by the scores, [B, num_items]."""
    order = _order(x, scores)
    discounts = np.log(2) / tf.math.log(1.0 + tf.cast(order.ranks, tf.float32))
    ideal = tf.cumsum(np.log(2) / tf.math.log(tf.range(2.0, tf.cast(tf.shape(scores)[1], tf.float32) + 2.0)))
    inverse_idcg = 1.0 / tf.gather(ideal, tf.maximum(x.row_lengths, 1) - 1)
    users, num_positives = x.segment_ids, tf.size(x.ids)

    def some_positives(start: tf.Tensor, values: tf.Tensor, gradients: tf.Tensor) -> tuple:
        stop = tf.minimum(start + _PAIR_ROWS, num_positives)
        row, item = users[start:stop], x.ids[start:stop]
        place = tf.stack([row, item], axis=1)
        margins = tf.gather_nd(scores, place)[:, tf.newaxis] - tf.gather(scores, row)
        changes = tf.abs(tf.gather_nd(discounts, place)[:, tf.newaxis] - tf.gather(discounts, row))
        is_negative = 1.0 - tf.gather(order.is_positive, row)
        weights = is_negative * changes * tf.gather(inverse_idcg, row)[:, tf.newaxis]
        pushes = weights * tf.sigmoid(-margins)
        losses = tf.reduce_sum(weights * tf.math.softplus(-margins), axis=1)
        values = tf.tensor_scatter_nd_add(values, row[:, tf.newaxis], losses)
        gradients = tf.tensor_scatter_nd_add(gradients, row[:, tf.newaxis], pushes)
        gradients = tf.tensor_scatter_nd_sub(gradients, place, tf.reduce_sum(pushes, axis=1))
        return stop, values, gradients

    _, values, gradients = tf.while_loop(
        lambda start, *_: start < num_positives,
        some_positives,
        (tf.constant(0), tf.zeros([tf.shape(scores)[0]]), tf.zeros_like(scores)),
        parallel_iterations=1,
    )
    return values, gradients


@keras.saving.register_keras_serializable(package="multvae_tf")
class WarpLoss(Likelihood):
    """`warp_loss` in the place of a likelihood, for an autoencoder that ranks.

    Examples:
        >>> from multvae_tf import MultDAE
        >>> from multvae_tf.baselines import WarpLoss
        >>> model = MultDAE(100, likelihood=WarpLoss())
    """

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See `warp_loss`."""
        return warp_loss(x, logits)


@keras.saving.register_keras_serializable(package="multvae_tf")
class LambdaRankLoss(Likelihood):
    """`lambdarank_loss` in the place of a likelihood, for an autoencoder that ranks.

    Examples:
        >>> from multvae_tf import MultVAE
        >>> from multvae_tf.baselines import LambdaRankLoss
        >>> model = MultVAE(100, likelihood=LambdaRankLoss())
    """

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See `lambdarank_loss`."""
        return lambdarank_loss(x, logits)
