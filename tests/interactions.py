"""Small interaction data for the tests."""

import numpy as np
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions


def as_interactions(matrix):
    """A CSR matrix as one batch."""
    return Interactions.from_csr(matrix)


def single_user(items):
    """A batch of one user with these item numbers."""
    return Interactions(
        tf.constant(items, tf.int32, shape=[len(items)]), tf.constant([0, len(items)], tf.int32)
    )


def random_interactions(num_users, num_items, density, seed):
    """CSR [num_users, num_items] of independent ones."""
    rng = np.random.default_rng(seed)
    return scipy.sparse.csr_matrix((rng.random((num_users, num_items)) < density).astype(np.float32))


def latent_taste_interactions(num_users, num_items, seed, latent_dim=4, mean_items=20):
    """CSR drawn from z ~ N(0, I), x ~ Mult(n, softmax(z W)): what the models assume."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(num_users, latent_dim)) @ rng.normal(0, 1.5, size=(latent_dim, num_items))
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    counts = np.array(
        [
            rng.multinomial(n, p)
            for n, p in zip(rng.poisson(mean_items, num_users), probabilities, strict=True)
        ]
    )
    return scipy.sparse.csr_matrix((counts > 0).astype(np.float32))


def hold_out(matrix, fraction, seed):
    """Splits each row's ones at random into fold-in and held-out matrices of the same shape."""
    held = np.random.default_rng(seed).random(matrix.nnz) < fraction
    coo = matrix.tocoo()

    def part(chosen):
        return scipy.sparse.csr_matrix((coo.data[chosen], (coo.row[chosen], coo.col[chosen])), matrix.shape)

    return part(~held), part(held)
