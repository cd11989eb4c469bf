"""The best unseen items of a catalogue of any size, from scores made one block of items at a time."""

from collections.abc import Callable

import tensorflow as tf

from multvae_tf import metrics
from multvae_tf.batches import Interactions

# The least width of a block; each is narrower than twice this, or than twice k. A catalogue narrower than
# twice this is one block.
BLOCK_SIZE = 2**15

ScoresOfBlock = Callable[[tf.Tensor | int, int], tf.Tensor]


def top_unseen(
    scores_of_block: ScoresOfBlock, num_items: int, seen: Interactions, k: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """`metrics.top_unseen` of all items, in memory that grows with B * k, not with num_items.

    The k best so far go before each block's k best into `tf.math.top_k`, which returns the first of equal
    scores first: ties, and what follows where a user has fewer than k unseen items, come out in item order,
    as if there were one block.

    Args:
        scores_of_block: (start, width) -> the scores, float [B, width], of the items from start on; start may
            be an int32 scalar tensor.
        num_items: size of the catalogue.
        seen: the items, of B users, that may not be returned.
        k: at most num_items.

    Returns:
        Scores, float [B, k], and items, int32 [B, k], best first.
    """
    num_blocks = max(1, num_items // max(BLOCK_SIZE, k))
    if num_blocks == 1:
        return metrics.top_unseen(scores_of_block(0, num_items), seen, k)
    width = num_items // num_blocks
    first_width = num_items - (num_blocks - 1) * width

    def top_of_block(start: tf.Tensor | int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
        inside = seen.only((seen.ids >= start) & (seen.ids < start + width))
        scores = scores_of_block(start, width)
        values, items = metrics.top_unseen(scores, Interactions(inside.ids - start, inside.row_splits), k)
        return values, items + start

    def merge_block(start: tf.Tensor, values: tf.Tensor, items: tf.Tensor) -> tuple:
        more_values, more_items = top_of_block(start, width)
        top = tf.math.top_k(tf.concat([values, more_values], axis=1), k)
        items = tf.gather(tf.concat([items, more_items], axis=1), top.indices, batch_dims=1)
        return start + width, top.values, items

    _, values, items = tf.while_loop(
        lambda start, values, items: start < num_items,
        merge_block,
        (tf.constant(first_width), *top_of_block(0, first_width)),
        parallel_iterations=1,
    )
    return values, items
