"""A training step of a model, beside the plain dense way and the matrix products that it needs."""

from collections.abc import Callable, Mapping
from typing import Any

import scipy.sparse

from benchmarks import multvae_steps, multvae_torch, recvae_steps, recvae_torch
from benchmarks.evaluation_ways import all_scores_fit
from benchmarks.synthetic import Shape, interactions
from benchmarks.timing import alternate
from cli import settings
from multvae_tf.errors import RunError

_SEED = 1
_STEPS: Mapping[str, Any] = {"multvae": multvae_steps, "recvae": recvae_steps}
_TORCH_STEPS = {"multvae": multvae_torch.torch_step, "recvae": recvae_torch.torch_step}
# What does not make ours another network than that of the other ways; these stay in float32.
_SETTINGS_OF_ALL_WAYS = {"batch_size", "mixed_precision"}


def measure(
    model_name: str, given: Mapping[str, Any], shape: Shape, rounds: int, *, with_torch: bool = False
) -> dict[str, Any]:
    """Times ours and, beside the papers' networks, the plain dense way and the needed products alone.

    Args:
        model_name: multvae or recvae.
        given: settings that override those of the paper for ML-20M.
        shape: of the generated data.
        rounds: how often each way is timed.
        with_torch: whether a PyTorch model of the same shape is timed too.

    Returns:
        See `Timings.figures`.

    Raises:
        RunError: the model has no plain way, or PyTorch is wanted and not installed.
    """
    if model_name not in _STEPS:
        raise RunError(f"model is {model_name}; train_step measures {' and '.join(_STEPS)}")
    chosen = settings.resolve(model_name, "ml20m", given)
    training, batch_size = chosen.training(), chosen.training().batch_size
    density = shape.num_interactions / shape.num_users
    few = Shape(8 * batch_size, shape.num_items, int(8 * batch_size * density))
    matrix = interactions(few, _SEED)
    model = chosen.new_model(shape.num_items)
    num_updates = model.num_updates(shape.num_users, batch_size, training.epochs)
    model.prepare_training(matrix.shape[0], num_updates)
    model.compile(training.new_optimizer(model.default_learning_rate))
    builders = _STEPS[model_name]
    ways = {"ours": builders.ours(model, batch_size, matrix)}
    others = sorted(given.keys() - _SETTINGS_OF_ALL_WAYS)
    if others:
        print(f"Without plain and floor: they are those of the paper's settings, not of {others[0]}.")
    elif all_scores_fit(batch_size, shape.num_items, "plain and floor"):
        for name in ("plain", "floor"):
            ways[name] = getattr(builders, name)(shape.num_items, batch_size, matrix)
        if with_torch:
            ways["torch"] = _torch_step(model_name, shape.num_items, batch_size, matrix)
    return alternate(ways, rounds).figures()


def _torch_step(
    model_name: str, num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix
) -> Callable[[], None]:
    try:
        return _TORCH_STEPS[model_name](num_items, batch_size, matrix)
    except ImportError:
        raise RunError("reference_torch needs PyTorch: pip install torch") from None
