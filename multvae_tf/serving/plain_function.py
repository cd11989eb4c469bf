"""Functions of a Keras model that stand on their own: plain TensorFlow on copies of the weights they read."""

import contextlib
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from multvae_tf.errors import RunError


@contextlib.contextmanager
def functions_inlined() -> Iterator[None]:
    """Traces the body of every `tf.function` in place: a server refuses functions that XLA must compile."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


class PlainFunction(tf.Module):
    """A function of a Keras model, evaluated on copies of the weights that it reads, and on nothing of Keras.

    Args:
        model: whose weights the function reads.
        function: of tensors.
        *specs: the tensors' specifications.

    Attributes:
        weights: the copies, in the order of the model's variables.

    Raises:
        RunError: a weight is not finite.
    """

    def __init__(self, model: keras.Model, function: Callable, *specs: tf.TypeSpec):
        super().__init__()
        trace = tf.function(function, input_signature=specs, autograph=False).get_concrete_function()
        read = {id(variable) for variable in trace.variables}
        originals = [variable for variable in model.variables if id(variable.value) in read]
        self.weights = [_frozen_copy(original) for original in originals]
        # Variables of TensorFlow beside Keras' own, of weights whose number only `fit` knows, are shared.
        keras_owned = {id(variable.value) for variable in model.variables}
        self.shared = [variable for variable in trace.variables if id(variable) not in keras_owned]

        def call(*args: tf.Tensor) -> tf.Tensor:
            with keras.StatelessScope(list(zip(originals, self.weights, strict=True))):
                return function(*args)

        # Held by a function alone: whatever Keras object is an attribute would be saved too.
        self._call = call

    def __call__(self, *args: tf.Tensor) -> tf.Tensor:
        """What the function gives on the copies."""
        return self._call(*args)


def _frozen_copy(variable: keras.Variable) -> tf.Variable:
    return tf.Variable(finite_value(variable), trainable=False, name=variable.name)


def finite_value(variable: keras.Variable) -> tf.Tensor:
    """The value of a weight, not copied.

    Raises:
        RunError: it is not finite.
    """
    value = tf.convert_to_tensor(variable.value)
    if not tf.reduce_all(tf.math.is_finite(value)):
        raise RunError(f"the model's weight {variable.path} is not finite: train it again")
    return value
