"""RecVAE against values that the reference program computed (tests/goldens/recvae.npz), both variants."""

from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from interactions import as_interactions
from multvae_tf import PerUserBeta, TrainingBatch
from multvae_tf.layers import keep_items, l2_normalize, reparameterize
from recvae_tf import CompositePrior, DenseEncoder, RecVAE
from recvae_tf.papers import VARIANTS

GOLDEN = np.load(Path(__file__).parents[1] / "goldens" / "recvae.npz")
X = scipy.sparse.csr_matrix(GOLDEN["x"])
KEPT = GOLDEN["dropout_keep_mask"].astype(bool)[X.nonzero()]
NUM_USERS = X.shape[0]
LEARNING_RATE = 5e-4
LAYERS = [f"fc{k}" for k in range(1, 6)] + ["fc_mu", "fc_logvar"]


def layer_weights(encoder):
    """(reference's name, variable) of every weight of a dense encoder."""
    layers = [encoder.input_layer, *encoder.hidden_layers, encoder.z_mean_layer, encoder.z_log_var_layer]
    for name, layer in zip(LAYERS, layers, strict=True):
        yield f"{name}.weight", layer.kernel
        yield f"{name}.bias", layer.bias
    for number, connection in enumerate(encoder.connections, start=1):
        yield f"ln{number}.weight", connection.gamma
        yield f"ln{number}.bias", connection.beta


class ReferenceAdam(keras.optimizers.Adam):
    """Adam with epsilon added after the bias correction, as the reference's framework does it.

    The models use Keras' Adam, which adds it before: in the first steps that changes the updates of weights
    whose gradient is below 1e-4 by more than the goldens' tolerance.
    """

    def update_step(self, gradient, variable, learning_rate):
        correction = keras.ops.sqrt(1 - self.beta_2 ** keras.ops.cast(self.iterations + 1, "float32"))
        constant, self.epsilon = self.epsilon, self.epsilon * correction
        super().update_step(gradient, variable, learning_rate)
        self.epsilon = constant


class _Case:
    """A model with the golden initial weights, in the golden noise and dropout."""

    def __init__(self, variant, adam=ReferenceAdam):
        self.variant = variant
        encoder = DenseEncoder((16,) * 5, 8, layer_norm_epsilon=VARIANTS[variant]["layer_norm_epsilon"])
        prior = CompositePrior(first_old_encoder=VARIANTS[variant]["first_old_encoder"])
        self.model = RecVAE(60, encoder=encoder, prior=prior)
        self.model.compile(optimizer=adam(LEARNING_RATE, epsilon=1e-8))
        self.encoder = {f"encoder.{name}": v for name, v in layer_weights(self.model.encoder)}
        old_encoder = layer_weights(self.model.prior.old_encoder)
        self.old_encoder = {f"prior.encoder_old.{name}": v for name, v in old_encoder}
        self.decoder = {"decoder.weight": self.model.decoder.kernel, "decoder.bias": self.model.decoder.bias}
        for name, variable in {**self.encoder, **self.old_encoder, **self.decoder}.items():
            variable.assign(self.golden(f"init/{name}"))
        self.x = as_interactions(X)
        self.epsilon = tf.constant(GOLDEN["epsilon"])

    def golden(self, name):
        """A golden array; the reference's matrices are [out, in], ours [in, out]."""
        array = GOLDEN[f"{self.variant}/{name}"]
        return array.T if name.endswith(".weight") else array

    def batch(self, pass_number):
        return TrainingBatch(self.x, tf.range(NUM_USERS, dtype=tf.int64), tf.constant(pass_number), 0)

    def encoder_step(self, number):
        """Asserts the losses and gradients of an encoder step, then takes it."""
        rows = keep_items(l2_normalize(self.x), tf.constant(KEPT), 1 - float(GOLDEN["dropout_rate"]))
        beta = PerUserBeta(float(GOLDEN["gamma"]))(0, tf.cast(self.x.row_lengths, tf.float32))
        variables = list(self.encoder.values())
        with tf.GradientTape() as tape:
            parts = self.model.negative_elbo(self.batch(0), rows, self.epsilon, beta)
        assert_close(-parts["nll"], self.golden(f"encoder_step{number}/mll"))
        assert_close(parts["weighted_kl"], self.golden(f"encoder_step{number}/kld"))
        assert_close(parts["loss"], self.golden(f"encoder_step{number}/loss"))
        gradients = tape.gradient(parts["loss"], [variable.value for variable in variables])
        for name, gradient in zip(self.encoder, gradients, strict=True):
            assert_close(gradient, self.golden(f"encoder_step{number}/grad/{name}"))
        self.model.optimizer.apply(gradients, variables)

    def decoder_step(self):
        """Asserts the loss and gradients of the decoder step, which has no dropout, then takes it."""
        z = reparameterize(*self.model.encode(l2_normalize(self.x)), self.epsilon)
        variables = list(self.decoder.values())
        with tf.GradientTape() as tape:
            nll = tf.reduce_mean(self.model.likelihood.nll(self.x, self.model.decode(z)))
        assert_close(-nll, self.golden("decoder_step1/mll"))
        gradients = tape.gradient(nll, [variable.value for variable in variables])
        for name, gradient in zip(self.decoder, gradients, strict=True):
            assert_close(gradient, self.golden(f"decoder_step1/grad/{name}"))
        self.model.decoder_optimizer.apply(gradients, variables)


@pytest.fixture(params=["paper", "master"])
def case(request):
    return _Case(request.param)


def assert_close(actual, golden):
    """Within 1e-5 of the golden array's largest magnitude."""
    assert np.max(np.abs(actual - golden)) <= 1e-5 * np.max(np.abs(golden))


def test_posterior_and_logits(case):
    z_mean, z_log_var = case.model.encode(l2_normalize(case.x))
    assert_close(z_mean, case.golden("eval_mu"))
    assert_close(z_log_var, case.golden("eval_logvar"))
    assert_close(case.model(case.x), case.golden("eval_logits"))


def test_log_prior(case):
    z_mean, _ = case.model.encode(l2_normalize(case.x))
    log_prior, _ = case.model.prior.by_dimension(z_mean, case.model.prior.condition(case.batch(0)))
    assert_close(log_prior, case.golden("log_prior_at_mu"))


def run_cycle(case):
    for number in (1, 2, 3):
        case.encoder_step(number)
    case.model.prior.refresh(case.model.encoder, case.x)
    case.decoder_step()


def test_a_whole_cycle_and_the_first_step_under_the_refreshed_prior(case):
    run_cycle(case)
    for name, variable in {**case.encoder, **case.decoder}.items():
        golden = case.golden(f"after/{name}")
        assert_close(variable.numpy(), golden)
        moved = np.abs(golden - case.golden(f"init/{name}")).max()
        assert np.max(np.abs(variable.numpy() - golden)) < 1e-3 * moved
    case.encoder_step(4)
