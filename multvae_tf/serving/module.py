"""What is served: a plain `tf.Module` with raw item ids in and out, made from any trained autoencoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.batches import Interactions
from multvae_tf.errors import RunError
from multvae_tf.layers import l2_normalize
from multvae_tf.serving.plain_function import PlainFunction, finite_value, functions_inlined

# The score of a place that no item takes. Not -inf, which the REST API would write as invalid JSON.
NO_ITEM_SCORE = -3e38
_UNKNOWN = -1  # The number of an id that is not in the catalogue, and of padding.
SEPARATORS = (",", "|", ";", "\t", "\x1f")
# Signature -> input -> rank. All inputs are strings, '' is padding.
INPUT_RANKS = {
    "serving_default": {"history": 2},
    "recommend_excluding": {"history": 2, "exclude": 2},
    "recommend_text": {"history_text": 1},
    "score_items": {"history": 2, "candidates": 2},
    "embed_user": {"history": 2},
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


class _KnownItems(NamedTuple):
    """The distinct known items of a batch of users, in the form in which the lookup gives them.

    Stands for `batches.Interactions` in an encoder, which asks for no more than this.

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
    def coordinates(self) -> tf.Tensor:
        """(user, item), int32 [N, 2]."""
        return tf.stack([self.segment_ids, self.ids], axis=1)


class ServingModule(tf.Module):
    """Raw item ids -> table -> encode -> decode -> mask -> top k -> raw item ids, for any number of users.

    Every signature's inputs and outputs share dimension 0, the users of a batch, so that a server may merge
    requests. Unknown ids and '' count as absent, repeated ids count once. A history without a known id is
    answered with `log_popularity`. The last product is made in float32, whatever the model's precision.

    Args:
        model: its weights are copied.
        item_ids: raw id of each item number.
        titles: of the items, '' where there is none.
        item_popularity: int [num_items], the number of training users of each item.
        top_k: K; at most the number of items is used.
        items_csv: the item columns for clients; becomes an asset.

    Attributes:
        top_k: the K used.
        separator: of the ids in `recommend_text`, the first of `SEPARATORS` that is in no id.

    Raises:
        RunError: ids, titles or popularity do not fit the model, an id is empty or repeated, all separators
            are used, or a weight is not finite.
    """

    def __init__(
        self,
        model: Autoencoder,
        item_ids: Sequence[str],
        titles: Sequence[str],
        item_popularity: np.ndarray,
        top_k: int,
        items_csv: Path,
    ):
        super().__init__()
        num_items = model.num_items
        self.separator = _check_items(item_ids, titles, item_popularity, num_items)
        self.top_k = min(top_k, num_items)
        self._num_items = num_items
        encode_specs = [tf.TensorSpec([None], tf.int32)] * len(_KnownItems._fields)
        self._encode = PlainFunction(
            model,
            lambda *x: model.encode(l2_normalize(cast(Interactions, _KnownItems(*x))))[0],
            *encode_specs,
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
        self._item_columns = tf.Variable(
            tf.concat([kernel, [bias, log_popularity(item_popularity)]], axis=0), trainable=False
        )
        self._is_of_kernel = tf.constant([[1.0]] * len(kernel) + [[0.0]] * 2)
        self._inverse_norms = tf.Variable(1 / tf.maximum(tf.norm(kernel, axis=0), 1e-30), trainable=False)
        # Number num_items stands for "no item".
        self._item_ids = tf.constant([*item_ids, ""])
        self._titles = tf.constant([*titles, ""])
        self._item_numbers = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(item_ids)), tf.range(num_items, dtype=tf.int64)
            ),
            default_value=_UNKNOWN,
        )
        self._items_csv = tf.saved_model.Asset(str(items_csv))

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """The signatures by name, traced."""
        functions = {"serving_default": self.recommend} | {
            name: getattr(self, name) for name in INPUT_RANKS if name != "serving_default"
        }
        with functions_inlined():
            return {
                name: tf.function(functions[name], autograph=False).get_concrete_function(
                    **{key: tf.TensorSpec([None] * rank, tf.string, name=key) for key, rank in ranks.items()}
                )
                for name, ranks in INPUT_RANKS.items()
            }

    def recommend(self, history: tf.Tensor) -> Outputs:
        """The K best items that are not in the history, string [B, L]."""
        return self._recommend(self._known_items(history))

    def recommend_excluding(self, history: tf.Tensor, exclude: tf.Tensor) -> Outputs:
        """As `recommend`, without the items in `exclude`, string [B, E]."""
        return self._recommend(self._known_items(history), self._known_items(exclude))

    def recommend_text(self, history_text: tf.Tensor) -> Outputs:
        """As `recommend`, for histories written in one string each, string [B]."""
        history = tf.strings.split(history_text, self.separator).to_tensor("")
        return self._recommend(self._known_items(history))

    def score_items(self, history: tf.Tensor, candidates: tf.Tensor) -> Outputs:
        """The scores of the candidates, string [B, C], seen or not; unknown ones have `NO_ITEM_SCORE`."""
        seen = self._known_items(history)
        numbers = self._item_numbers.lookup(candidates)
        known = numbers >= 0
        scores = tf.gather(self._scores(seen), tf.maximum(numbers, 0), batch_dims=1)
        return {
            "scores": tf.where(known, scores, NO_ITEM_SCORE),
            "known": known,
            "num_known_items": seen.row_lengths,
        }

    def embed_user(self, history: tf.Tensor) -> Outputs:
        """The mean of z given the history, string [B, L]."""
        seen = self._known_items(history)
        return {"embedding": self._encode(*seen), "num_known_items": seen.row_lengths}

    def similar_items(self, item_id: tf.Tensor) -> Outputs:
        """The K nearest other items of each, string [B], by the cosine of the output layer's weights."""
        numbers = self._item_numbers.lookup(item_id)
        known = numbers >= 0
        columns = tf.maximum(numbers, 0)
        vectors = tf.gather(self._item_columns, columns, axis=1) * self._is_of_kernel
        products = tf.matmul(vectors, self._item_columns, transpose_a=True)
        scale = tf.gather(self._inverse_norms, columns)[:, tf.newaxis] * self._inverse_norms
        itself = tf.stack([tf.range(tf.shape(columns)[0]), tf.cast(columns, tf.int32)], axis=1)
        return self._top_items(tf.where(known[:, tf.newaxis], products * scale, NO_ITEM_SCORE), itself)

    def describe_items(self, item_id: tf.Tensor) -> Outputs:
        """The titles of items, string [B], '' where there is none, and whether the items are known."""
        numbers = self._item_numbers.lookup(item_id)
        known = numbers >= 0
        return {"title": tf.gather(self._titles, tf.where(known, numbers, self._num_items)), "known": known}

    def _known_items(self, ids: tf.Tensor) -> _KnownItems:
        """The distinct known items of each row of a string [B, L]; one op, as every op costs a request."""
        numbers = self._item_numbers.lookup(ids)
        num_rows = tf.shape(ids)[0]
        distinct = tf.raw_ops.DenseToDenseSetOperation(
            set1=numbers,
            set2=tf.fill([num_rows, 1], tf.constant(_UNKNOWN, tf.int64)),
            set_operation="a-b",
            validate_indices=False,
        )
        rows = tf.cast(distinct.result_indices[:, 0], tf.int32)
        row_lengths = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, num_rows)
        return _KnownItems(tf.cast(distinct.result_values, tf.int32), rows, row_lengths)

    def _scores(self, seen: _KnownItems) -> tf.Tensor:
        """The logits, or the log popularity where nothing was seen, float32 [B, num_items].

        One product, of (h, 1, 0) or (0, 0, 1) with the items' columns: a bias added to it, or a selection
        between the two rankings, would be a pass over all scores of a request.
        """
        h = tf.cast(self._hidden(self._encode(*seen)), tf.float32)
        is_known = tf.cast(tf.minimum(seen.row_lengths, 1), tf.float32)[:, tf.newaxis]
        return tf.matmul(tf.concat([h * is_known, is_known, 1 - is_known], axis=1), self._item_columns)

    def _recommend(self, seen: _KnownItems, exclude: _KnownItems | None = None) -> Outputs:
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


def _check_items(
    item_ids: Sequence[str], titles: Sequence[str], item_popularity: np.ndarray, num_items: int
) -> str:
    """Checks the items against the model; returns the separator."""
    for name, values in (("item_ids", item_ids), ("titles", titles), ("item_popularity", item_popularity)):
        if len(values) != num_items:
            raise RunError(f"there are {len(values)} {name}, but the model has {num_items} items")
    seen = set()
    for number, item_id in enumerate(item_ids):
        if item_id == "":
            raise RunError(f"the id of item number {number} is empty; an empty id means padding in requests")
        if item_id in seen:
            raise RunError(f"the item id {item_id!r} occurs twice")
        seen.add(item_id)
    for separator in SEPARATORS:
        if not any(separator in item_id for item_id in item_ids):
            return separator
    raise RunError(f"each of the separators {SEPARATORS} occurs in an item id, so recommend_text cannot work")
