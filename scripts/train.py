"""Trains a model on a dataset, tests it on the held-out users, and writes a run folder.

python scripts/train.py                                      the offline demo
python scripts/train.py --dataset=ml20m                      as in the papers
python scripts/train.py --dataset=ratings.csv --threshold=0  your own interactions
python scripts/train.py --resume --run=runs/...              goes on where a run stopped
python scripts/train.py --config=runs/.../config.json        with the settings of another run
python scripts/train.py --model=recvae --help                the settings of a model
"""

import datetime
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

import multvae_tf
from cli import command_line, dataset_flags, model_flags, served_models, stored_runs
from data_prep.database_url import without_secrets
from multvae_tf.errors import RunError

if TYPE_CHECKING:
    from data_prep import PreparedDataset
    from multvae_tf import Run

FLAGS = flags.FLAGS
with command_line.flag_group("data"):
    dataset_flags.define()
model_flags.define()
with command_line.flag_group("run"):
    flags.DEFINE_string(
        "run", None, "The folder of this run. Default: runs/<dataset>/<model>/<time>-<process>-seed<seed>."
    )
    flags.DEFINE_alias("run_dir", "run")
    flags.DEFINE_bool(
        "resume", False, "Whether to continue the run in --run; its settings need not be given."
    )
    flags.DEFINE_string(
        "config", None, "A config.json that a run wrote: its settings are taken, and flags override them."
    )
    flags.DEFINE_bool("export", False, "Whether to export the finished run for TensorFlow Serving.")
    served_models.define_flags()


def main(_: list[str]) -> None:
    """Load, model, fit, evaluate, print."""
    command_line.import_tensorflow(stored_runs.environment_of(FLAGS.run) if FLAGS.resume else None)
    run, dataset = resumed() if FLAGS.resume else trained()
    from multvae_tf import report

    print(f"\n{report.results_table(report.result_rows(run), run.settings.data)}\n")
    best_epoch = run.metrics.best_epoch
    print(f"Mean over users, standard error over users in brackets; weights of epoch {best_epoch}.")
    print(f"The run lies in {run.folder}. Next:")
    history = dataset.item_ids[dataset.test.fold_in[0].indices[:3]]
    print(f"  {served_models.recommend_command(f'--run={run.folder}', history)}")
    if FLAGS.export:
        served_models.export(run)


def trained() -> tuple["Run", "PreparedDataset"]:
    """Prepares the dataset, makes the model that the flags describe, and trains it into a new run."""
    import data_prep

    stored = stored_runs.take_settings_file(FLAGS.config) if FLAGS.config else None
    spec = dataset_flags.spec_from_flags()
    settings = model_flags.settings(spec.name, stored)
    config = settings.training()
    dataset = data_prep.prepare(spec, FLAGS.data_dir)
    started = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    seed = settings.values.get("seed", 0)
    name = f"{started}-{os.getpid()}-seed{seed}"
    folder = FLAGS.run or Path("runs", dataset.name, settings.model, name)
    if multvae_tf.Run(folder).settings_path.exists():
        raise RunError(f"{folder} already holds a run: continue it with --resume, or name another --run")
    return train(settings.new_model(dataset.num_items), dataset, folder, config), dataset


def resumed() -> tuple["Run", "PreparedDataset"]:
    """Continues the run in --run; flags that are given must agree with its settings."""
    if not FLAGS.run:
        raise RunError("--resume needs the run's folder: add --run=runs/<dataset>/<model>/<run>")
    run = multvae_tf.Run.open(FLAGS.run)
    stored_runs.require_agreement(run)
    dataset = stored_runs.dataset_of(run, FLAGS.data_dir)
    return train(run.new_model(), dataset, run.folder, run.settings.training), dataset


def train(model: Any, dataset: "PreparedDataset", folder: str | Path, config: Any) -> "Run":
    """Trains into a run folder, says how to go on if that is stopped, and tests."""
    if dataset.description:
        print(dataset.description)
    print(f"{dataset.name}: {dataset.train.shape[0]:,} training users, {dataset.num_items:,} items")
    again = shlex.join(["python", "scripts/train.py", "--resume", f"--run={folder}"])
    print(f"If this is stopped: {again}")
    return multvae_tf.train(
        model,
        dataset.train,
        (dataset.validation.fold_in, dataset.validation.held_out),
        test_data=(dataset.test.fold_in, dataset.test.held_out),
        folder=folder,
        config=config,
        items=multvae_tf.Items.of(dataset.item_ids, dataset.item_titles, dataset.train.getnnz(axis=0)),
        data=stored_runs.record_of(dataset),
        resume=FLAGS.resume,
        command=without_secrets(shlex.join(["python", *sys.argv])),
    )


if __name__ == "__main__":
    command_line.run(main, describe=model_flags.described)
