"""Ranking metrics in the graph: NDCG@k and Recall@k of held-out items among the unseen ones.

As in the code of Liang et al. 2018: items of the fold-in get the score -inf, both metrics are truncated at k.
"""

import numpy as np
import tensorflow as tf

from multvae_tf.batches import Interactions

_BLOCK = 16


def mask_seen(scores: tf.Tensor, seen: Interactions) -> tf.Tensor:
    """The scores, float [B, num_items], with -inf at each user's own items."""
    coordinates = seen.coordinates
    minus_infinity = tf.fill([tf.shape(coordinates)[0]], tf.constant(-np.inf, scores.dtype))
    return tf.tensor_scatter_nd_update(scores, coordinates, minus_infinity)


def top_unseen(scores: tf.Tensor, seen: Interactions, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best unseen items of each user, best first; of equal scores the lower item number comes first.

    Args:
        scores: float [B, num_items].
        seen: the items that may not be returned.
        k: at most num_items.

    Returns:
        Scores, float [B, k], and items, int32 [B, k]. Where a user has fewer than k unseen items the rest has
        score -inf.
    """
    scores = mask_seen(scores, seen)
    num_items = scores.shape[-1]
    if num_items is None or num_items < 4 * _BLOCK * k:
        top = tf.math.top_k(scores, k)
        return top.values, top.indices
    return _top_k_by_blocks(scores, k)


@tf.function(jit_compile=True, autograph=False)
def _block_maxima(scores: tf.Tensor) -> tf.Tensor:
    """The largest score of each run of `_BLOCK` items, [B, ceil(num_items / _BLOCK)]."""
    padding = -scores.shape[1] % _BLOCK
    padded = tf.pad(scores, [[0, 0], [0, padding]], constant_values=-np.inf)
    return tf.reduce_max(tf.reshape(padded, [tf.shape(scores)[0], -1, _BLOCK]), axis=2)


@tf.function(jit_compile=True, autograph=False)
def _scores_in_blocks(scores: tf.Tensor, blocks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores and numbers of the items in blocks [B, k], both [B, k * _BLOCK]; -inf past the last item."""
    num_users, num_items = tf.shape(scores)[0], scores.shape[1]
    items = tf.reshape(blocks[:, :, tf.newaxis] * _BLOCK + tf.range(_BLOCK), [num_users, -1])
    positions = tf.range(num_users)[:, tf.newaxis] * num_items + tf.minimum(items, num_items - 1)
    values = tf.gather(tf.reshape(scores, [-1]), positions)
    return tf.where(items < num_items, values, tf.constant(-np.inf, scores.dtype)), items


def _top_k_by_blocks(scores: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k` of wide rows, ties included: it looks into the k blocks with the largest maxima only.

    Each of these holds a score that comes before all scores of any other block: by value, or, as `top_k`
    returns the lower of equal indices first, by number. So the k best are all in them.
    """
    blocks = tf.math.top_k(_block_maxima(scores), k, sorted=False).indices
    values, items = _scores_in_blocks(scores, tf.sort(blocks, axis=1))
    top = tf.math.top_k(values, k)
    return top.values, tf.gather(items, top.indices, batch_dims=1)


def hits(top_items: tf.Tensor, held_out: Interactions, num_items: int) -> tf.Tensor:
    """Which of the ranked items are held out, bool [B, k], by binary search: nothing of size [B, num_items].

    Args:
        top_items: int32 [B, k].
        held_out: B rows, ids ascending within a row.
        num_items: width of the catalogue.
    """

    def keys(rows: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return tf.cast(rows, tf.int64) * num_items + tf.cast(items, tf.int64)

    held_out_keys = tf.concat([keys(held_out.segment_ids, held_out.ids), [tf.int64.max]], axis=0)
    top_keys = tf.reshape(keys(tf.range(tf.shape(top_items)[0])[:, tf.newaxis], top_items), [-1])
    found = tf.gather(held_out_keys, tf.searchsorted(held_out_keys, top_keys)) == top_keys
    return tf.reshape(found, tf.shape(top_items))


def _at_most(hits: tf.Tensor, k: int) -> tf.Tensor:
    return tf.cast(hits[:, :k], tf.float64)


def recall_at_k(hits: tf.Tensor, num_held_out: tf.Tensor, k: int) -> tf.Tensor:
    """Recall@k = |top k and H| / min(k, |H|) (Liang et al. 2018, section 4.2).

    Args:
        hits: bool [B, at least min(k, num_items)], see `hits`.
        num_held_out: int32 [B], |H|.
        k: the cut-off.

    Returns:
        float64 [B]; 0 for a user with nothing held out, who is to be left out of every mean.
    """
    possible = tf.cast(tf.clip_by_value(num_held_out, 1, k), tf.float64)
    return tf.reduce_sum(_at_most(hits, k), axis=1) / possible


def ndcg_at_k(hits: tf.Tensor, num_held_out: tf.Tensor, k: int) -> tf.Tensor:
    """NDCG@k = DCG@k / IDCG@k with binary gains, discount 1 / log2(rank + 1), IDCG over min(k, |H|) ranks.

    Arguments and result as for `recall_at_k`.

    Deviations: the text of Shenbin et al. 2020 takes IDCG over all |H| ranks; its code, and this one, do not.
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
    gains = _at_most(hits, k)
    dcg = tf.linalg.matvec(gains, tf.constant(discounts)[: tf.shape(gains)[1]])
    idcg = tf.gather(tf.constant(np.cumsum(discounts)), tf.clip_by_value(num_held_out, 1, k) - 1)
    return dcg / idcg
