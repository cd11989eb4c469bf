"""An exported model in the C++ runtime of TensorFlow Serving, loaded as the server loads it.

The C API of the library in the tensorflow wheel, by ctypes, with XLA disabled as in the server. Made for
tests and benchmarks; a process that has imported TensorFlow must not use it.
"""

import contextlib
import ctypes
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.random  # NumPy's shared libraries must be loaded before TensorFlow's.

from multvae_tf.serving_protos import NUMPY_DTYPES, STRING, MetaGraphDef, as_bytes, dtype_number

_STRING_SIZE = 24  # bytes of a TF_TString
_OK = 0


class NativeError(RuntimeError):
    """A call of the runtime failed.

    Attributes:
        code: of the status, as in gRPC: 3 is INVALID_ARGUMENT.
    """

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p)]


_POINTER, _INT, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
_INT64S = ctypes.POINTER(ctypes.c_int64)
# function -> (result, arguments)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "TF_AllocateTensor": (_POINTER, [_INT, _INT64S, _INT, _SIZE]),
    "TF_CloseSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteBuffer": (None, [_POINTER]),
    "TF_DeleteGraph": (None, [_POINTER]),
    "TF_DeleteSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteStatus": (None, [_POINTER]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_Dim": (ctypes.c_int64, [_POINTER, _INT]),
    "TF_GetCode": (_INT, [_POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, _TEXT]),
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        [_POINTER, _POINTER, _TEXT, ctypes.POINTER(_TEXT), _INT, _POINTER, _POINTER, _POINTER],
    ),
    "TF_Message": (_TEXT, [_POINTER]),
    "TF_NewBuffer": (_POINTER, []),
    "TF_NewGraph": (_POINTER, []),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_DeleteSessionOptions": (None, [_POINTER]),
    "TF_NewStatus": (_POINTER, []),
    "TF_NumDims": (_INT, [_POINTER]),
    "TF_SessionRun": (
        None,
        [*[_POINTER] * 4, _INT, *[_POINTER] * 2, _INT, _POINTER, _INT, *[_POINTER] * 2],
    ),
    "TF_StringCopy": (None, [_POINTER, _TEXT, _SIZE]),
    "TF_StringDealloc": (None, [_POINTER]),
    "TF_StringGetDataPointer": (_POINTER, [_POINTER]),
    "TF_StringGetSize": (_SIZE, [_POINTER]),
    "TF_StringInit": (None, [_POINTER]),
    "TF_TensorByteSize": (_SIZE, [_POINTER]),
    "TF_TensorData": (_POINTER, [_POINTER]),
    "TF_TensorType": (_INT, [_POINTER]),
}


@functools.cache
def _library() -> Any:
    """The runtime, with XLA disabled.

    Raises:
        ImportError: tensorflow is not installed, or this process has imported it.
    """
    if "tensorflow" in sys.modules:
        raise ImportError("this process has imported tensorflow; the native loader needs one of its own")
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("tensorflow is not installed")
    folder = Path(next(iter(spec.submodule_search_locations)))
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), mode=ctypes.RTLD_LOCAL)
    library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), mode=ctypes.RTLD_LOCAL)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # tensorflow::DisableXlaCompilation(), which the server's main() calls too.
    library._ZN10tensorflow21DisableXlaCompilationEv()
    return library


def _to_tensor(value: Any) -> int:
    """A new TF_Tensor; str and bytes become strings."""
    lib, array = _library(), np.asarray(value)
    number = dtype_number(array)
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    num_bytes = array.size * _STRING_SIZE if number == STRING else array.nbytes
    tensor = lib.TF_AllocateTensor(number, shape, array.ndim, num_bytes)
    data = lib.TF_TensorData(tensor)
    if number == STRING:
        for position, element in enumerate(array.ravel().tolist()):
            content, address = as_bytes(element), data + position * _STRING_SIZE
            lib.TF_StringInit(address)
            lib.TF_StringCopy(address, content, len(content))
    else:
        ctypes.memmove(data, np.ascontiguousarray(array).ctypes.data, array.nbytes)
    return tensor


def _to_array(tensor: int) -> np.ndarray:
    """A copy of a TF_Tensor's content; strings as bytes in an object array."""
    lib = _library()
    shape = [lib.TF_Dim(tensor, axis) for axis in range(lib.TF_NumDims(tensor))]
    number, data = lib.TF_TensorType(tensor), lib.TF_TensorData(tensor)
    if number != STRING:
        content = ctypes.string_at(data, lib.TF_TensorByteSize(tensor))
        return np.frombuffer(content, NUMPY_DTYPES[number][0]).reshape(shape)
    strings = np.empty(int(np.prod(shape)), object)
    for position in range(strings.size):
        address = data + position * _STRING_SIZE
        strings[position] = ctypes.string_at(
            lib.TF_StringGetDataPointer(address), lib.TF_StringGetSize(address)
        )
    return strings.reshape(shape)


def _delete_input(tensor: int) -> None:
    """Frees what `_to_tensor` made, the strings too; those of an output belong to the runtime."""
    lib = _library()
    if lib.TF_TensorType(tensor) == STRING:
        data = lib.TF_TensorData(tensor)
        for position in range(lib.TF_TensorByteSize(tensor) // _STRING_SIZE):
            lib.TF_StringDealloc(data + position * _STRING_SIZE)
    lib.TF_DeleteTensor(tensor)


def _delete_outputs(tensors: Iterable[int]) -> None:
    for tensor in tensors:
        _library().TF_DeleteTensor(tensor)


class _Status:
    """A TF_Status that raises on leaving the block, unless it is OK."""

    def __enter__(self) -> int:
        self._status = _library().TF_NewStatus()
        return self._status

    def __exit__(self, *_: Any) -> None:
        lib = _library()
        code, message = lib.TF_GetCode(self._status), lib.TF_Message(self._status).decode(errors="replace")
        lib.TF_DeleteStatus(self._status)
        if code != _OK:
            raise NativeError(code, message)


class NativeModel:
    """A SavedModel in a session of the C++ runtime; safe to call from many threads.

    Args:
        folder: of the SavedModel.

    Attributes:
        signatures: name -> (input -> tensor name, output -> tensor name).

    Raises:
        NativeError: it cannot be loaded.
        ImportError: tensorflow is not installed, or this process has imported it.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        lib = _library()
        self._graph = lib.TF_NewGraph()
        options, meta = lib.TF_NewSessionOptions(), lib.TF_NewBuffer()
        tags = (_TEXT * 1)(b"serve")
        with _Status() as status:
            self._session = lib.TF_LoadSessionFromSavedModel(
                options, None, os.fsencode(folder), tags, 1, self._graph, meta, status
            )
        lib.TF_DeleteSessionOptions(options)
        buffer = ctypes.cast(meta, ctypes.POINTER(_Buffer)).contents
        definitions = MetaGraphDef.FromString(ctypes.string_at(buffer.data, buffer.length)).signature_def
        lib.TF_DeleteBuffer(meta)
        self.signatures: dict[str, tuple[dict[str, str], dict[str, str]]] = {
            name: (
                {key: info.name for key, info in definition.inputs.items()},
                {key: info.name for key, info in sorted(definition.outputs.items())},
            )
            for name, definition in definitions.items()
            if not name.startswith("__")
        }
        self._output_of = {
            tensor: self._find(tensor)
            for inputs, outputs in self.signatures.values()
            for tensor in (*inputs.values(), *outputs.values())
        }

    def __call__(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The outputs of a signature.

        Args:
            signature: its name.
            inputs: all of its inputs by name; arrays, or nested lists of str.

        Raises:
            KeyError: there is no such signature.
            NativeError: the inputs are not those of the signature, or do not fit it.
        """
        with self._bound(signature, inputs) as run:
            results = run()
        try:
            arrays = [_to_array(result) for result in results]
        finally:
            _delete_outputs(results)
        return dict(zip(self.signatures[signature][1], arrays, strict=True))

    @contextlib.contextmanager
    def repeatable(self, signature: str, inputs: Mapping[str, Any]) -> Iterator[Callable[[], None]]:
        """A function that runs a signature on inputs that were converted before, and drops the outputs.

        What it takes is the runtime's own time, without Python's for the strings. Arguments and errors are
        those of a call.
        """
        with self._bound(signature, inputs) as run:
            yield lambda: _delete_outputs(run())

    @contextlib.contextmanager
    def _bound(self, signature: str, inputs: Mapping[str, Any]) -> Iterator[Callable[[], list[int]]]:
        """A function that runs a signature and gives new TF_Tensors, in the order of its outputs."""
        lib = _library()
        input_names, output_names = self.signatures[signature]
        if set(inputs) != set(input_names):
            raise NativeError(3, f"{signature} takes the inputs {sorted(input_names)}, not {sorted(inputs)}")
        feeds = (_Output * len(inputs))(*[self._output_of[input_names[key]] for key in inputs])
        fetches = (_Output * len(output_names))(*[self._output_of[name] for name in output_names.values()])
        tensors = [_to_tensor(value) for value in inputs.values()]
        fed = (_POINTER * len(tensors))(*tensors)

        def run() -> list[int]:
            results = (_POINTER * len(output_names))()
            with _Status() as status:
                lib.TF_SessionRun(
                    *(self._session, None),
                    *(feeds, fed, len(inputs)),
                    *(fetches, results, len(output_names)),
                    *(None, 0, None, status),
                )
            return [result for result in results if result is not None]

        try:
            yield run
        finally:
            for tensor in tensors:
                _delete_input(tensor)

    def close(self) -> None:
        """Frees the session; the model must not be called again."""
        lib = _library()
        with _Status() as status:
            lib.TF_CloseSession(self._session, status)
        with _Status() as status:
            lib.TF_DeleteSession(self._session, status)
        lib.TF_DeleteGraph(self._graph)

    def _find(self, tensor: str) -> _Output:
        operation, _, index = tensor.partition(":")
        found = _library().TF_GraphOperationByName(self._graph, operation.encode())
        return _Output(found, int(index or 0))
