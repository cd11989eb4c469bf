"""One cycle of RecVAE's training, three encoder steps and a decoder step, in three ways to be timed.

Each builder takes the compiled model or the size of the catalogue, the number of users in a batch and a CSR
matrix of at least four batches, and returns a function that makes one cycle, on the first four batches, and
returns when it is done.
"""

from collections.abc import Callable

import keras
import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.layers import reparameterize
from multvae_tf.trainable_model import adam
from recvae_tf.model import RecVAE
from recvae_tf.prior import log_normal

Cycle = Callable[[], None]

PHASES = ("encoder", "encoder", "encoder", "decoder")
LEARNING_RATE = 5e-4
GAMMA = 0.005
DROPOUT_RATE = 0.5
MIXTURE_WEIGHTS = (3 / 20, 3 / 4, 1 / 10)
WIDTH, DEPTH, LATENT_DIM = 600, 5, 200


def ours(model: RecVAE, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Cycle:
    """The model's own `train_step`, with the old posteriors computed in the first encoder step only."""
    model.prepare_training(matrix.shape[0])
    train_step = tf.function(model.train_step, reduce_retracing=True)

    def batch(number: int, pass_number: int) -> TrainingBatch:
        rows = matrix[number * batch_size : (number + 1) * batch_size]
        x = Interactions(tf.constant(rows.indices, tf.int32), tf.constant(rows.indptr, tf.int32))
        users = tf.range(number * batch_size, (number + 1) * batch_size, dtype=tf.int64)
        return TrainingBatch(x, users, tf.constant(pass_number, tf.int64), tf.constant(1, tf.int64))

    first_pass = [batch(number, 0) for number in range(len(PHASES))]
    cycle = [batch(number, number) for number in range(len(PHASES))]
    for first in first_pass:
        train_step(first)

    def run() -> None:
        for step in cycle:
            logs = train_step(step)
        logs["loss"].numpy()

    return run


class PlainRecVAE(keras.Model):
    """RecVAE as one would write it first: dense rows, Keras' own layers, every gradient."""

    def __init__(self, num_items: int):
        super().__init__()
        self.encoder = PlainEncoder()
        self.old_encoder = PlainEncoder(trainable=False)
        self.decoder = keras.layers.Dense(num_items)
        self.optimizers = {"encoder": adam(LEARNING_RATE), "decoder": adam(LEARNING_RATE)}

    def losses_of(self, x: tf.Tensor, dropout_rate: float) -> tuple[tf.Tensor, tf.Tensor]:
        """The negative log-likelihood and the weighted KL term, scalars."""
        x_normalized = tf.nn.l2_normalize(x, axis=1)
        z_mean, z_log_var = self.encoder(tf.nn.dropout(x_normalized, dropout_rate))
        z = reparameterize(z_mean, z_log_var, tf.random.normal(tf.shape(z_mean)))
        nll = -tf.reduce_mean(tf.reduce_sum(x * tf.nn.log_softmax(self.decoder(z)), axis=1))
        gaussians = [(0.0, 0.0), self.old_encoder(x_normalized), (0.0, 10.0)]
        densities = [
            tf.math.log(w) + log_normal(z, *g) for w, g in zip(MIXTURE_WEIGHTS, gaussians, strict=True)
        ]
        log_prior = tf.reduce_logsumexp(tf.stack(densities, axis=-1), axis=-1)
        kl = tf.reduce_sum(log_normal(z, z_mean, z_log_var) - log_prior, axis=1)
        return nll, tf.reduce_mean(GAMMA * tf.reduce_sum(x, axis=1) * kl)

    def update(self, x: tf.Tensor, phase: str) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One update of one network; returns the loss and the gradients of both."""
        encoder_variables = self.encoder.trainable_variables
        decoder_variables = self.decoder.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.add_n(self.losses_of(x, DROPOUT_RATE if phase == "encoder" else 0.0))
        gradients = tape.gradient(loss, encoder_variables + decoder_variables)
        if phase == "encoder":
            self.optimizers[phase].apply(gradients[: len(encoder_variables)], encoder_variables)
        else:
            self.optimizers[phase].apply(gradients[len(encoder_variables) :], decoder_variables)
        return loss, gradients


class PlainEncoder(keras.layers.Layer):
    """RecVAE's encoder on dense rows."""

    def __init__(self, **kwargs: bool):
        super().__init__(**kwargs)
        self.hidden_layers = [keras.layers.Dense(WIDTH) for _ in range(DEPTH)]
        self.layer_norms = [keras.layers.LayerNormalization(epsilon=1e-5) for _ in range(DEPTH)]
        self.heads = [keras.layers.Dense(LATENT_DIM) for _ in range(2)]

    def call(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Mu and log sigma^2."""
        h, sum_of_layers = x, 0.0
        for layer, layer_norm in zip(self.hidden_layers, self.layer_norms, strict=True):
            h = layer_norm(tf.nn.silu(layer(h) + sum_of_layers))
            sum_of_layers += h
        return [head(h) for head in self.heads]


def plain(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Cycle:
    """As the original does it: each batch made dense, all gradients, the prior recomputed."""
    model = PlainRecVAE(num_items)
    batches = [matrix[number * batch_size : (number + 1) * batch_size] for number in range(len(PHASES))]
    model.losses_of(tf.zeros([1, num_items]), 0.0)
    model.optimizers["encoder"].build(model.encoder.trainable_variables)
    model.optimizers["decoder"].build(model.decoder.trainable_variables)
    update = tf.function(model.update)

    def run() -> None:
        for rows, phase in zip(batches, PHASES, strict=True):
            loss, _ = update(tf.constant(rows.toarray(), tf.float32), phase)
        loss.numpy()

    return run


def floor(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Cycle:
    """The matrix products that a cycle cannot do without; its sparse first layer is none."""
    random = tf.random.stateless_normal
    logits = random([batch_size, num_items], [0, 0])
    z = random([batch_size, LATENT_DIM], [0, 1])
    z_parameters = random([batch_size, 2 * LATENT_DIM], [0, 2])
    layers = [(random([batch_size, WIDTH], [1, n]), random([WIDTH, WIDTH], [2, n])) for n in range(DEPTH - 1)]
    heads = random([WIDTH, 2 * LATENT_DIM], [0, 3])
    decoder = random([LATENT_DIM, num_items], [0, 4])

    def forward() -> list[tf.Tensor]:
        hidden = [tf.matmul(h, kernel) for h, kernel in layers]
        return [*hidden, tf.matmul(hidden[-1], heads), tf.matmul(z, decoder)]

    def backward() -> list[tf.Tensor]:
        input_gradients = [tf.matmul(h, kernel, transpose_b=True) for h, kernel in layers]
        kernel_gradients = [tf.matmul(h, h, transpose_a=True) for h, _ in layers]
        return [
            tf.matmul(logits, decoder, transpose_b=True),
            tf.matmul(z_parameters, heads, transpose_b=True),
            tf.matmul(layers[0][0], z_parameters, transpose_a=True),
            *input_gradients,
            *kernel_gradients,
        ]

    @tf.function
    def encoder_step() -> list[tf.Tensor]:
        return [*forward(), *backward()]

    @tf.function
    def decoder_step() -> list[tf.Tensor]:
        return [*forward(), tf.matmul(z, logits, transpose_a=True)]

    def run() -> None:
        for phase in PHASES:
            products = encoder_step() if phase == "encoder" else decoder_step()
        products[-1].numpy()

    return run
