"""TensorFlow's C API, by ctypes: the library in the tensorflow wheel, with XLA disabled as in the server.

A process that has imported TensorFlow must not use it. Tensors are addresses of TF_Tensor.
"""

import ctypes
import functools
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.random  # NumPy's shared libraries must be loaded before TensorFlow's.

STRING = 7
# TensorFlow's number of a data type -> NumPy's type.
NUMPY_DTYPES: dict[int, Any] = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    STRING: np.object_,
    9: np.int64,
    10: np.bool_,
}
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


class Output(ctypes.Structure):
    """TF_Output: one of the tensors that an operation of a graph makes."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Buffer(ctypes.Structure):
    """TF_Buffer."""

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


def dtype_number(array: np.ndarray) -> int:
    """TensorFlow's number of an array's data type; object arrays hold bytes or str.

    Raises:
        TypeError: the type is none of `NUMPY_DTYPES`.
    """
    if array.dtype.kind in "OSU":
        return STRING
    for number, dtype in NUMPY_DTYPES.items():
        if array.dtype == dtype:
            return number
    raise TypeError(f"no tensor is made of {array.dtype} here")


def as_bytes(value: Any) -> bytes:
    """A string element as bytes, str in UTF-8."""
    return value if isinstance(value, bytes) else str(value).encode()


@functools.cache
def runtime() -> Any:
    """The runtime's functions, with XLA disabled.

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


def to_tensor(value: Any) -> int:
    """A new TF_Tensor; str and bytes become strings."""
    lib, array = runtime(), np.asarray(value)
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


def to_array(tensor: int) -> np.ndarray:
    """A copy of a TF_Tensor's content; strings as bytes in an object array."""
    lib = runtime()
    shape = [lib.TF_Dim(tensor, axis) for axis in range(lib.TF_NumDims(tensor))]
    number, data = lib.TF_TensorType(tensor), lib.TF_TensorData(tensor)
    if number != STRING:
        content = ctypes.string_at(data, lib.TF_TensorByteSize(tensor))
        return np.frombuffer(content, NUMPY_DTYPES[number]).reshape(shape)
    strings = np.empty(int(np.prod(shape)), object)
    for position in range(strings.size):
        address = data + position * _STRING_SIZE
        strings[position] = ctypes.string_at(
            lib.TF_StringGetDataPointer(address), lib.TF_StringGetSize(address)
        )
    return strings.reshape(shape)


def delete_input(tensor: int) -> None:
    """Frees what `to_tensor` made, the strings too; those of an output belong to the runtime."""
    lib = runtime()
    if lib.TF_TensorType(tensor) == STRING:
        data = lib.TF_TensorData(tensor)
        for position in range(lib.TF_TensorByteSize(tensor) // _STRING_SIZE):
            lib.TF_StringDealloc(data + position * _STRING_SIZE)
    lib.TF_DeleteTensor(tensor)


def delete_outputs(tensors: Iterable[int]) -> None:
    """Frees what the runtime made."""
    for tensor in tensors:
        runtime().TF_DeleteTensor(tensor)


class Status:
    """A TF_Status that raises on leaving the block, unless it is OK."""

    def __enter__(self) -> int:
        self._status = runtime().TF_NewStatus()
        return self._status

    def __exit__(self, *_: Any) -> None:
        lib = runtime()
        code, message = lib.TF_GetCode(self._status), lib.TF_Message(self._status).decode(errors="replace")
        lib.TF_DeleteStatus(self._status)
        if code != _OK:
            raise NativeError(code, message)
