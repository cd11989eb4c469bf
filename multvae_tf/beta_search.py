"""How the Mult-VAE paper chooses the largest beta: anneal to 1, look where validation peaks, train again."""

import dataclasses
from typing import Any

import scipy.sparse

from multvae_tf.config import Config
from multvae_tf.run_folder import RunFolder
from multvae_tf.training import read_history, train


def find_anneal_cap(
    config: Config,
    matrix: scipy.sparse.csr_matrix,
    validation: tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix],
    folder: RunFolder,
) -> Config:
    """The configuration with the beta at which a run annealed to 1 has its best validation NDCG@100.

    Liang et al. 2018, section 2.2.2. That run lies in `beta_search` in the folder of this one, and is
    continued if it was begun before.

    Args:
        config: resolved; its `anneal_cap` is None, and beta grows in the search as in the run itself.
        matrix: as for `train`.
        validation: as for `train`.
        folder: of the run; created.

    Raises:
        RunError, OSError: as `train`.
    """
    annealed_to_one = _with_cap(config, 1.0)
    search = RunFolder(folder.folder / "beta_search")
    if not search.settings_path.exists():
        settings = {**folder.read_settings(), "config": annealed_to_one.to_json()}
        item_ids, titles = folder.read_items()
        search.create(settings, item_ids.tolist(), titles.tolist())
    model = annealed_to_one.build_model(matrix.shape[1])
    best_epoch = train(model, matrix, validation, annealed_to_one, search).best_epoch
    return _with_cap(config, read_history(search)[best_epoch - 1]["beta"])


def _with_cap(config: Config, anneal_cap: float) -> Config:
    fields: dict[str, Any] = {"anneal_cap": anneal_cap}
    return dataclasses.replace(config, **fields)
