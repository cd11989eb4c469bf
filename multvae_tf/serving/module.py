"""What is served: a plain `tf.Module` with raw item ids in and out, made from any trained model."""

from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.errors import RunError
from multvae_tf.ranking import NO_ITEM_SCORE
from multvae_tf.recommender_model import RecommenderModel
from multvae_tf.serving.items import Items
from multvae_tf.serving.plain_function import PlainFunction, functions_inlined

_UNKNOWN = -1  # The number of an id that is not in the catalogue, and of padding.
SEPARATORS = (",", "|", ";", "\t", "\x1f")
# Signature -> input -> rank. All inputs are strings, '' is padding.
INPUT_RANKS = {
    "serving_default": {"history": 2},
    "recommend_excluding": {"history": 2, "exclude": 2},
    "recommend_text": {"history_text": 1},
    "score_items": {"history": 2, "candidates": 2},
    "similar_items": {"item_id": 1},
    "describe_items": {"item_id": 1},
}

Outputs = dict[str, tf.Tensor]


def log_popularity(num_users: np.ndarray) -> np.ndarray:
    """The scores for a user of whom nothing is known: log((n_i + 1) / sum_j (n_j + 1)), float32 [num_items].

    Args:
        num_users: int [num_items], the number of training users n_i of each item.
    """
    counts = np.asarray(num_users, np.float64) + 1
    return np.log(counts / counts.sum()).astype(np.float32)


class KnownItems(NamedTuple):
    """The distinct known items of a batch of users, in the form in which the lookup gives them.

    Stands for `batches.Interactions` in a model, which asks for no more than this.

    Attributes:
        ids: int32 [N], item numbers, the users' one after another.
        segment_ids: int32 [N], the user to whom each belongs.
        row_lengths: int32 [B], the number of items of each user.
    """

    ids: tf.Tensor
    segment_ids: tf.Tensor
    row_lengths: tf.Tensor

    @property
    def num_rows(self) -> tf.Tensor:
        """The number of users B, an int32 scalar."""
        return tf.size(self.row_lengths)

    @property
    def row_splits(self) -> tf.Tensor:
        """Where each user's items begin in `ids`, and their end, int32 [B + 1]."""
        return tf.concat([[0], tf.cumsum(self.row_lengths)], axis=0)

    @property
    def coordinates(self) -> tf.Tensor:
        """(user, item), int32 [N, 2]."""
        return tf.stack([self.segment_ids, self.ids], axis=1)

    def only(self, kept: tf.Tensor) -> "KnownItems":
        """The same users with a part of their items; kept, bool [N], says of each of `ids` if it stays."""
        ids, rows = tf.boolean_mask(self.ids, kept), tf.boolean_mask(self.segment_ids, kept)
        return KnownItems(ids, rows, tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, self.num_rows))


KNOWN_ITEMS_SPECS = [tf.TensorSpec([None], tf.int32)] * len(KnownItems._fields)


def as_interactions(*fields: tf.Tensor) -> Interactions:
    """`KnownItems` with these fields, under the name by which models know their like."""
    return cast(Interactions, KnownItems(*fields))


class ServingModule(tf.Module):
    """Raw item ids -> table -> scores of the model -> mask -> top k -> raw item ids, for any number of users.

    Every signature's inputs and outputs share dimension 0, the users of a batch, so that a server may merge
    requests. Unknown ids and '' count as absent, repeated ids count once. A history without a known id is
    answered with `log_popularity`. Items are similar to an item if they are recommended to
    one who has no other.

    Args:
        model: its weights are copied.
        items: the catalogue.
        top_k: K; at most the number of items is used.
        items_csv: the item columns for clients; becomes an asset.

    Attributes:
        top_k: the K used.
        separator: of the ids in `recommend_text`, the first of `SEPARATORS` that is in no id.
        input_ranks: signature -> input -> rank.

    Raises:
        RunError: the items do not fit the model, all separators are used, or a weight is not finite.
    """

    input_ranks = INPUT_RANKS

    def __init__(self, model: RecommenderModel, items: Items, top_k: int, items_csv: Path):
        super().__init__()
        num_items = model.num_items
        if len(items.ids) != num_items:
            raise RunError(f"there are {len(items.ids)} item ids, but the model has {num_items} items")
        self.separator = _separator(items)
        self.top_k = min(top_k, num_items)
        self._num_items = num_items
        # Number num_items stands for "no item".
        self._item_ids = tf.constant([*items.ids, ""])
        self._titles = tf.constant([*items.titles, ""])
        self._item_numbers = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(items.ids.tolist()), tf.range(num_items, dtype=tf.int64)
            ),
            default_value=_UNKNOWN,
        )
        self._items_csv = tf.saved_model.Asset(str(items_csv))
        self._copy_model(model, log_popularity(items.num_train_users))

    def _copy_model(self, model: RecommenderModel, popularity: np.ndarray) -> None:
        """Takes what `_scores` needs of the model."""
        self._popularity = tf.Variable(popularity, trainable=False)
        self._model_scores = PlainFunction(
            model, lambda *x: model.scores(as_interactions(*x))(0, model.num_items), *KNOWN_ITEMS_SPECS
        )

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """The signatures by name, traced."""
        functions = {"serving_default": self.recommend} | {
            name: getattr(self, name) for name in self.input_ranks if name != "serving_default"
        }
        with functions_inlined():
            return {
                name: tf.function(functions[name], autograph=False).get_concrete_function(
                    **{key: tf.TensorSpec([None] * rank, tf.string, name=key) for key, rank in ranks.items()}
                )
                for name, ranks in self.input_ranks.items()
            }

    def recommend(self, history: tf.Tensor) -> Outputs:
        """The K best items that are not in the history, string [B, L]."""
        return self._recommend(self._known_items(history, tf.shape(history)[0]))

    def recommend_excluding(self, history: tf.Tensor, exclude: tf.Tensor) -> Outputs:
        """As `recommend`, without the items in `exclude`, string [B, E], which has a row for each user."""
        num_rows = tf.shape(history)[0]
        return self._recommend(self._known_items(history, num_rows), self._known_items(exclude, num_rows))

    def recommend_text(self, history_text: tf.Tensor) -> Outputs:
        """As `recommend`, for histories written in one string each, string [B]."""
        history = tf.strings.split(history_text, self.separator).to_tensor("")
        return self.recommend(history)

    def score_items(self, history: tf.Tensor, candidates: tf.Tensor) -> Outputs:
        """The scores of the candidates, string [B, C], seen or not; unknown ones have `NO_ITEM_SCORE`."""
        seen = self._known_items(history, tf.shape(history)[0])
        numbers = self._item_numbers.lookup(candidates)
        known = numbers >= 0
        scores = tf.gather(self._scores(seen), tf.maximum(numbers, 0), batch_dims=1)
        return {
            "scores": tf.where(known, scores, NO_ITEM_SCORE),
            "known": known,
            "num_known_items": seen.row_lengths,
        }

    def similar_items(self, item_id: tf.Tensor) -> Outputs:
        """The K items most similar to each, string [B]; none for an unknown one."""
        numbers = self._item_numbers.lookup(item_id)
        known = numbers >= 0
        itself = tf.stack([tf.range(tf.size(numbers)), tf.cast(tf.maximum(numbers, 0), tf.int32)], axis=1)
        return self._top_items(
            tf.where(known[:, tf.newaxis], self._similarities(itself[:, 1]), NO_ITEM_SCORE), itself
        )

    def _similarities(self, items: tf.Tensor) -> tf.Tensor:
        """How similar all items are to some, int32 [B]: float32 [B, num_items]."""
        ones = tf.ones_like(items)
        return self._scores(KnownItems(items, tf.range(tf.size(items)), ones))

    def describe_items(self, item_id: tf.Tensor) -> Outputs:
        """The titles of items, string [B], '' where there is none, and whether the items are known."""
        numbers = self._item_numbers.lookup(item_id)
        known = numbers >= 0
        return {"title": tf.gather(self._titles, tf.where(known, numbers, self._num_items)), "known": known}

    def _known_items(self, ids: tf.Tensor, num_rows: tf.Tensor) -> KnownItems:
        """The distinct known items of each row of a string [B, L]; one op, as every op costs a request.

        It refuses any other number of rows than `num_rows`: who is not excluded from must not be guessed.
        """
        numbers = self._item_numbers.lookup(ids)
        distinct = tf.raw_ops.DenseToDenseSetOperation(
            set1=numbers,
            set2=tf.fill([num_rows, 1], tf.constant(_UNKNOWN, tf.int64)),
            set_operation="a-b",
            validate_indices=False,
        )
        rows = tf.cast(distinct.result_indices[:, 0], tf.int32)
        row_lengths = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, num_rows)
        return KnownItems(tf.cast(distinct.result_values, tf.int32), rows, row_lengths)

    def _scores(self, seen: KnownItems) -> tf.Tensor:
        """The model's scores, or the log popularity where nothing was seen, float32 [B, num_items]."""
        is_known = (seen.row_lengths > 0)[:, tf.newaxis]
        return tf.where(is_known, self._model_scores(*seen), self._popularity)

    def _recommend(self, seen: KnownItems, exclude: KnownItems | None = None) -> Outputs:
        hidden = seen.coordinates
        if exclude is not None:
            hidden = tf.concat([hidden, exclude.coordinates], axis=0)
        return {**self._top_items(self._scores(seen), hidden), "num_known_items": seen.row_lengths}

    def _top_items(self, scores: tf.Tensor, hidden: tf.Tensor) -> Outputs:
        """The K best items that are not in `hidden`, int32 [N, 2]; of equal ones the lower number first."""
        no_item = tf.fill([tf.shape(hidden)[0]], NO_ITEM_SCORE)
        top = tf.math.top_k(tf.tensor_scatter_nd_update(scores, hidden, no_item), self.top_k)
        numbers = tf.where(top.values > NO_ITEM_SCORE, top.indices, self._num_items)
        return {"item_ids": tf.gather(self._item_ids, numbers), "scores": top.values}


def _separator(items: Items) -> str:
    for separator in SEPARATORS:
        if not any(separator in item_id for item_id in items.ids):
            return separator
    raise RunError(f"each of the separators {SEPARATORS} occurs in an item id, so recommend_text cannot work")
