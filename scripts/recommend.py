"""Recommends items to a user who liked the given ones, or to every user of a file.

python scripts/recommend.py --history="1,50,260"             by the run that was started last
python scripts/recommend.py --run=runs/ml20m/multvae/... --history="1,50,260" --k=20
python scripts/recommend.py --saved_model=saved_models/recommender/1 --history="1,50,260"
python scripts/recommend.py --server=localhost:8501 --history="1,50,260"        REST
python scripts/recommend.py --server=grpc://localhost:8500 --history="1,50,260"
python scripts/recommend.py --histories=users.parquet --output=recommendations.parquet
"""

from pathlib import Path

from absl import flags

import multvae_tf
from cli import command_line, stored_runs
from multvae_tf.errors import RunError
from multvae_tf.serving.recommender import Recommender, describe_answer, parse_ids

FLAGS = flags.FLAGS
with command_line.flag_group("whom to ask"):
    stored_runs.define_run_flag()
    flags.DEFINE_string(
        "saved_model", None, "Instead of a run, an exported version: saved_models/<name>/<version>."
    )
    flags.DEFINE_string(
        "server",
        None,
        "Instead of a run, a server: host:port, https://host:port (REST), or grpc(s)://host:port.",
    )
    flags.DEFINE_string("name", "recommender", "With --server, the name of the model.")
    flags.DEFINE_string("label", "", "With --server, the label of the version. Default: the latest version.")
    flags.DEFINE_float("timeout", 5.0, "With --server, how many seconds a call may take.", lower_bound=0.01)
    flags.DEFINE_string("ca_file", None, "With --server, the PEM file of the authorities to trust.")
with command_line.flag_group("what to ask"):
    flags.DEFINE_string(
        "history",
        None,
        "Raw ids of the items that the user liked, with commas between; quote one that has a comma.",
    )
    flags.DEFINE_string("exclude", "", "Raw ids that are not to be recommended, written as --history.")
    flags.DEFINE_integer("k", 10, "How many items to recommend.", lower_bound=1)
    flags.DEFINE_string(
        "histories",
        None,
        "Instead of --history, a file of users: CSV, JSON lines, Parquet or Arrow with the columns user_id, "
        "history and, if wanted, exclude; the latter two are lists of item ids, or ids with commas between.",
    )
    flags.DEFINE_string(
        "output", "recommendations.parquet", "With --histories, the file to write: .parquet, .jsonl or .csv."
    )


def main(_: list[str]) -> None:
    """Prints the recommendations of one user, or writes those of many."""
    if (FLAGS.history is None) == (FLAGS.histories is None):
        raise RunError("give either --history, the ids of one user, or --histories, a file of users")
    if sum(flag is not None for flag in (FLAGS.run, FLAGS.saved_model, FLAGS.server)) > 1:
        raise RunError("give only one of --run, --saved_model and --server")
    for name in ("name", "label", "timeout", "ca_file"):
        if FLAGS[name].present and not FLAGS.server:
            raise RunError(f"--{name} has no effect without --server")
    if FLAGS.histories is None:
        if FLAGS["output"].present:
            raise RunError("--output has no effect without --histories")
        print(describe_answer(recommender(), parse_ids(FLAGS.history), FLAGS.k, parse_ids(FLAGS.exclude)))
    elif FLAGS.server:
        raise RunError("--histories needs a model in this process: give --run or --saved_model, not --server")
    else:
        recommend_to_all()


def recommender() -> Recommender:
    """What --run, --saved_model or --server names; TensorFlow is imported only where it is needed."""
    if FLAGS.server:
        options = {"label": FLAGS.label, "timeout": FLAGS.timeout, "ca_file": FLAGS.ca_file}
        if FLAGS.server.startswith("grpc"):
            command_line.import_tensorflow()
        return multvae_tf.connect(FLAGS.server, FLAGS.name, **options)
    command_line.import_tensorflow()
    if FLAGS.saved_model:
        from multvae_tf.serving.local import SavedModelRecommender

        return SavedModelRecommender(FLAGS.saved_model)
    return stored_runs.chosen_run().recommender()


def recommend_to_all() -> None:
    """Writes --output from --histories."""
    from data_prep.readers.histories import read_histories
    from multvae_tf.serving.bulk import recommend_all

    source = {"histories": str(Path(FLAGS.histories).resolve())}
    if Path(FLAGS.histories).is_file():
        status = Path(FLAGS.histories).stat()
        source |= {"size": str(status.st_size), "changed": str(status.st_mtime_ns)}
    model = recommender()
    users = read_histories(FLAGS.histories)
    excluded = parse_ids(FLAGS.exclude)
    result = recommend_all(model, users, Path(FLAGS.output), k=FLAGS.k, source=source, exclude=excluded)
    print(f"{FLAGS.output}: {result}")
    if result.num_users and result.longest_list < FLAGS.k:
        print(f"The model gives at most {result.longest_list} items.")


if __name__ == "__main__":
    command_line.run(main)
