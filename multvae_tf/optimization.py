"""The optimizers, and their update as one fused pass over the weights."""

from collections.abc import Callable

import keras
import tensorflow as tf


def adam(learning_rate: float) -> keras.optimizers.Adam:
    """Adam with the constants of both reference programs: beta1 .9, beta2 .999, epsilon 1e-8, not 1e-7."""
    return keras.optimizers.Adam(learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8)


def gradient_descent(learning_rate: float) -> keras.optimizers.SGD:
    """Plain stochastic gradient descent, without momentum."""
    return keras.optimizers.SGD(learning_rate)


OPTIMIZERS: dict[str, Callable[[float], keras.optimizers.Optimizer]] = {
    "adam": adam,
    "sgd": gradient_descent,
}


def fused_update(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> Callable[[list[tf.Tensor]], None]:
    """An update of `variables` by `optimizer`, compiled by XLA.

    Keras' optimizers are chains of elementwise ops, each a pass over all weights; XLA makes a few passes of
    them, three of Adam's.

    Args:
        optimizer: built for these variables.
        variables: what is to be updated, in the order of the gradients.

    Returns:
        A function of the gradients, dense tensors in the shapes of the variables.
    """

    @tf.function(jit_compile=True, autograph=False)
    def update(gradients: list[tf.Tensor]) -> None:
        optimizer.apply(gradients, variables)

    return update
