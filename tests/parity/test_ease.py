"""The whole way from a ratings file to test metrics, with a model that has no randomness: EASE (Steck 2019).

The reference's split and evaluation gave .4249, .3562 and .4731 on MovieLens-1M with lambda 800: split,
fold-in, masking and metrics must all agree to reach them.
"""

import numpy as np
import pytest
import tensorflow as tf

import data_prep
from data_prep import catalogue
from multvae_tf.evaluation import rank_users
from multvae_tf.ranking import rank_batch


class Ease:
    """x -> x B with B_ij = -P_ij / P_jj, B_jj = 0, P = (X'X + lambda I)^-1 (Steck 2019, eq. 8)."""

    def __init__(self, train, l2):
        self.num_items = train.shape[1]
        train = train.astype(np.float64)
        gram = (train.T @ train).toarray()
        gram[np.diag_indices(self.num_items)] += l2
        precision = np.linalg.inv(gram)
        weights = -precision / np.diag(precision)
        weights[np.diag_indices(self.num_items)] = 0
        self.weights = tf.constant(weights)

    def rank_held_out(self, batch):
        x = tf.scatter_nd(
            batch.fold_in.coordinates,
            tf.ones([tf.size(batch.fold_in.ids)], tf.float64),
            [int(batch.fold_in.num_rows), self.num_items],
        )
        scores = x @ self.weights
        return rank_batch(lambda start, width: scores[:, start : start + width], self.num_items, batch)


@pytest.mark.realdata
def test_ease_has_the_metrics_that_it_has_by_the_reference(real_data, tmp_path):
    spec = catalogue.resolve(str(real_data / "ml-1m" / "ratings.csv.gz"), threshold=3.5, heldout_users=750)
    dataset = data_prep.prepare(spec, str(tmp_path))
    ease = Ease(dataset.train, l2=800)
    found = rank_users(ease.rank_held_out, dataset.test.fold_in, dataset.test.held_out).estimates()
    assert [round(found[name].mean, 4) for name in ("NDCG@100", "Recall@20", "Recall@50")] == [
        0.4249,
        0.3562,
        0.4731,
    ]
