"""Repeats the test of a run, or tests it on the users of another prepared dataset.

python scripts/evaluate.py                                   the run that was started last
python scripts/evaluate.py --run=runs/ml20m/multvae/...
python scripts/evaluate.py --run=... --dataset=other.csv     other users; items are matched by their ids
"""

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from absl import flags

from cli import command_line, dataset_flags, stored_runs
from multvae_tf.errors import RunError

if TYPE_CHECKING:
    from data_prep.dataset import HeldOutUsers, PreparedDataset
    from multvae_tf import Run

FLAGS = flags.FLAGS
with command_line.flag_group("data"):
    dataset_flags.define()
with command_line.flag_group("run"):
    stored_runs.define_run_flag()
    flags.DEFINE_integer("evaluation_batch_size", 500, "How many users are ranked at a time.", lower_bound=1)


def main(_: list[str]) -> None:
    """Prints the table of the validation and the test users."""
    command_line.import_tensorflow()
    import data_prep
    from multvae_tf import report

    run = stored_runs.chosen_run()
    if FLAGS["dataset"].present:
        dataset = data_prep.prepare(dataset_flags.spec_from_flags(), FLAGS.data_dir)
        require_unseen_users(run, dataset)
    else:
        stored_runs.require_same_data(run)
        dataset = stored_runs.dataset_of(run, FLAGS.data_dir)
    model = run.model()
    rows = {}
    for part, users in (("test", dataset.test), ("validation", dataset.validation)):
        fold_in, held_out = in_the_models_items(run, dataset, users)
        rows[part] = model.evaluate(fold_in, held_out, FLAGS.evaluation_batch_size)
    print(report.results_table(rows, stored_runs.record_of(dataset)))
    print("\nMean over users, standard error over users in brackets.")


def in_the_models_items(
    run: "Run", dataset: "PreparedDataset", users: "HeldOutUsers"
) -> list[scipy.sparse.csr_matrix]:
    """Fold-in and held-out with the columns of the model, matched by raw id; says what is left out."""
    number_of = {item_id: number for number, item_id in enumerate(run.items.ids)}
    columns = np.array([number_of.get(item_id, -1) for item_id in dataset.item_ids])
    if np.array_equal(columns, np.arange(len(number_of))):
        return [users.fold_in, users.held_out]
    if not (columns >= 0).any():
        raise RunError(f"{dataset.folder} has none of the {len(number_of)} items of {run.items_path}")
    matched = []
    for name, matrix in (("fold-in", users.fold_in), ("held-out", users.held_out)):
        coo = matrix.tocoo()
        kept = columns[coo.col] >= 0
        if not kept.all():
            print(
                f"{(~kept).sum():,} of {coo.nnz:,} {name} interactions are with items that the model lacks."
            )
        places = (coo.row[kept], columns[coo.col[kept]])
        shape = (matrix.shape[0], len(number_of))
        matched.append(scipy.sparse.csr_matrix((coo.data[kept], places), shape))
    return matched


def require_unseen_users(run: "Run", dataset: "PreparedDataset") -> None:
    """Checks that none of the users was trained on, as far as the run's own dataset is at hand.

    Raises:
        RunError: some were.
    """
    try:
        trained_on = set(stored_runs.dataset_of(run, FLAGS.data_dir).train_user_ids)
    except RunError as error:
        print(f"Whether the model was trained on these users cannot be told: {error}")
        return
    for part, users in (("validation", dataset.validation), ("test", dataset.test)):
        seen = sum(user in trained_on for user in users.user_ids)
        if seen:
            raise RunError(
                f"{seen} of the {len(users.user_ids)} {part} users of {dataset.folder} were trained on by "
                f"{run.folder}: test it on users that it has not seen"
            )


if __name__ == "__main__":
    command_line.run(main)
