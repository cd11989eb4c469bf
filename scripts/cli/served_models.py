"""The flags that say how a run is served, and its export: shared by the commands that make one."""

from pathlib import Path

import numpy as np
import scipy.sparse
from absl import flags

from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.run_folder import RunFolder
from multvae_tf.serving.export import export_run

FLAGS = flags.FLAGS
flags.disclaim_key_flags()


def define_flags() -> None:
    """Defines --name, --top_k and --saved_models_dir."""
    flags.DEFINE_string("name", "recommender", "The name under which the model is served.")
    flags.DEFINE_integer("top_k", 100, "How many items a recommendation of it holds.", lower_bound=1)
    flags.DEFINE_string("saved_models_dir", "saved_models", "Where served models lie.")


def export(run: RunFolder, model: MultinomialAutoencoder, train: scipy.sparse.csr_matrix) -> Path:
    """Exports a finished run as the flags say, and prints where it lies and what to type next.

    Args:
        run: the run.
        model: its model with the best weights.
        train: CSR [num_users, num_items], the training data, for the popularity of the items.

    Returns:
        The version's folder.
    """
    folder = export_run(
        run,
        model,
        np.bincount(train.indices, minlength=train.shape[1]),
        name=FLAGS.name,
        top_k=FLAGS.top_k,
        saved_models_dir=FLAGS.saved_models_dir,
    )
    megabytes = sum(path.stat().st_size for path in folder.rglob("*")) / 1e6
    print(f"Exported {run.folder} to {folder} ({megabytes:.1f} MB). Next:")
    history = ",".join(f'""{i}""' if "," in i else i for i in run.read_items()[0][:3])
    print(f'  python scripts/recommend.py --saved_model={folder} --history="{history}"')
    return folder
