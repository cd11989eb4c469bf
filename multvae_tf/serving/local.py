"""Recommendations from a model in this process: of a run, or exported."""

import hashlib
import json
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.batches import Interactions
from multvae_tf.errors import RunError
from multvae_tf.serving.export import read_manifest
from multvae_tf.serving.items import Items
from multvae_tf.serving.module import NO_ITEM_SCORE, log_popularity
from multvae_tf.serving.recommender import Inputs, Outputs, Recommendations, SignatureRecommender, as_text

_MAX_SCORES = 2**25


class SavedModelRecommender(SignatureRecommender):
    """An exported version.

    Args:
        folder: `saved_models/<name>/<version>`.

    Attributes:
        manifest: what `export` wrote about it.
        identity: a hash of the manifest, which holds those of all other files.
        users_at_a_time: how many users a request may hold so that their scores take at most 128 MiB.

    Raises:
        RunError: the folder holds no exported version, or a damaged one.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.manifest = read_manifest(folder)
        self.identity = hashlib.sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()
        self.users_at_a_time = max(1, min(256, _MAX_SCORES // self.manifest["num_items"]))
        try:
            self._model = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise RunError(f"{folder} is damaged: {str(error).splitlines()[0]}; export it again") from error

    def predict(self, signature: str, inputs: Inputs) -> Outputs:
        """See `SignatureRecommender`."""
        tensors = {name: tf.constant(array, tf.string, array.shape) for name, array in inputs.items()}
        outputs = self._model.signatures[signature](**tensors)
        return {name: as_text(tensor.numpy()) for name, tensor in outputs.items()}


class RunRecommender:
    """The Keras model of a run.

    Args:
        model: with its best weights.
        item_ids: raw ids by item number, str [num_items].
        titles: of the items, '' where there is none.
        item_popularity: gives int [num_items], the number of training users of each item; asked only for
            a user of whom nothing is known.
    """

    def __init__(self, model: Autoencoder, items: Items):
        self._model = model
        self._item_ids = items.ids
        self._titles = items.titles
        self._item_popularity = lambda: items.num_train_users
        self._number_of = {item_id: number for number, item_id in enumerate(items.ids)}

    def recommend(
        self, histories: Sequence[Sequence[str]], k: int, exclude: Sequence[str] = ()
    ) -> Recommendations:
        """See `Recommender`."""
        seen = [self._numbers(history) for history in histories]
        row_splits = np.cumsum([0, *map(len, seen)])
        ids = np.concatenate([np.zeros(0, np.int32), *seen])
        scores = self._model(
            Interactions(tf.constant(ids, tf.int32), tf.constant(row_splits, tf.int32))
        ).numpy()
        hidden = self._numbers(exclude)
        for row, numbers in zip(scores, seen, strict=True):
            if len(numbers) == 0:
                row[:] = log_popularity(self._item_popularity())
            row[numbers] = NO_ITEM_SCORE
            row[hidden] = NO_ITEM_SCORE
        top = tf.math.top_k(scores, min(k, len(self._item_ids)))
        values, items = top.values.numpy(), top.indices.numpy()
        item_ids = np.where(values > NO_ITEM_SCORE, self._item_ids[items], "")
        return Recommendations(item_ids, values, np.diff(row_splits).astype(np.int32))

    def describe(self, item_ids: Sequence[str]) -> tuple[list[str], list[bool]]:
        """See `Recommender`."""
        known = [item_id in self._number_of for item_id in item_ids]
        titles = [
            str(self._titles[self._number_of[item_id]]) if is_known else ""
            for item_id, is_known in zip(item_ids, known, strict=True)
        ]
        return titles, known

    def _numbers(self, item_ids: Sequence[str]) -> np.ndarray:
        numbers = {self._number_of[item_id] for item_id in item_ids if item_id in self._number_of}
        return np.array(sorted(numbers), np.int32)
