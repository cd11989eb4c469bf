"""Prepares a dataset: reads, filters and splits it, and writes sparse matrices with a manifest.

python scripts/prepare_data.py --dataset=ml20m
python scripts/prepare_data.py --dataset=ratings.csv.gz --threshold=3.5 --heldout_users=750
python scripts/prepare_data.py --dataset=ml20m --export_pro_sg=pro_sg
"""

import shlex
import sys

from absl import flags

from cli import command_line, dataset_flags
from data_prep import store

FLAGS = flags.FLAGS
dataset_flags.define()
flags.DEFINE_string(
    "export_pro_sg",
    None,
    "Also write the split into this folder, in the format of Liang et al.'s code. Default: do not.",
)


def main(_: list[str]) -> None:
    """Prepares the dataset and prints its counts."""
    dataset = store.prepare(dataset_flags.spec_from_flags(), FLAGS.data_dir, FLAGS.export_pro_sg)
    for name, count in dataset.counts.items():
        print(f"{name.replace('_', ' '):>15} {count:>12,}")
    print(f"The dataset lies in {dataset.folder}. Next:")
    same_flags = [flag for flag in sys.argv[1:] if "export_pro_sg" not in flag]
    print(f"  {shlex.join(['python', 'scripts/train.py', *same_flags])}")


if __name__ == "__main__":
    command_line.run(main)
