"""One face for a model wherever it is: in a run, in a SavedModel, behind a server; needs no TensorFlow."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from multvae_tf.errors import RunError, check

Inputs = Mapping[str, np.ndarray]
Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Recommendations:
    """Of B users, the best items first.

    Attributes:
        item_ids: str [B, K] in an object array, '' where no item is left.
        scores: float32 [B, K].
        num_known_items: int32 [B], how many distinct ids of the history are items of the catalogue.

    Examples:
        >>> import numpy as np
        >>> from multvae_tf.serving.recommender import Recommendations
        >>> best = Recommendations(np.array([["7"]], object), np.ones([1, 1], np.float32), np.array([2]))
        >>> best.item_ids[0].tolist()
        ['7']
    """

    item_ids: np.ndarray
    scores: np.ndarray
    num_known_items: np.ndarray


class Recommender(Protocol):
    """What can be asked for recommendations."""

    def recommend(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        exclude: Sequence[Sequence[str]] | None = None,
    ) -> Recommendations:
        """The k best items, or as many as the model gives, outside a user's history and row of `exclude`."""

    def describe(self, item_ids: Sequence[str]) -> tuple[list[str], list[bool]]:
        """Titles, '' where there is none, and whether the items are in the catalogue."""


class SignatureRecommender:
    """A `Recommender` that asks the signatures of an export; subclasses implement `predict`."""

    def predict(self, signature: str, inputs: Inputs) -> Outputs:
        """The outputs of a signature; strings are str in object arrays, both ways."""
        raise NotImplementedError

    def recommend(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        exclude: Sequence[Sequence[str]] | None = None,
    ) -> Recommendations:
        """See `Recommender`."""
        check(k >= 1, "k", k, "at least 1")
        inputs = {"history": id_matrix(histories)}
        if exclude is not None:
            if len(exclude) != len(histories):
                raise RunError(f"exclude has {len(exclude)} rows, and there are {len(histories)} histories")
            inputs["exclude"] = id_matrix(exclude)
        answer = self.predict("serving_default" if exclude is None else "recommend_excluding", inputs)
        kinds = {"item_ids": ("O", 2), "scores": ("f", 2), "num_known_items": ("i", 1)}
        require_outputs(answer, kinds, len(histories))
        if answer["item_ids"].shape != answer["scores"].shape:
            raise RunError("the answer has another number of scores than of items")
        return Recommendations(answer["item_ids"][:, :k], answer["scores"][:, :k], answer["num_known_items"])

    def describe(self, item_ids: Sequence[str]) -> tuple[list[str], list[bool]]:
        """See `Recommender`."""
        if not item_ids:
            return [], []
        answer = self.predict("describe_items", {"item_id": np.array(item_ids, object)})
        require_outputs(answer, {"title": ("O", 1), "known": ("b", 1)}, len(item_ids))
        return answer["title"].tolist(), answer["known"].tolist()


def require_outputs(outputs: Outputs, kinds: Mapping[str, tuple[str, int]], num_rows: int) -> None:
    """Checks what a model answers, which may come from anywhere.

    Args:
        outputs: the answer.
        kinds: of each output NumPy's kind of its values, and its rank.
        num_rows: of the request.

    Raises:
        RunError: an output is missing, or has another type or shape, or a score is no number.
    """
    for name, (kind, rank) in kinds.items():
        if name not in outputs:
            raise RunError(f"the answer has no {name}: is this a model of another kind?")
        array = outputs[name]
        if array.dtype.kind != kind or array.ndim != rank or len(array) != num_rows:
            shape = f"{array.dtype} {list(array.shape)}"
            raise RunError(f"{name} of the answer is {shape}, which does not fit {num_rows} rows")
        if kind == "O" and not all(isinstance(value, str) for value in array.ravel()):
            raise RunError(f"{name} of the answer holds something that is no text")
        if kind == "f" and not np.isfinite(array).all():
            raise RunError(f"{name} of the answer holds something that is no finite number")


def id_matrix(rows: Sequence[Sequence[str]]) -> np.ndarray:
    """Rows of ids as one request: str [B, 1 + longest] in an object array, padded with ''.

    The first column is '' too: a server that merges requests of different lengths fills them up with each
    request's first element.
    """
    matrix = np.full((len(rows), 1 + max(map(len, rows), default=0)), "", object)
    for row, ids in zip(matrix, rows, strict=True):
        row[1 : 1 + len(ids)] = ids
    return matrix


def as_text(array: np.ndarray) -> np.ndarray:
    """An array of bytes as one of str; any other array as it is."""
    if array.dtype != object:
        return array
    strings = np.empty(array.size, object)
    strings[:] = [element.decode() for element in array.ravel().tolist()]
    return strings.reshape(array.shape)


def parse_ids(text: str) -> list[str]:
    """The distinct ids in a text, separated by commas, in its order.

    An id with a comma, or with a space at an end, is quoted: `1,"Film 1, The"," 7 "`. Spaces around a
    comma do not belong to an id that is not quoted.
    """
    fields: list[str] = []
    for field in next(csv.reader([text], skipinitialspace=True), []):
        fields.append(field if f'"{field}"' in text else field.strip())
    return list(dict.fromkeys(field for field in fields if field))


def printable(text: str) -> str:
    """A text without what moves a terminal's cursor, colours it or turns its direction: escapes instead."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def describe_answer(
    recommender: Recommender, history: Sequence[str], k: int, exclude: Sequence[str] = ()
) -> str:
    """The history as it was understood, then the recommendations, as text for people.

    Args:
        recommender: whom to ask.
        history: distinct raw ids.
        k: how many items to show.
        exclude: raw ids that are not to be recommended.
    """
    answer = recommender.recommend([history], k, [exclude] if exclude else None)
    best = [(i, s) for i, s in zip(answer.item_ids[0].tolist(), answer.scores[0].tolist(), strict=True) if i]
    shown = [*history, *(item_id for item_id, _ in best)]
    titles, known = recommender.describe(shown)
    title_of = dict(zip(shown, map(printable, titles), strict=True))
    is_known = dict(zip(shown, known, strict=True))
    lines = []
    if unknown := [printable(item_id) for item_id in history if not is_known[item_id]]:
        lines.append(f"Not in the catalogue, ignored: {', '.join(unknown)}")
    lines.append(f"Liked ({answer.num_known_items[0]} known items):")
    lines += [f"  {printable(i):>10}  {title_of[i]}" for i in history if is_known[i]]
    if answer.num_known_items[0] == 0:
        lines.append("Nothing is known of this user: the most popular items follow.")
    lines.append("Recommended (rank, item, score):")
    lines += [
        f"  {rank:>3}  {printable(item_id):>10}  {score:7.3f}  {title_of[item_id]}"
        for rank, (item_id, score) in enumerate(best, start=1)
    ]
    if answer.item_ids.shape[1] < k:
        lines.append(f"The model gives at most {answer.item_ids.shape[1]} items.")
    return "\n".join(line.rstrip() for line in lines)
