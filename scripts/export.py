"""Exports a run as a version that TensorFlow Serving loads: raw item ids in, raw item ids out.

python scripts/export.py --name=recommender                      the run that was started last
python scripts/export.py --run=runs/ml20m/multvae/... --name=recommender --top_k=200
"""

import command_line
import models
import numpy as np
from absl import flags

from data_prep import store
from multvae_tf.errors import RunError
from multvae_tf.export import export_run
from multvae_tf.run_folder import RunFolder, latest_run

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "The folder of the run. Default: the run below runs/ that was started last.")
flags.DEFINE_string("name", "recommender", "The name under which the model is served.")
flags.DEFINE_integer("top_k", 100, "How many items a recommendation holds.", lower_bound=1)
flags.DEFINE_string("saved_models_dir", "saved_models", "Where served models lie.")


def main(_: list[str]) -> None:
    """Exports, then says where and what to type next."""
    run = RunFolder(FLAGS.run) if FLAGS.run else latest_run("runs")
    settings = run.read_settings()
    train = store.load(settings["dataset"]["folder"]).train
    folder = export_run(
        run,
        models.load_model(run),
        np.bincount(train.indices, minlength=train.shape[1]),
        name=FLAGS.name,
        top_k=FLAGS.top_k,
        saved_models_dir=FLAGS.saved_models_dir,
    )
    megabytes = sum(path.stat().st_size for path in folder.rglob("*")) / 1e6
    print(f"Exported {run.folder} to {folder} ({megabytes:.1f} MB). Next:")
    history = ",".join(f'""{i}""' if "," in i else i for i in run.read_items()[0][:3])
    print(f'  python scripts/recommend.py --saved_model={folder} --history="{history}"')


if __name__ == "__main__":
    command_line.run(main, RunError)
