"""TensorFlow's protocol messages in a process that must not import TensorFlow, such as the native loader's.

The modules with the messages lie inside the package `tensorflow`, whose own import is what takes seconds and
would bring a second runtime into the process. Here they are imported from a stand-in of that package.
"""

import contextlib
import importlib
import importlib.util
import struct
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tensorflow_c import NUMPY_DTYPES

WARMUP_PATH = Path("assets.extra", "tf_serving_warmup_requests")
_VALUES = {1: "float_val", 2: "double_val", 3: "int_val", 7: "string_val", 9: "int64_val", 10: "bool_val"}


@contextlib.contextmanager
def _stand_in() -> Iterator[None]:
    """While the block runs, `tensorflow` is a package of the same modules that does nothing itself."""
    if "tensorflow" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("tensorflow is not installed")
    package = types.ModuleType("tensorflow")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = package
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
            del sys.modules[name]


def messages(module: str) -> Any:
    """A module of generated messages, such as `tensorflow.core.protobuf.meta_graph_pb2`."""
    with _stand_in():
        return importlib.import_module(module)


def array_of(tensor: Any) -> np.ndarray:
    """The array in a `TensorProto`, strings as bytes in an object array."""
    dtype = NUMPY_DTYPES[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
    values = np.array(list(getattr(tensor, _VALUES[tensor.dtype])), dtype)
    # A tensor all of whose values are equal may be sent as that one value.
    return np.full(shape, values[0], dtype) if values.size == 1 else values.reshape(shape)


def read_warmup(folder: Path) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    """The requests in the warmup file of an exported version: a signature's name and its inputs, each.

    The file is a TFRecord of `PredictionLog`. A record is its length (8 bytes), a checksum of that (4), the
    content, a checksum of that (4).
    """
    logs = messages("tensorflow_serving.apis.prediction_log_pb2")
    with (folder / WARMUP_PATH).open("rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack("<Q", header[:8])
            request = logs.PredictionLog.FromString(file.read(length)).predict_log.request
            file.read(4)
            inputs = {name: array_of(request.inputs[name]) for name in request.inputs}
            yield request.model_spec.signature_name, inputs
