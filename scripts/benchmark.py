"""Measures this machine: ours beside the plain way and the floor, alternately in one process.

python scripts/benchmark.py data_prep                    a CSV of ML-20M's size, prepared in its own process
python scripts/benchmark.py train_step --model=multvae   a step; for recvae 3 encoder steps and 1 decoder step
python scripts/benchmark.py evaluate                     10,000 held-out users
python scripts/benchmark.py epoch --model=recvae         a run of --epochs epochs, with its peak memory
python scripts/benchmark.py serving                      an export in the C++ runtime, one request at a time

The shape 1m_items asks for --hidden_dims=200, and for --num_sampled_items to train.
"""

import itertools
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from absl import flags
from multvae_tf.run_folder import RunFolder

import benchmarks.data_preparation
import benchmarks.multvae_steps
import benchmarks.multvae_torch
import benchmarks.recvae_steps
import benchmarks.recvae_torch
import benchmarks.serving_latency
from benchmarks import synthetic
from benchmarks.timing import Timings, alternate, peak_memory_bytes
from cli import command_line, models
from data_prep.files import write_file
from multvae_tf.batches import steps_per_epoch, training_batches
from multvae_tf.errors import RunError
from multvae_tf.models import MultVAE
from multvae_tf.ranking import BLOCK_SIZE
from multvae_tf.training import train

FLAGS = flags.FLAGS
models.define_flags()
flags.DEFINE_enum("shape", "ml20m", sorted(synthetic.SHAPES), "Size of the generated data.")
flags.DEFINE_integer("rounds", 30, "How often each way is timed.", lower_bound=1)
flags.DEFINE_integer("heldout_users", 10_000, "Users of `evaluate`.", lower_bound=1)
flags.DEFINE_integer("train_users", None, "Users of `epoch`. Default: all of the shape.", lower_bound=1)
flags.DEFINE_bool("reference_torch", False, "In train_step: also time a PyTorch model of the same shape.")
flags.DEFINE_float(
    "max_ratio_to_plain", None, "Fail if ours takes more than this part of the plain way's time."
)
flags.DEFINE_string("json", None, "Also write the figures into this file. Default: do not.")
flags.DEFINE_string("benchmark_dir", "data/benchmark", "Where generated data is kept.")

_SEED = 1
_INPUT_BATCHES = 100
_WIDTHS = ("hidden_dims", "latent_dim")
# What does not make ours another network than that of the other ways; these stay in float32.
_SETTINGS_OF_ALL_WAYS = {"batch_size", "mixed_precision"}
_STEPS = {"multvae": benchmarks.multvae_steps, "recvae": benchmarks.recvae_steps}
_TORCH_STEPS = {
    "multvae": benchmarks.multvae_torch.torch_step,
    "recvae": benchmarks.recvae_torch.torch_step,
}


def data_preparation() -> dict[str, Any]:
    """Seconds and peak memory of preparing a CSV of ML-20M's size."""
    return benchmarks.data_preparation.prepare(
        benchmarks.data_preparation.ratings_csv(Path(FLAGS.benchmark_dir))
    )


def train_step() -> dict[str, Any]:
    """Ours, and beside the papers' networks the plain dense way and the needed matrix products alone."""
    if FLAGS.model not in _STEPS:
        raise RunError(f"--model is {FLAGS.model}; train_step measures {' and '.join(_STEPS)}")
    shape, batch_size = synthetic.SHAPES[FLAGS.shape], FLAGS.batch_size or 500
    density = shape.num_interactions / shape.num_users
    few = synthetic.Shape(8 * batch_size, shape.num_items, int(8 * batch_size * density))
    matrix = synthetic.interactions(few, _SEED)
    builders = _STEPS[FLAGS.model]
    model = models.config_from_flags("ml20m").build_model(shape.num_items)
    ways = {"ours": builders.ours(model, batch_size, matrix)}
    settings = sorted(models.given_fields(FLAGS.model).keys() - _SETTINGS_OF_ALL_WAYS)
    if settings:
        print(f"Without plain and floor: they are those of the paper's settings, not of --{settings[0]}.")
    elif _all_scores_fit(batch_size, "plain and floor"):
        for name in ("plain", "floor"):
            ways[name] = getattr(builders, name)(shape.num_items, batch_size, matrix)
        if FLAGS.reference_torch:
            ways["torch"] = _torch_step(shape.num_items, batch_size, matrix)
    return _ratios(alternate(ways, FLAGS.rounds))


def _torch_step(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Callable[[], None]:
    try:
        return _TORCH_STEPS[FLAGS.model](num_items, batch_size, matrix)
    except ImportError:
        raise RunError("--reference_torch needs PyTorch: pip install torch") from None


def _all_scores_fit(batch_size: int, ways: str) -> bool:
    """Whether to measure the ways that make a batch's scores of all items at once; says so if not."""
    num_items = synthetic.SHAPES[FLAGS.shape].num_items
    fit = num_items < 2 * BLOCK_SIZE
    if not fit:
        print(f"Without {ways}: several times {batch_size} x {num_items:,} scores at once, which do not fit.")
    return fit


def evaluate() -> dict[str, Any]:
    """A Mult-VAE of random weights: ours, and dense NumPy with argpartition; the metrics must agree."""
    shape, batch_size = synthetic.SHAPES[FLAGS.shape], FLAGS.batch_size or 500
    density = shape.num_interactions / shape.num_users
    users = synthetic.Shape(FLAGS.heldout_users, shape.num_items, int(FLAGS.heldout_users * density))
    fold_in, held_out = _fold_in_and_held_out(synthetic.interactions(users, _SEED))
    has_held_out = np.flatnonzero(np.diff(held_out.indptr))
    fold_in, held_out = fold_in[has_held_out], held_out[has_held_out]
    given = models.given_fields("multvae")
    model = MultVAE(shape.num_items, **{name: given[name] for name in _WIDTHS if name in given})
    ways = benchmarks.multvae_steps.evaluation_ways(model, batch_size, fold_in, held_out)
    figures: dict[str, Any] = {"users": len(has_held_out)}
    if _all_scores_fit(batch_size, "plain"):
        ours, plain = (run() for run in ways.values())
        figures["largest_difference"] = max(float(np.abs(ours[name] - plain[name]).max()) for name in ours)
    else:
        del ways["plain"]
    return {**figures, **_ratios(alternate(ways, min(FLAGS.rounds, 3), warm_up=0))}


def _fold_in_and_held_out(matrix: scipy.sparse.csr_matrix) -> list[scipy.sparse.csr_matrix]:
    """The interactions in two parts, a fifth of them in the second."""
    is_held_out = np.random.default_rng(_SEED).random(matrix.nnz) < 0.2
    parts = []
    for mask in (~is_held_out, is_held_out):
        before = np.concatenate([[0], np.cumsum(mask)])
        content = (matrix.data[mask], matrix.indices[mask], before[matrix.indptr])
        parts.append(scipy.sparse.csr_matrix(content, shape=matrix.shape))
    return parts


def epoch() -> dict[str, Any]:
    """Time and peak memory of a whole run, validation and checkpoints included; what its input costs."""
    if not FLAGS["epochs"].present:
        raise RunError("epoch needs --epochs: how many to train")
    config = models.config_from_flags("ml20m")
    started = time.perf_counter()
    path = _generate_elsewhere()
    seconds_for_data = time.perf_counter() - started
    matrix = scipy.sparse.load_npz(path)[: FLAGS.train_users]
    model = config.resolve(matrix.shape[0]).build_model(matrix.shape[1])
    fold_in, held_out = _fold_in_and_held_out(matrix[:1000])
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(name)
        folder.create({"config": config.to_json()}, [str(i) for i in range(matrix.shape[1])], None)
        first_step = benchmarks.multvae_steps.FirstStep()
        result = train(model, matrix, (fold_in, held_out), config, folder, callbacks=[first_step])
    steps = steps_per_epoch(matrix.shape[0], config.batch_size) * model.passes_per_epoch
    step_ms = 1e3 * result.seconds / result.epochs / steps
    input_ms = _input_ms(matrix, config.batch_size)
    return {
        "epochs": result.epochs,
        "seconds_to_first_step": first_step.seconds - seconds_for_data,
        "seconds_per_epoch": result.seconds / result.epochs,
        "step_ms": step_ms,
        "input_ms": input_ms,
        "input_to_step": input_ms / step_ms,
        "users_per_second": result.users_per_second,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _input_ms(matrix: scipy.sparse.csr_matrix, batch_size: int) -> float:
    """Milliseconds for a batch, when nothing else is done."""
    batches = iter(training_batches(matrix, batch_size, seed=_SEED))
    next(batches)
    started = time.perf_counter()
    count = sum(1 for _ in itertools.islice(batches, _INPUT_BATCHES))
    return 1e3 * (time.perf_counter() - started) / max(count, 1)


def _generate_elsewhere() -> Path:
    """The generated data's file, made in another process so that its memory does not count here."""
    arguments = (FLAGS.shape, _SEED, Path(FLAGS.benchmark_dir))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(synthetic.stored_interactions, arguments)


def serving() -> dict[str, Any]:
    """Latency and throughput of an exported Mult-VAE, beside its decoder's matrix product alone."""
    return benchmarks.serving_latency.measure(synthetic.SHAPES[FLAGS.shape].num_items)


def _ratios(timings: Timings) -> dict[str, Any]:
    others = [name for name in timings.seconds if name != "ours"]
    return {
        "rounds": len(timings.seconds["ours"]),
        **{f"{name}_ms": timings.median(name) * 1e3 for name in timings.seconds},
        **{f"ratio_to_{name}": timings.ratio("ours", name) for name in others},
        "peak_memory_bytes": peak_memory_bytes(),
    }


BENCHMARKS = {
    "data_prep": data_preparation,
    "train_step": train_step,
    "evaluate": evaluate,
    "epoch": epoch,
    "serving": serving,
}


def main(argv: list[str]) -> None:
    """Runs one benchmark and prints its figures."""
    if len(argv) != 2 or argv[1] not in BENCHMARKS:
        raise RunError(f"name one benchmark: {', '.join(BENCHMARKS)}")
    figures = BENCHMARKS[argv[1]]()
    for name, value in figures.items():
        if name.endswith("_bytes"):
            print(f"{name.removesuffix('_bytes').replace('_', ' '):>22} {value / 2**20:>12,.0f} MiB")
        else:
            shown = f"{value:,.3g}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
            print(f"{name.replace('_', ' '):>22} {shown:>12}")
    limit, ratio = FLAGS.max_ratio_to_plain, figures.get("ratio_to_plain")
    if limit is not None and (ratio is None or ratio > limit):
        raise RunError(f"the ratio to the plain way is {ratio}; --max_ratio_to_plain is {limit}")
    if FLAGS.json:
        text = json.dumps(figures, indent=2) + "\n"
        write_file(Path(FLAGS.json), lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    command_line.run(main, RunError, takes_arguments=True)
