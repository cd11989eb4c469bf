"""Exports a run as a version that TensorFlow Serving loads: raw item ids in, raw item ids out.

python scripts/export.py                                         the run that was started last
python scripts/export.py --run=runs/ml20m/multvae/... --name=recommender --top_k=200
"""

from absl import flags
from cli import command_line, models, served_models

import data_prep
from multvae_tf.errors import RunError
from multvae_tf.run_folder import RunFolder, latest_run

FLAGS = flags.FLAGS
served_models.define_flags()
flags.DEFINE_string("run", None, "The folder of the run. Default: the run below runs/ that was started last.")


def main(_: list[str]) -> None:
    """Exports, then says where and what to type next."""
    run = RunFolder(FLAGS.run) if FLAGS.run else latest_run("runs")
    train = data_prep.load(run.read_settings()["dataset"]["folder"]).train
    served_models.export(run, models.load_model(run), train)


if __name__ == "__main__":
    command_line.run(main, RunError)
