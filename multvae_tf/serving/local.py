"""Recommendations from a model in this process: of a run, or exported."""

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from multvae_tf.batches import Interactions
from multvae_tf.errors import RunError, check
from multvae_tf.ranking import NO_ITEM, top_unseen
from multvae_tf.recommender_model import RecommenderModel
from multvae_tf.serving.items import Items
from multvae_tf.serving.manifest import verified_manifest
from multvae_tf.serving.module import log_popularity
from multvae_tf.serving.recommender import Inputs, Outputs, Recommendations, SignatureRecommender, as_text

_MAX_SCORES = 2**25


class SavedModelRecommender(SignatureRecommender):
    """An exported version, in this process.

    Args:
        folder: `saved_models/<name>/<version>`; every file is compared with its checksum in the manifest.

    Attributes:
        manifest: what `export` wrote about it.
        users_at_a_time: how many users a request may hold so that their scores take at most 128 MiB.

    Raises:
        RunError: the folder holds no exported version, or a damaged one.

    Examples:
        >>> from multvae_tf.serving.local import SavedModelRecommender
        >>> served = SavedModelRecommender("saved_models/recommender/1")  # doctest: +SKIP
        >>> served.recommend([["1", "50"]], k=10).item_ids  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.manifest = verified_manifest(folder)
        self.users_at_a_time = max(1, min(256, _MAX_SCORES // self.manifest.num_items))
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise RunError(f"{folder} is damaged: {str(error).splitlines()[0]}; export it again") from error

    @property
    def identity(self) -> str:
        """What tells this version from any other."""
        return self.manifest.identity

    def predict(self, signature: str, inputs: Inputs) -> Outputs:
        """See `SignatureRecommender`."""
        tensors = {name: tf.constant(array, tf.string, array.shape) for name, array in inputs.items()}
        outputs = self._model.signatures[signature](**tensors)
        return {name: as_text(tensor.numpy()) for name, tensor in outputs.items()}


class RunRecommender:
    """A trained Keras model with raw ids; `Run.recommender` makes it.

    Args:
        model: with its weights.
        items: the catalogue, in the order of the model's items.
        identity: what tells this model from any other, for files of recommendations.

    Attributes:
        users_at_a_time: how many users to ask for at once.

    Raises:
        RunError: the items are not the model's.
    """

    users_at_a_time = 256

    def __init__(self, model: RecommenderModel, items: Items, identity: str = ""):
        check(len(items.ids) == model.num_items, "items", f"{len(items.ids)} long", f"{model.num_items}")
        self.identity = identity
        self._model = model
        self._items = items
        self._popularity = tf.constant(log_popularity(items.num_train_users))
        self._number_of = {item_id: number for number, item_id in enumerate(items.ids)}

    def recommend(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        exclude: Sequence[Sequence[str]] | None = None,
    ) -> Recommendations:
        """See `Recommender`."""
        check(k >= 1, "k", k, "at least 1")
        if exclude is not None and len(exclude) != len(histories):
            raise RunError(f"exclude has {len(exclude)} rows, and there are {len(histories)} histories")
        seen = [self._numbers(history) for history in histories]
        hidden = seen
        if exclude is not None:
            both = zip(histories, exclude, strict=True)
            hidden = [self._numbers([*history, *excluded]) for history, excluded in both]
        num_known = np.array([len(numbers) for numbers in seen], np.int32)
        width = min(k, len(self._items.ids))
        scores, items = self._best(_as_interactions(seen), _as_interactions(hidden), width)
        item_ids = np.where(items == NO_ITEM, "", self._items.ids[items])
        return Recommendations(item_ids, scores, num_known)

    def _best(self, seen: Interactions, hidden: Interactions, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best items outside of what is hidden, by blocks; by popularity where nothing is seen."""
        model_scores = self._model.scores(seen)
        is_known = (seen.row_lengths > 0)[:, tf.newaxis]

        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            popularity = tf.slice(self._popularity, [start], [width])
            return tf.where(is_known, model_scores(start, width), popularity)

        scores, items = top_unseen(scores_of_block, self._model.num_items, hidden, k)
        return scores.numpy(), items.numpy()

    def describe(self, item_ids: Sequence[str]) -> tuple[list[str], list[bool]]:
        """See `Recommender`."""
        known = [item_id in self._number_of for item_id in item_ids]
        titles = [
            str(self._items.titles[self._number_of[item_id]]) if is_known else ""
            for item_id, is_known in zip(item_ids, known, strict=True)
        ]
        return titles, known

    def _numbers(self, item_ids: Sequence[str]) -> list[int]:
        numbers = {self._number_of[item_id] for item_id in item_ids if item_id in self._number_of}
        return sorted(numbers)


def _as_interactions(rows: Sequence[Sequence[int]]) -> Interactions:
    row_splits = np.cumsum([0, *map(len, rows)])
    ids = np.array([number for row in rows for number in row], np.int32)
    return Interactions(tf.constant(ids, tf.int32), tf.constant(row_splits, tf.int32))
