"""The settings of a closed-form model by validation: a whole grid shares one Gram matrix."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from multvae_tf.batches import HeldOutBatch
from multvae_tf.errors import check
from multvae_tf.evaluation import Estimate, rank_users
from multvae_tf.linear import gram
from multvae_tf.linear.closed_form import solve_in_place
from multvae_tf.linear.solved_model import dense_scores
from multvae_tf.ranking import MONITORED, Ranking, rank_batch
from multvae_tf.recommender_model import Matrix, checked_csr, checked_held_out

if TYPE_CHECKING:
    from multvae_tf.linear.ease import ClosedFormModel

Model = TypeVar("Model", bound="ClosedFormModel")
Tried = list[tuple[dict[str, float], dict[str, Estimate]]]


class Choice(NamedTuple):
    """What `choose` found.

    Attributes:
        model: fitted, with the best settings.
        settings: the best settings.
        tried: all settings with their metrics on the validation users, in the order of the grid.
    """

    model: Any
    settings: dict[str, float]
    tried: Tried


def choose(
    model: Model,
    grid: Mapping[str, Sequence[float]],
    x: Matrix,
    validation_data: tuple[Matrix, Matrix],
    *,
    batch_size: int = 500,
    verbose: int | str = "auto",
) -> Choice:
    """Solves for every combination of settings, and fits the model with the best validation NDCG@100.

    Memory is that of two matrices [num_items, num_items]: the best solution is made anew at the end, in the
    place of the Gram matrix.

    Args:
        model: EASE, EDLAE or RDLAE, from which the settings that are not in the grid are taken.
        grid: for each setting that is to be chosen the values to be tried.
        x: scipy sparse [num_users, num_items], the training users.
        validation_data: fold-in and held-out, scipy sparse [num_validation_users, num_items] each.
        batch_size: validation users at a time.
        verbose: 0 tells nothing.

    Raises:
        SettingError: the grid names an unknown setting, a value is out of range, or the data does not fit.
        RunError: no user has a held-out item, or there is no solution with some of the settings.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.linear import EASE, choose
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> known, hidden = scipy.sparse.random(9, 20, 0.3, "csr", random_state=1) > 0, x[:9]
        >>> hidden = hidden > hidden.multiply(known)
        >>> choice = choose(EASE(20), {"l2": [1.0, 10.0]}, x, (known, hidden), verbose=0)
        >>> choice.model.l2 == choice.settings["l2"]
        True
    """
    common_users = gram.gram_matrix(checked_csr(x, "x", model.num_items))
    tried = try_all(model, grid, common_users, validation_data, batch_size=batch_size, verbose=verbose)
    settings = best_of(tried)
    chosen = type(model).from_config({**model.get_config(), **settings})
    chosen.solve_gram(common_users)
    return Choice(chosen, settings, tried)


def best_of(tried: Tried) -> dict[str, float]:
    """The settings with the best validation NDCG@100, of equal ones the first."""
    return max(tried, key=lambda settings_and_found: settings_and_found[1][MONITORED].mean)[0]


def try_all(
    model: "ClosedFormModel",
    grid: Mapping[str, Sequence[float]],
    common_users: np.ndarray,
    validation_data: tuple[Matrix, Matrix],
    *,
    batch_size: int,
    verbose: int | str,
) -> Tried:
    """Solves for every combination of settings: their metrics on the validation users.

    Args:
        model: as of `choose`.
        grid: as of `choose`.
        common_users: the Gram matrix, float32 [num_items, num_items]; it is not changed.
        validation_data: as of `choose`.
        batch_size: as of `choose`.
        verbose: as of `choose`.
    """
    fold_in, hidden = checked_held_out(*validation_data, model.num_items)

    @tf.function(reduce_retracing=True)
    def rank(weights: tf.Tensor, batch: HeldOutBatch) -> Ranking:
        return rank_batch(dense_scores(weights, batch.fold_in), model.num_items, batch)

    tried: Tried = []
    for settings, candidate in _combinations(model, grid):
        weights = _shared(_solution(candidate, gram.copy(common_users)))
        found = rank_users(functools.partial(rank, weights), fold_in, hidden, batch_size).estimates()
        del weights
        tried.append((settings, found))
        if verbose != 0:
            print(f"{type(model).__name__} {settings}: validation {MONITORED} {found[MONITORED]}", flush=True)
    return tried


def _combinations(model: Model, grid: Mapping[str, Sequence[float]]) -> list[tuple[dict[str, float], Model]]:
    config = model.get_config()
    for name, values in grid.items():
        is_setting = name in ("l2", "dropout_rate", "max_self_weight") and name in config
        check(is_setting, "grid", f"for {name!r}", f"for settings of {type(model).__name__}")
        check(len(values) > 0, f"the grid for {name}", "empty", "a list of values")
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [(settings, type(model).from_config({**config, **settings})) for settings in combinations]


def _solution(model: "ClosedFormModel", common_users: np.ndarray) -> np.ndarray:
    return solve_in_place(common_users, *model.penalties)


def _shared(weights: np.ndarray) -> tf.Tensor:
    return tf.experimental.dlpack.from_dlpack(weights.__dlpack__())
