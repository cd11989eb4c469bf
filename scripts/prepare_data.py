"""Prepares a dataset: reads, filters and splits it, and writes sparse matrices with a manifest.

python scripts/prepare_data.py --dataset=ml20m
python scripts/prepare_data.py --dataset=ratings.csv.gz --threshold=3.5 --heldout_users=750
python scripts/prepare_data.py --dataset=ratings.csv --append=since_then.csv
python scripts/prepare_data.py --dataset=postgresql://ada@host/shop --query="select user, item from orders"
python scripts/prepare_data.py --dataset=ml20m --export_pro_sg=pro_sg
"""

import shlex
import sys

from absl import flags

import data_prep
from cli import command_line, dataset_flags
from data_prep.database_url import without_secrets

FLAGS = flags.FLAGS
with command_line.flag_group("data"):
    dataset_flags.define()
    flags.DEFINE_string(
        "export_pro_sg",
        None,
        "Also write the split into this folder, in the format of Liang et al.'s code. Default: do not.",
    )


def main(_: list[str]) -> None:
    """Prepares the dataset and prints what was read, its counts and the next command."""
    dataset = data_prep.prepare(dataset_flags.spec_from_flags(), FLAGS.data_dir, FLAGS.export_pro_sg)
    print(dataset.description)
    for name, count in dataset.counts.items():
        print(f"{name.replace('_', ' '):>20} {count:>12,}")
    if dataset.reference_files:
        print(_beside_reference(dataset.reference_files))
    print(f"The dataset lies in {dataset.folder}. Next:")
    print(f"  {shlex.join(['python', 'scripts/train.py', *_same_flags(sys.argv[1:])])}")


def _beside_reference(files: dict[str, bool]) -> str:
    """Whether the split is the one that the reference's procedure made."""
    others = [name for name, is_same in files.items() if not is_same]
    if not others:
        return "The split is byte for byte the one that the reference procedure makes."
    return f"The split is NOT the one that the reference procedure makes: {', '.join(others)} differ."


def _same_flags(arguments: list[str]) -> list[str]:
    """The flags without those of this command alone, and without passwords."""
    kept, skip = [], False
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0]
        if skip or name == "export_pro_sg":
            skip = not skip and "=" not in argument
            continue
        kept.append(without_secrets(argument))
    return kept


if __name__ == "__main__":
    command_line.run(main)
