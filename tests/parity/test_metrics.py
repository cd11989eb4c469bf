"""NDCG@k and Recall@k per user against the reference program's values (tests/goldens/metrics.npz)."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from interactions import as_interactions
from multvae_tf import ranking

GOLDEN = np.load(Path(__file__).parents[1] / "goldens" / "metrics.npz")


@pytest.mark.parametrize("k", [5, 20, 50, 100])
def test_per_user_metrics(k):
    fold_in, held_out = (
        as_interactions(scipy.sparse.csr_matrix(GOLDEN[name])) for name in ("fold_in", "held_out")
    )
    scores = GOLDEN["scores"]
    _, top_items = ranking.top_unseen(lambda start, width: scores[:, start : start + width], 300, fold_in, k)
    hits = ranking.hits(top_items, held_out, num_items=300)
    ndcg = ranking.ndcg_at_k(hits, held_out.row_lengths, k)
    recall = ranking.recall_at_k(hits, held_out.row_lengths, k)
    counted = GOLDEN["held_out"].any(axis=1)
    np.testing.assert_allclose(ndcg[counted], GOLDEN[f"ndcg@{k}"][counted], atol=1e-9, rtol=0)
    np.testing.assert_allclose(recall[counted], GOLDEN[f"recall@{k}"][counted], atol=1e-9, rtol=0)
