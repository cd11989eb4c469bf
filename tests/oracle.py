"""Slow, obvious NumPy versions of what the package computes, on dense float64 arrays."""

import numpy as np


def l2_normalize(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def multinomial_nll(x, logits):
    return -(x * log_softmax(logits)).sum(axis=1)


def gaussian_kl(mean, log_var):
    return np.array(
        [
            sum(0.5 * (np.exp(s) + m**2 - 1 - s) for m, s in zip(mean_u, log_var_u, strict=True))
            for mean_u, log_var_u in zip(mean, log_var, strict=True)
        ]
    )


def ranking(scores, fold_in):
    """Unseen items of one user, best first; of equal scores the lower item number first."""
    unseen = [i for i in range(len(scores)) if not fold_in[i]]
    return sorted(unseen, key=lambda i: (-scores[i], i))


def recall_at_k(scores, fold_in, held_out, k):
    top = ranking(scores, fold_in)[:k]
    return sum(bool(held_out[i]) for i in top) / min(k, held_out.sum())


def ndcg_at_k(scores, fold_in, held_out, k):
    top = ranking(scores, fold_in)[:k]
    dcg = sum(1 / np.log2(rank + 2) for rank, i in enumerate(top) if held_out[i])
    idcg = sum(1 / np.log2(rank + 2) for rank in range(min(k, int(held_out.sum()))))
    return dcg / idcg
