"""Recommends items to a user who liked the given ones, or to every user of a file.

python scripts/recommend.py --history="1,50,260"             by the run that was started last
python scripts/recommend.py --run=runs/ml20m/multvae/... --history="1,50,260" --k=20
python scripts/recommend.py --saved_model=saved_models/recommender/1 --history="1,50,260"
python scripts/recommend.py --server=localhost:8501 --history="1,50,260"        REST
python scripts/recommend.py --server=grpc://localhost:8500 --history="1,50,260"
python scripts/recommend.py --saved_model=... --histories=users.parquet --output=recommendations.parquet
"""

from pathlib import Path

from absl import flags
from multvae_tf.run_folder import RunFolder, latest_run

from cli import command_line
from multvae_tf.errors import RunError
from multvae_tf.serving import bulk, clients
from multvae_tf.serving.recommender import Recommender, describe_answer, parse_ids

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "The folder of the run. Default: the run below runs/ that was started last.")
flags.DEFINE_string(
    "saved_model", None, "Instead of a run: an exported version, saved_models/<name>/<version>."
)
flags.DEFINE_string("server", None, "Instead of a run: a server, host:port (REST) or grpc://host:port.")
flags.DEFINE_string("name", "recommender", "With --server: the name of the model.")
flags.DEFINE_string("label", "", "With --server: the label of the version. Default: the latest version.")
flags.DEFINE_float("timeout", 5.0, "With --server: seconds that an answer may take.", lower_bound=0.01)
flags.DEFINE_string(
    "history",
    None,
    "Raw ids of the items that the user liked, separated by commas; quote an id that has one.",
)
flags.DEFINE_string("exclude", "", "Raw ids that are not to be recommended, written as --history.")
flags.DEFINE_integer("k", 10, "How many items to recommend.", lower_bound=1)
flags.DEFINE_string(
    "histories",
    None,
    "Instead of --history: a Parquet or CSV file with the columns user_id and history, a list of item ids "
    "or a text of ids with separators.",
)
flags.DEFINE_string("output", "recommendations.parquet", "With --histories: the file to write.")


def main(_: list[str]) -> None:
    """Prints the recommendations of one user, or writes those of many."""
    if (FLAGS.history is None) == (FLAGS.histories is None):
        raise RunError("give either --history, the ids of one user, or --histories, a file of users")
    if FLAGS.histories is None:
        history, exclude = parse_ids(FLAGS.history), parse_ids(FLAGS.exclude)
        print(describe_answer(open_recommender(), history, FLAGS.k, exclude))
        return
    if FLAGS.saved_model is None:
        raise RunError("--histories needs --saved_model: export the run first")
    recommend_to_all()


def open_recommender() -> Recommender:
    """What --run, --saved_model or --server names; TensorFlow is imported only where it is needed."""
    if sum(flag is not None for flag in (FLAGS.run, FLAGS.saved_model, FLAGS.server)) > 1:
        raise RunError("give only one of --run, --saved_model and --server")
    if FLAGS.server:
        return clients.connect(FLAGS.server, FLAGS.name, label=FLAGS.label, timeout=FLAGS.timeout)
    from cli import tensorflow_setup  # noqa: F401  (before anything that imports TensorFlow)
    from multvae_tf.serving.local import SavedModelRecommender

    if FLAGS.saved_model:
        return SavedModelRecommender(FLAGS.saved_model)
    return open_run(RunFolder(FLAGS.run) if FLAGS.run else latest_run("runs"))


def open_run(run: RunFolder) -> Recommender:
    """The model of a run; its dataset is looked up only for a user of whom nothing is known."""
    import numpy as np

    import data_prep
    from cli import models
    from multvae_tf.serving.local import RunRecommender

    def item_popularity() -> np.ndarray:
        train = data_prep.load(run.read_settings()["dataset"]["folder"]).train
        return np.bincount(train.indices, minlength=train.shape[1])

    return RunRecommender(models.load_model(run), *run.read_items(), item_popularity)


def recommend_to_all() -> None:
    """Writes --output from --histories by --saved_model."""
    from cli import tensorflow_setup  # noqa: F401  (before anything that imports TensorFlow)
    from multvae_tf.serving.local import SavedModelRecommender

    recommender = SavedModelRecommender(FLAGS.saved_model)
    result = bulk.recommend_file(
        recommender,
        Path(FLAGS.histories),
        Path(FLAGS.output),
        k=FLAGS.k,
        model_identity=recommender.identity,
        separator=recommender.manifest["separator"],
        batch_size=recommender.users_at_a_time,
    )
    before = f", {result.num_done_before:,} of them by an earlier call" if result.num_done_before else ""
    print(f"{FLAGS.output}: {result.num_users:,} users{before}; {result.users_per_second:,.0f} users/s.")


if __name__ == "__main__":
    command_line.run(main, RunError)
