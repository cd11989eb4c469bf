"""Mult-VAE and Mult-DAE against values that the reference programs computed (tests/goldens/multvae.npz)."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from interactions import as_interactions
from multvae_tf import MultDAE, MultVAE, TrainingBatch
from multvae_tf.layers import l2_normalize
from multvae_tf.trainable_model import adam, fused_update

GOLDEN = np.load(Path(__file__).parents[1] / "goldens" / "multvae.npz")
BATCH = TrainingBatch(as_interactions(scipy.sparse.csr_matrix(GOLDEN["x"])), tf.range(12), None, None)
VAE_WEIGHTS = [
    f"{kind}_{layer}"
    for weight, bias in (("q_0to1", "q_1"), ("q_1to2", "q_2"), ("p_0to1", "p_1"), ("p_1to2", "p_2"))
    for kind, layer in (("weight", weight), ("bias", bias))
]
DAE_WEIGHTS = ["weight_0to1", "bias_1", "weight_1to2", "bias_2"]


class _Case:
    """A model with the golden initial weights, and its loss with the golden noise and without dropout."""

    def __init__(self, prefix):
        self.prefix = prefix
        l2 = float(GOLDEN[f"{prefix}/lam"])
        if prefix == "multdae":
            self.model, self.weights = MultDAE(60, latent_dim=8, l2=l2), DAE_WEIGHTS
        else:
            self.model, self.weights = MultVAE(60, hidden_dims=(16,), latent_dim=8, l2=l2), VAE_WEIGHTS
        for variable, name in zip(self.model.trainable_variables, self.weights, strict=True):
            variable.assign(self.golden(f"init/{name}"))
        self.model.compile(optimizer=adam(1e-3))

    def golden(self, name):
        return GOLDEN[f"{self.prefix}/{name}"]

    def loss(self):
        rows = l2_normalize(BATCH.x)
        if self.prefix == "multdae":
            return self.model.penalized_nll(BATCH, rows)
        beta = tf.constant(self.golden("beta"))
        return self.model.negative_elbo(BATCH, rows, tf.constant(GOLDEN["epsilon"]), beta)

    def gradients(self):
        with tf.GradientTape() as tape:
            parts = self.loss()
        return parts, tape.gradient(parts["loss"], self.model.trainable_variables)

    def train_logits(self):
        z_mean, z_log_var = self.model.encode(l2_normalize(BATCH.x))
        if z_log_var is None:
            return self.model.decode(z_mean)
        return self.model.decode(z_mean + GOLDEN["epsilon"] * tf.exp(0.5 * z_log_var))


@pytest.fixture(params=["multvae", "multvae_l2", "multdae"])
def case(request):
    return _Case(request.param)


def assert_close(actual, golden):
    """Within 1e-5 of the golden array's largest magnitude."""
    assert np.max(np.abs(actual - golden)) <= 1e-5 * np.max(np.abs(golden))


def test_logits(case):
    assert_close(case.model(BATCH.x), case.golden("eval_logits"))
    assert_close(case.train_logits(), case.golden("train_logits"))


def test_losses(case):
    parts = case.loss()
    assert_close(parts["nll"], case.golden("neg_ll"))
    assert_close(parts["loss"], case.golden("loss"))


def test_gradients(case):
    _, gradients = case.gradients()
    for gradient, name in zip(gradients, case.weights, strict=True):
        assert_close(gradient, case.golden(f"grad/{name}"))


def test_weights_after_three_adam_steps(case):
    update = fused_update(case.model.optimizer, case.model.trainable_variables)
    for _ in range(3):
        update(case.gradients()[1])
    for variable, name in zip(case.model.trainable_variables, case.weights, strict=True):
        assert_close(variable.numpy(), case.golden(f"after3/{name}"))
        moved = np.abs(case.golden(f"after3/{name}") - case.golden(f"init/{name}")).max()
        assert np.max(np.abs(variable.numpy() - case.golden(f"after3/{name}"))) < 1e-3 * moved
