"""The few messages of TensorFlow Serving that are spoken here, without importing TensorFlow.

Only the fields that are used are declared, by their public numbers; a parser skips all others. They serve the
warmup file, the gRPC client and the native loader, none of which then needs tensorflow-serving-api.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "multvae_tf.serving"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
}
# message -> field -> (number, type); `*` marks a repeated field, `map:` one from string to a message.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Dim": {"size": (1, "int64")},
    "TensorShape": {"dim": (2, "*Dim"), "unknown_rank": (3, "bool")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "*float"),
        "double_val": (6, "*double"),
        "int_val": (7, "*int32"),
        "string_val": (8, "*bytes"),
        "int64_val": (10, "*int64"),
        "bool_val": (11, "*bool"),
    },
    "Version": {"value": (1, "int64")},
    "ModelSpec": {
        "name": (1, "string"),
        "version": (2, "Version"),
        "signature_name": (3, "string"),
        "version_label": (4, "string"),
    },
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "map:Tensor")},
    "PredictResponse": {"outputs": (1, "map:Tensor"), "model_spec": (2, "ModelSpec")},
    "PredictLog": {"request": (1, "PredictRequest"), "response": (2, "PredictResponse")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32"), "tensor_shape": (3, "TensorShape")},
    "SignatureDef": {
        "inputs": (1, "map:TensorInfo"),
        "outputs": (2, "map:TensorInfo"),
        "method_name": (3, "string"),
    },
    "MetaGraphDef": {"signature_def": (5, "map:SignatureDef")},
}


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind.startswith("map:"):
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, kind.removeprefix("map:"))
        kind = f"*{message.name}.{entry.name}"
    if kind.startswith("*"):
        field.label = _Field.LABEL_REPEATED
        kind = kind[1:]
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="multvae_tf/serving/protos.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _message_classes()
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
PredictionLog = _CLASSES["PredictionLog"]
MetaGraphDef = _CLASSES["MetaGraphDef"]

STRING = 7
# TensorFlow's number of a data type -> NumPy's type, and the field of `Tensor` that may hold its values.
NUMPY_DTYPES: dict[int, tuple[Any, str]] = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    3: (np.int32, "int_val"),
    STRING: (np.object_, "string_val"),
    9: (np.int64, "int64_val"),
    10: (np.bool_, "bool_val"),
}


def dtype_number(array: np.ndarray) -> int:
    """TensorFlow's number of an array's data type; object arrays hold bytes or str.

    Raises:
        TypeError: the type is none of `NUMPY_DTYPES`.
    """
    if array.dtype.kind in "OSU":
        return STRING
    for number, (dtype, _) in NUMPY_DTYPES.items():
        if array.dtype == dtype:
            return number
    raise TypeError(f"no tensor is made of {array.dtype} here")


def as_bytes(value: Any) -> bytes:
    """A string element as bytes, str in UTF-8."""
    return value if isinstance(value, bytes) else str(value).encode()


def fill_tensor(tensor: Any, array: np.ndarray) -> None:
    """Writes an array into a `Tensor` message."""
    tensor.dtype = dtype_number(array)
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if tensor.dtype == STRING:
        tensor.string_val.extend([as_bytes(value) for value in array.ravel().tolist()])
    else:
        tensor.tensor_content = np.ascontiguousarray(array).tobytes()


def tensor_to_array(tensor: Any) -> np.ndarray:
    """The array in a `Tensor` message, strings as bytes in an object array."""
    dtype, field = NUMPY_DTYPES[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
    values = np.array(list(getattr(tensor, field)), dtype)
    # A tensor all of whose values are equal may be sent as that one value.
    return np.full(shape, values[0], dtype) if values.size == 1 else values.reshape(shape)


def predict_request(
    signature: str, inputs: Mapping[str, np.ndarray], model: str = "", label: str = ""
) -> Any:
    """A `PredictRequest` for a signature of a model, by default of the version that the server prefers."""
    request = PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if label:
        request.model_spec.version_label = label
    for name, array in inputs.items():
        fill_tensor(request.inputs[name], array)
    return request
