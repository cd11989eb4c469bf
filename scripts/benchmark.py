"""Measures this machine: ours beside the plain way and the floor, alternately in one process.

python scripts/benchmark.py data_prep                    a CSV of ML-20M's size, prepared in its own process
python scripts/benchmark.py train_step --model=multvae   a step; for recvae 3 encoder steps and 1 decoder step
python scripts/benchmark.py evaluate                     10,000 held-out users
python scripts/benchmark.py epoch --model=recvae         a run of --epochs epochs, with its peak memory
python scripts/benchmark.py serving                      an export in the C++ runtime, one request at a time

The settings of --model are those of its paper for ML-20M, as far as they are not given here. The shape
1m_items asks for --hidden_dims=200, and for --num_sampled_items to train.
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from cli import command_line, model_flags
from data_prep.files import write_file
from multvae_tf.errors import RunError

FLAGS = flags.FLAGS
with command_line.flag_group("data"):
    flags.DEFINE_enum(
        "shape",
        "ml20m",
        ["tiny", "ml20m", "netflix", "msd", "1m_items"],
        "The size of the generated data: a dataset of the papers, tiny, or a million items.",
    )
    flags.DEFINE_integer("heldout_users", 10_000, "How many users `evaluate` ranks for.", lower_bound=1)
    flags.DEFINE_integer(
        "train_users", None, "How many users `epoch` trains on. Default: all of the shape.", lower_bound=1
    )
    flags.DEFINE_string("benchmark_dir", "data/benchmark", "The folder in which generated data is kept.")
model_flags.define()
with command_line.flag_group("measurement"):
    flags.DEFINE_integer("rounds", 30, "How often each way is timed.", lower_bound=1)
    flags.DEFINE_bool(
        "reference_torch", False, "Whether `train_step` also times a PyTorch model of the same shape."
    )
    flags.DEFINE_float(
        "max_ratio_to_plain",
        None,
        "The largest part of the plain way's time that ours may take; if it takes more, the command fails.",
    )
    flags.DEFINE_string("json", None, "A file into which the figures are written too.")

_WIDTHS = ("hidden_dims", "latent_dim")


def data_preparation() -> dict[str, Any]:
    """Seconds and peak memory of preparing a CSV of ML-20M's size."""
    from benchmarks import data_preparation

    return data_preparation.prepare(data_preparation.ratings_csv(Path(FLAGS.benchmark_dir)))


def train_step() -> dict[str, Any]:
    """Ours, and beside the papers' networks the plain dense way and the needed matrix products alone."""
    from benchmarks import step_timing, synthetic

    shape = synthetic.SHAPES[FLAGS.shape]
    given = model_flags.given()
    return step_timing.measure(FLAGS.model, given, shape, FLAGS.rounds, with_torch=FLAGS.reference_torch)


def evaluate() -> dict[str, Any]:
    """A Mult-VAE of random weights: ours, and dense NumPy with argpartition; the metrics must agree."""
    from benchmarks import evaluation_ways, synthetic

    shape = synthetic.SHAPES[FLAGS.shape]
    given = {name: value for name, value in model_flags.given().items() if name in _WIDTHS}
    batch_size = FLAGS.batch_size or 500
    return evaluation_ways.measure(given, shape, FLAGS.heldout_users, batch_size, FLAGS.rounds)


def epoch() -> dict[str, Any]:
    """Time and peak memory of a whole run, validation and checkpoints included; what its input costs."""
    if not FLAGS["epochs"].present:
        raise RunError("epoch needs --epochs: how many to train")
    from benchmarks import whole_run

    given, folder = model_flags.given(), Path(FLAGS.benchmark_dir)
    return whole_run.measure(FLAGS.model, given, FLAGS.shape, FLAGS.train_users, folder)


def serving() -> dict[str, Any]:
    """Latency and throughput of an exported Mult-VAE, beside its decoder's matrix product alone."""
    from benchmarks import serving_latency, synthetic

    return serving_latency.measure(synthetic.SHAPES[FLAGS.shape].num_items)


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
    if argv[1] != "data_prep":
        command_line.import_tensorflow()
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
    command_line.run(main, takes_arguments=True, describe=model_flags.described)
