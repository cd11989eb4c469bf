"""Recommends items to a user who liked the given ones.

python scripts/recommend.py --history="1,50,260"             by the run that was started last
python scripts/recommend.py --run=runs/ml20m/multvae/... --history="1,50,260" --k=20
"""

import csv

import command_line
import models
import numpy as np
from absl import flags

from multvae_tf.errors import RunError
from multvae_tf.pipeline import single_user
from multvae_tf.run_folder import RunFolder, latest_run

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "The folder of the run. Default: the run below runs/ that was started last.")
flags.DEFINE_string(
    "history",
    None,
    "Raw ids of the items that the user liked, separated by commas; quote an id that has one.",
)
flags.DEFINE_integer("k", 10, "How many items to recommend.", lower_bound=1)
flags.mark_flag_as_required("history")


def main(_: list[str]) -> None:
    """Prints the history as it was understood, then the k best unseen items."""
    folder = RunFolder(FLAGS.run) if FLAGS.run else latest_run("runs")
    item_ids, titles = folder.read_items()
    number_of = {item_id: number for number, item_id in enumerate(item_ids)}
    history = [
        raw.strip() for raw in next(csv.reader([FLAGS.history], skipinitialspace=True), []) if raw.strip()
    ]
    known = sorted({number_of[raw] for raw in history if raw in number_of})
    unknown = [raw for raw in history if raw not in number_of]
    if unknown:
        print(f"Not in the catalogue, ignored: {', '.join(unknown)}")
    print(f"Liked ({len(known)} known items):")
    for number in known:
        print(f"  {item_ids[number]:>10}  {titles[number]}")
    scores, items = models.load_model(folder).recommend(single_user(known), FLAGS.k)
    print("Recommended (rank, item, score):")
    for rank, (score, number) in enumerate(zip(scores[0].numpy(), items[0].numpy(), strict=True), start=1):
        if np.isfinite(score):
            print(f"  {rank:>3}  {item_ids[number]:>10}  {score:7.3f}  {titles[number]}")


if __name__ == "__main__":
    command_line.run(main, RunError)
