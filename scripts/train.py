"""Trains a model on a dataset, tests it on the held-out users, and writes a run folder.

python scripts/train.py                                      the offline demo
python scripts/train.py --dataset=ml20m                      as in the papers
python scripts/train.py --dataset=ratings.csv --threshold=0  your own interactions
python scripts/train.py --resume --run_dir=runs/...          goes on where a run stopped
"""

import datetime
import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from absl import flags
from cli import command_line, dataset_flags, models, served_models

import data_prep
from data_prep import PreparedDataset
from multvae_tf import report
from multvae_tf.beta_search import find_anneal_cap
from multvae_tf.config import Config
from multvae_tf.errors import RunError
from multvae_tf.evaluation import evaluate, evaluate_popularity, rank_held_out
from multvae_tf.run_folder import RunFolder
from multvae_tf.training import TrainingResult, train

FLAGS = flags.FLAGS
dataset_flags.define()
models.define_flags()
served_models.define_flags()
flags.DEFINE_bool(
    "export", False, "Export the finished run for TensorFlow Serving, as scripts/export.py does."
)
flags.DEFINE_string(
    "run_dir", None, "The folder of this run. Default: runs/<dataset>/<model>/<time>-seed<seed>."
)
flags.DEFINE_bool("resume", False, "Continue the run in --run_dir; its settings need not be repeated.")


def main(argv: list[str]) -> None:
    """Load, model, fit, evaluate, report, export."""
    if FLAGS.resume:
        folder, config, dataset = continued_run()
    else:
        folder, config, dataset = new_run(argv)
    print(f"{dataset.name}: {dataset.train.shape[0]:,} training users, {dataset.num_items:,} items")
    print(f"If this is stopped: python scripts/train.py --resume --run_dir={folder.folder}")
    validation = (dataset.validation.fold_in, dataset.validation.held_out)
    if getattr(config, "anneal_cap", 0) is None:
        print("First a run annealed to beta = 1, to find the largest beta.")
        config = find_anneal_cap(config, dataset.train, validation, folder)
        print(f"Its best epoch had beta = {config.anneal_cap:.4f}: the largest beta of the run that follows.")
        folder.write_json(folder.settings_path, folder.read_settings() | {"config": config.to_json()})
    model = config.build_model(dataset.num_items)
    result = train(model, dataset.train, validation, config, folder)
    test = rank_held_out(model, dataset.test.fold_in, dataset.test.held_out, config.batch_size)
    test.save(folder.test_users_path)
    estimates = {
        "test": test.estimates(),
        "validation": evaluate(model, *validation, config.batch_size),
    }
    folder.write_json(folder.metrics_path, metrics(folder.read_settings(), result, estimates))
    report.write_curves(folder)
    report.write_card(folder)
    rows = {f"{part}, this run": values for part, values in estimates.items()}
    rows["test, popularity"] = evaluate_popularity(dataset.train, dataset.test.fold_in, dataset.test.held_out)
    print(f"\n{report.results_table(rows, dataset.name, dataset.spec.protocol)}\n")
    print(f"Mean over users, standard error over users in brackets; weights of epoch {result.best_epoch}.")
    print(f"The run lies in {folder.folder}. Next:")
    history = ",".join(dataset.item_ids[dataset.test.fold_in[0].indices[:3]])
    print(f'  python scripts/recommend.py --run={folder.folder} --history="{history}"')
    if FLAGS.export:
        served_models.export(folder, model, dataset.train)


def new_run(argv: list[str]) -> tuple[RunFolder, Config, PreparedDataset]:
    """Prepares the dataset, resolves the settings and creates the run's folder."""
    spec = dataset_flags.spec_from_flags()
    config = models.config_from_flags(spec.name)
    dataset = data_prep.prepare(spec, FLAGS.data_dir)
    config = config.resolve(dataset.train.shape[0])
    started = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = RunFolder(
        FLAGS.run_dir or Path("runs", dataset.name, FLAGS.model, f"{started}-seed{config.seed}")
    )
    settings = {
        "model": FLAGS.model,
        "config": config.to_json(),
        "dataset": {
            "name": dataset.name,
            "protocol": spec.protocol,
            "fingerprint": dataset.fingerprint,
            "folder": str(Path(dataset.folder).resolve()),
            "num_train_users": dataset.train.shape[0],
            "num_items": dataset.num_items,
        },
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("multvae-tf", "tensorflow", "keras", "numpy", "scipy")},
        "command": " ".join(["python", *argv[:1], *sys.argv[1:]]),
    }
    folder.create(settings, dataset.item_ids, dataset.item_titles)
    return folder, config, dataset


def continued_run() -> tuple[RunFolder, Config, PreparedDataset]:
    """Opens the run in --run_dir; flags that are given must agree with its settings."""
    if not FLAGS.run_dir:
        raise RunError("--resume needs the run's folder: add --run_dir=runs/<dataset>/<model>/<run>")
    folder = RunFolder(FLAGS.run_dir)
    settings = folder.read_settings()
    given = models.given_fields(settings["model"])
    expected: dict[str, Any] = {"config": {k: v for k, v in given.items() if v is not None}}
    if FLAGS["model"].present:
        expected["model"] = FLAGS.model
    if FLAGS["dataset"].present:
        expected["dataset"] = {"name": dataset_flags.spec_from_flags().name}
    folder.require_settings(expected)
    dataset = data_prep.load(settings["dataset"]["folder"])
    folder.require_settings({"dataset": {"fingerprint": dataset.fingerprint}})
    return folder, models.stored_config(settings), dataset


def metrics(
    settings: dict[str, Any], result: TrainingResult, estimates: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The content of metrics.json."""
    return {
        "model": settings["model"],
        "dataset": settings["dataset"]["name"],
        "seed": settings["config"]["seed"],
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        **{part: report.estimates_to_json(values) for part, values in estimates.items()},
        "seconds": result.seconds,
        "users_per_second": result.users_per_second,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "hardware": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
    }


if __name__ == "__main__":
    command_line.run(main, RunError)
