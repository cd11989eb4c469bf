"""Imports TensorFlow, set up for these commands; an environment variable that is already set stays as it is.

Its start-up messages are left out (TF_CPP_MIN_LOG_LEVEL shows them). Its allocator keeps the memory of large
tensors for the next ones: by default each is mapped anew, page by page (TF_CPU_ALLOCATOR_USE_BFC). Its matrix
products are those of oneDNN on every processor, not on the newest only (TF_ENABLE_ONEDNN_OPTS).
"""

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


os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
_MEMORY_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(_MEMORY_BYTES // 2**20))
if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
    with _native_stderr_closed():
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")
