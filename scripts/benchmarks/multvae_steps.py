"""Mult-VAE's training step, in several ways to be timed.

Each builder of a step takes the compiled model or the size of the catalogue, the number of users in a batch
and a CSR matrix of at least one batch, and returns a function that makes one step, on the batches of the
matrix in turn, and returns when it is done.
"""

import itertools
from collections.abc import Callable, Iterator

import scipy.sparse
import tensorflow as tf

from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.trainable_model import TrainableModel, adam

Step = Callable[[], None]

HIDDEN_DIM, LATENT_DIM = 600, 200
_LEARNING_RATE = 1e-3
_BETA = 0.2


def _rows_in_turn(batch_size: int, matrix: scipy.sparse.csr_matrix) -> Iterator[scipy.sparse.csr_matrix]:
    starts = range(0, matrix.shape[0] - batch_size + 1, batch_size)
    return itertools.cycle([matrix[start : start + batch_size] for start in starts])


def ours(model: TrainableModel, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Step:
    """The model's own `train_step`, on batches of ids."""
    train_step = tf.function(model.train_step, reduce_retracing=True)
    rows_in_turn = _rows_in_turn(batch_size, matrix)
    users = tf.range(batch_size, dtype=tf.int64)
    zero = tf.constant(0, tf.int64)

    def step() -> None:
        rows = next(rows_in_turn)
        x = Interactions(tf.constant(rows.indices, tf.int32), tf.constant(rows.indptr, tf.int32))
        train_step(TrainingBatch(x, users, zero, zero))["loss"].numpy()

    return step


def plain(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Step:
    """As the original does it: each batch made dense and fed to one graph, every product dense."""
    sizes = [
        (num_items, HIDDEN_DIM),
        (HIDDEN_DIM, 2 * LATENT_DIM),
        (LATENT_DIM, HIDDEN_DIM),
        (HIDDEN_DIM, num_items),
    ]
    kernels = [tf.Variable(tf.random.stateless_normal(size, [0, n]) * 0.01) for n, size in enumerate(sizes)]
    biases = [tf.Variable(tf.zeros(size[1])) for size in sizes]
    variables = [*kernels, *biases]
    optimizer = adam(_LEARNING_RATE)
    optimizer.build(variables)
    rows_in_turn = _rows_in_turn(batch_size, matrix)

    @tf.function
    def train_step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            h = tf.nn.dropout(tf.nn.l2_normalize(x, axis=1), 0.5)
            h = tf.tanh(h @ kernels[0] + biases[0])
            z_mean, z_log_var = tf.split(h @ kernels[1] + biases[1], 2, axis=1)
            z = z_mean + tf.random.normal(tf.shape(z_mean)) * tf.exp(0.5 * z_log_var)
            h = tf.tanh(z @ kernels[2] + biases[2])
            log_softmax = tf.nn.log_softmax(h @ kernels[3] + biases[3])
            nll = -tf.reduce_mean(tf.reduce_sum(log_softmax * x, axis=1))
            kl = tf.reduce_sum(0.5 * (-z_log_var + tf.exp(z_log_var) + z_mean**2 - 1), axis=1)
            loss = nll + _BETA * tf.reduce_mean(kl)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            update(variable, gradient)
        return loss

    state = {v.ref(): (tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables}
    power1, power2 = tf.Variable(0.9), tf.Variable(0.999)

    def update(variable: tf.Variable, gradient: tf.Tensor) -> None:
        """One op per weight, as TF1's AdamOptimizer has it."""
        m, v = state[variable.ref()]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=power1,
            beta2_power=power2,
            lr=_LEARNING_RATE,
            beta1=0.9,
            beta2=0.999,
            epsilon=1e-8,
            grad=gradient,
        )

    def step() -> None:
        train_step(tf.constant(next(rows_in_turn).toarray(), tf.float32)).numpy()

    return step


def floor(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Step:
    """The matrix products that a step cannot do without; its sparse first layer is none."""
    random = tf.random.stateless_normal
    logits = random([batch_size, num_items], [0, 0])
    widths = [(HIDDEN_DIM, 2 * LATENT_DIM), (LATENT_DIM, HIDDEN_DIM), (HIDDEN_DIM, num_items)]
    layers = [
        (random([batch_size, width[0]], [1, n]), random(width, [2, n])) for n, width in enumerate(widths)
    ]
    gradients = [random([batch_size, width[1]], [3, n]) for n, width in enumerate(widths[:-1])] + [logits]

    @tf.function
    def products() -> list[tf.Tensor]:
        forward = [tf.matmul(h, kernel) for h, kernel in layers]
        backward = [
            product
            for (h, kernel), gradient in zip(layers, gradients, strict=True)
            for product in (
                tf.matmul(gradient, kernel, transpose_b=True),
                tf.matmul(h, gradient, transpose_a=True),
            )
        ]
        return forward + backward

    def step() -> None:
        products()[-1].numpy()

    return step
