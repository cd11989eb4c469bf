"""Ranking: the best unseen items of a catalogue of any size, and NDCG@k and Recall@k of what was held out.

There is one convention for a place that no item takes, as where a user has seen all but a few: its number is
`NO_ITEM`, and its score `NO_ITEM_SCORE`, which is finite, since JSON has no infinity.

The metrics are those of the code of Liang et al. 2018: items of the fold-in are not ranked, and both metrics
are truncated at k.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from multvae_tf.batches import HeldOutBatch, Interactions

NO_ITEM = -1
NO_ITEM_SCORE = -3e38
# The least width of a block of items; each is narrower than twice this, or than twice k. A catalogue narrower
# than twice this is one block.
BLOCK_SIZE = 2**15
_RUN = 16

# (start, width) -> the scores, float [B, width], of the items from start on; start may be an int32 scalar.
ScoresOfBlock = Callable[[tf.Tensor | int, int], tf.Tensor]


def mask_seen(scores: tf.Tensor, seen: Interactions) -> tf.Tensor:
    """The scores, float [B, num_items], with `NO_ITEM_SCORE` at each user's own items."""
    coordinates = seen.coordinates
    no_item = tf.fill([tf.shape(coordinates)[0]], tf.constant(NO_ITEM_SCORE, scores.dtype))
    return tf.tensor_scatter_nd_update(scores, coordinates, no_item)


def _top_k(scores: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k`: values and indices [B, k]; of equal scores the lower index comes first."""
    num_items = scores.shape[-1]
    if num_items is None or num_items < 4 * _RUN * k:
        top = tf.math.top_k(scores, k)
        return top.values, top.indices
    return _top_k_by_runs(scores, k)


@tf.function(jit_compile=True, autograph=False)
def _run_maxima(scores: tf.Tensor) -> tf.Tensor:
    """The largest score of each run of `_RUN` items, [B, ceil(num_items / _RUN)]."""
    padding = -scores.shape[1] % _RUN
    padded = tf.pad(scores, [[0, 0], [0, padding]], constant_values=-np.inf)
    return tf.reduce_max(tf.reshape(padded, [tf.shape(scores)[0], -1, _RUN]), axis=2)


@tf.function(jit_compile=True, autograph=False)
def _scores_in_runs(scores: tf.Tensor, runs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores and numbers of the items in the runs [B, k], both [B, k * _RUN]; -inf past the last item."""
    num_users, num_items = tf.shape(scores)[0], scores.shape[1]
    items = tf.reshape(runs[:, :, tf.newaxis] * _RUN + tf.range(_RUN), [num_users, -1])
    positions = tf.range(num_users)[:, tf.newaxis] * num_items + tf.minimum(items, num_items - 1)
    values = tf.gather(tf.reshape(scores, [-1]), positions)
    return tf.where(items < num_items, values, tf.constant(-np.inf, scores.dtype)), items


def _top_k_by_runs(scores: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """`tf.math.top_k` of wide rows, ties included: it looks into the k runs with the largest maxima only.

    Each of these holds a score that comes before all scores of any other run: by value, or, as `top_k`
    returns the lower of equal indices first, by number. So the k best are all in them.
    """
    runs = tf.math.top_k(_run_maxima(scores), k, sorted=False).indices
    values, items = _scores_in_runs(scores, tf.sort(runs, axis=1))
    top = tf.math.top_k(values, k)
    return top.values, tf.gather(items, top.indices, batch_dims=1)


def top_unseen(
    scores_of_block: ScoresOfBlock, num_items: int, seen: Interactions, k: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k best unseen items of each user, in memory that grows with B * k, not with num_items.

    The scores are made one block of items at a time. The k best so far go before each block's k best into
    `tf.math.top_k`, which returns the first of equal scores first: ties come out in item order, as if there
    were one block.

    Args:
        scores_of_block: see `ScoresOfBlock`.
        num_items: size of the catalogue.
        seen: the items, of B users, that may not be returned.
        k: at most num_items.

    Returns:
        Scores, float [B, k], and items, int32 [B, k], best first; `NO_ITEM_SCORE` and `NO_ITEM` where a user
        has fewer than k unseen items.
    """
    num_blocks = max(1, num_items // max(BLOCK_SIZE, k))
    width = num_items // num_blocks
    first_width = num_items - (num_blocks - 1) * width

    def top_of_block(start: tf.Tensor | int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
        inside = seen
        if num_blocks > 1:
            inside = seen.only((seen.ids >= start) & (seen.ids < start + width))
            inside = Interactions(inside.ids - start, inside.row_splits)
        values, items = _top_k(mask_seen(scores_of_block(start, width), inside), k)
        return values, items + start

    def merge_block(start: tf.Tensor, values: tf.Tensor, items: tf.Tensor) -> tuple:
        more_values, more_items = top_of_block(start, width)
        top = tf.math.top_k(tf.concat([values, more_values], axis=1), k)
        items = tf.gather(tf.concat([items, more_items], axis=1), top.indices, batch_dims=1)
        return start + width, top.values, items

    values, items = top_of_block(0, first_width)
    if num_blocks > 1:
        _, values, items = tf.while_loop(
            lambda start, values, items: start < num_items,
            merge_block,
            (tf.constant(first_width), values, items),
            parallel_iterations=1,
        )
    return values, tf.where(values > NO_ITEM_SCORE, items, NO_ITEM)


def hits(top_items: tf.Tensor, held_out: Interactions, num_items: int) -> tf.Tensor:
    """Which of the ranked items are held out, bool [B, k], by binary search: nothing of size [B, num_items].

    Args:
        top_items: int32 [B, k]; `NO_ITEM` is no hit.
        held_out: B rows, ids ascending within a row.
        num_items: width of the catalogue.
    """

    def keys(rows: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return tf.cast(rows, tf.int64) * num_items + tf.cast(items, tf.int64)

    held_out_keys = tf.concat([keys(held_out.segment_ids, held_out.ids), [tf.int64.max]], axis=0)
    top_keys = tf.reshape(keys(tf.range(tf.shape(top_items)[0])[:, tf.newaxis], top_items), [-1])
    found = tf.gather(held_out_keys, tf.searchsorted(held_out_keys, top_keys)) == top_keys
    return tf.reshape(found, tf.shape(top_items)) & (top_items != NO_ITEM)


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


REPORTED_METRICS = {
    "NDCG@100": (ndcg_at_k, 100),
    "Recall@20": (recall_at_k, 20),
    "Recall@50": (recall_at_k, 50),
}
MONITORED = "NDCG@100"  # the metric on the validation users that chooses the best epoch
_MAX_K = max(k for _, k in REPORTED_METRICS.values())


class Ranking(NamedTuple):
    """The best unseen items of B users, and what their held-out items say of them.

    Attributes:
        top_items: int32 [B, min(100, num_items)], best first; `NO_ITEM` where no unseen item is left.
        metrics: each of `REPORTED_METRICS`, float64 [B].
    """

    top_items: tf.Tensor
    metrics: dict[str, tf.Tensor]


def rank_batch(scores_of_block: ScoresOfBlock, num_items: int, batch: HeldOutBatch) -> Ranking:
    """The ranking of each user's unseen items by scores, see `top_unseen`, and its metrics."""
    _, top_items = top_unseen(scores_of_block, num_items, batch.fold_in, min(_MAX_K, num_items))
    found = hits(top_items, batch.held_out, num_items)
    num_held_out = batch.held_out.row_lengths
    return Ranking(
        top_items, {name: metric(found, num_held_out, k) for name, (metric, k) in REPORTED_METRICS.items()}
    )
