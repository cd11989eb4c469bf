"""Imports TensorFlow without its start-up messages; set TF_CPP_MIN_LOG_LEVEL to see them."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """TensorFlow's C++ code writes to file descriptor 2 before its log level applies."""
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
    with _native_stderr_closed():
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")
