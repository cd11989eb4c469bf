"""The evaluation of held-out users, beside dense NumPy with argpartition as the original has it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf

from benchmarks.synthetic import Shape, interactions
from benchmarks.timing import alternate
from multvae_tf import MultVAE
from multvae_tf.batches import Interactions
from multvae_tf.ranking import BLOCK_SIZE, REPORTED_METRICS

_SEED = 1
_MOST_ROUNDS = 3


def measure(
    given: Mapping[str, Any], shape: Shape, num_users: int, batch_size: int, rounds: int
) -> dict[str, Any]:
    """Evaluates a Mult-VAE of random weights both ways; their metrics must agree.

    Args:
        given: arguments of the model.
        shape: of the generated data.
        num_users: to evaluate.
        batch_size: users at a time.
        rounds: how often each way is timed, at most 3.

    Returns:
        `users` and `largest_difference`, and see `Timings.figures`.
    """
    density = shape.num_interactions / shape.num_users
    users = Shape(num_users, shape.num_items, int(num_users * density))
    fold_in, held_out = fold_in_and_held_out(interactions(users, _SEED))
    has_held_out = np.flatnonzero(np.diff(held_out.indptr))
    fold_in, held_out = fold_in[has_held_out], held_out[has_held_out]
    model = MultVAE(shape.num_items, **given)
    ways: dict[str, Callable[[], dict[str, np.ndarray]]] = {
        "ours": lambda: model.rank_users(fold_in, held_out, batch_size).metrics
    }
    figures: dict[str, Any] = {"users": len(has_held_out)}
    if all_scores_fit(batch_size, shape.num_items, "plain"):
        ways["plain"] = lambda: numpy_metrics(model, fold_in, held_out, batch_size)
        ours, plain = (run() for run in ways.values())
        figures["largest_difference"] = max(float(np.abs(ours[name] - plain[name]).max()) for name in ours)
    return {**figures, **alternate(ways, min(rounds, _MOST_ROUNDS), warm_up=0).figures()}


def all_scores_fit(batch_size: int, num_items: int, ways: str) -> bool:
    """Whether to measure the ways that make a batch's scores of all items at once; says so if not."""
    fit = num_items < 2 * BLOCK_SIZE
    if not fit:
        print(f"Without {ways}: several times {batch_size} x {num_items:,} scores at once, which do not fit.")
    return fit


def fold_in_and_held_out(matrix: scipy.sparse.csr_matrix) -> list[scipy.sparse.csr_matrix]:
    """The interactions in two parts, a fifth of them in the second."""
    is_held_out = np.random.default_rng(_SEED).random(matrix.nnz) < 0.2
    parts = []
    for mask in (~is_held_out, is_held_out):
        before = np.concatenate([[0], np.cumsum(mask)])
        content = (matrix.data[mask], matrix.indices[mask], before[matrix.indptr])
        parts.append(scipy.sparse.csr_matrix(content, shape=matrix.shape))
    return parts


def numpy_metrics(
    model: MultVAE, fold_in: scipy.sparse.csr_matrix, held_out: scipy.sparse.csr_matrix, batch_size: int
) -> dict[str, np.ndarray]:
    """Each user's metrics as the original has them: dense scores, and argpartition per metric."""
    predict = tf.function(model.call, reduce_retracing=True)
    results: dict[str, list[np.ndarray]] = {name: [] for name in REPORTED_METRICS}
    for start in range(0, fold_in.shape[0], batch_size):
        seen, wanted = fold_in[start : start + batch_size], held_out[start : start + batch_size]
        x = Interactions(tf.constant(seen.indices, tf.int32), tf.constant(seen.indptr, tf.int32))
        scores = predict(x).numpy()
        scores[seen.nonzero()] = -np.inf
        for name in REPORTED_METRICS:
            kind, k = name.split("@")
            metric = _numpy_ndcg if kind == "NDCG" else _numpy_recall
            results[name].append(metric(scores, wanted, int(k)))
    return {name: np.concatenate(values) for name, values in results.items()}


def _numpy_ndcg(scores: np.ndarray, held_out: scipy.sparse.csr_matrix, k: int) -> np.ndarray:
    rows = np.arange(len(scores))[:, np.newaxis]
    top = np.argpartition(-scores, k, axis=1)[:, :k]
    top = top[rows, np.argsort(-scores[rows, top], axis=1)]
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    dcg = (held_out[rows, top].toarray() * discounts).sum(axis=1)
    idcg = np.array([discounts[: min(n, k)].sum() for n in held_out.getnnz(axis=1)])
    return dcg / idcg


def _numpy_recall(scores: np.ndarray, held_out: scipy.sparse.csr_matrix, k: int) -> np.ndarray:
    rows = np.arange(len(scores))[:, np.newaxis]
    is_top = np.zeros(scores.shape, bool)
    is_top[rows, np.argpartition(-scores, k, axis=1)[:, :k]] = True
    hits = np.logical_and(held_out.toarray() > 0, is_top).sum(axis=1).astype(np.float32)
    return hits / np.minimum(k, held_out.getnnz(axis=1))
