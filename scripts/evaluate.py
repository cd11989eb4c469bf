"""Repeats the test of a run, or tests it on another prepared dataset with the same items.

python scripts/evaluate.py                                   the run that was started last
python scripts/evaluate.py --run=runs/ml20m/multvae/...
python scripts/evaluate.py --run=... --dataset=other.csv
"""

from absl import flags
from cli import command_line, dataset_flags, models

import data_prep
from multvae_tf import report
from multvae_tf.errors import RunError
from multvae_tf.evaluation import evaluate
from multvae_tf.run_folder import RunFolder, latest_run

FLAGS = flags.FLAGS
dataset_flags.define()
flags.DEFINE_string("run", None, "The folder of the run. Default: the run below runs/ that was started last.")
flags.DEFINE_integer("evaluation_batch_size", 500, "Users at a time.", lower_bound=1)


def main(_: list[str]) -> None:
    """Prints the table of the validation and the test users."""
    folder = RunFolder(FLAGS.run) if FLAGS.run else latest_run("runs")
    settings = folder.read_settings()
    if FLAGS["dataset"].present:
        dataset = data_prep.prepare(dataset_flags.spec_from_flags(), FLAGS.data_dir)
    else:
        dataset = data_prep.load(settings["dataset"]["folder"])
    item_ids, _ = folder.read_items()
    if list(item_ids) != list(dataset.item_ids):
        raise RunError(
            f"{dataset.folder} has other items than {folder.items_path}: runs are tested on their own items"
        )
    model = models.load_model(folder)
    rows = {
        part: evaluate(model, users.fold_in, users.held_out, FLAGS.evaluation_batch_size)
        for part, users in (("test", dataset.test), ("validation", dataset.validation))
    }
    print(report.results_table(rows, dataset.name, dataset.spec.protocol))
    print("\nMean over users, standard error over users in brackets.")


if __name__ == "__main__":
    command_line.run(main, RunError)
