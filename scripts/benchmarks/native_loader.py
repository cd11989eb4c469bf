"""An exported model in the C++ runtime of TensorFlow Serving, loaded as the server loads it.

Made for tests and benchmarks; a process that has imported TensorFlow must not use it.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks import tensorflow_c as c
from benchmarks.light_protos import messages
from benchmarks.tensorflow_c import NativeError


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
        lib = c.runtime()
        self._graph = lib.TF_NewGraph()
        options, meta = lib.TF_NewSessionOptions(), lib.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(b"serve")
        with c.Status() as status:
            self._session = lib.TF_LoadSessionFromSavedModel(
                options, None, os.fsencode(folder), tags, 1, self._graph, meta, status
            )
        lib.TF_DeleteSessionOptions(options)
        buffer = ctypes.cast(meta, ctypes.POINTER(c.Buffer)).contents
        meta_graph = messages("tensorflow.core.protobuf.meta_graph_pb2").MetaGraphDef
        definitions = meta_graph.FromString(ctypes.string_at(buffer.data, buffer.length)).signature_def
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
            arrays = [c.to_array(result) for result in results]
        finally:
            c.delete_outputs(results)
        return dict(zip(self.signatures[signature][1], arrays, strict=True))

    @contextlib.contextmanager
    def repeatable(self, signature: str, inputs: Mapping[str, Any]) -> Iterator[Callable[[], None]]:
        """A function that runs a signature on inputs that were converted before, and drops the outputs.

        What it takes is the runtime's own time, without Python's for the strings. Arguments and errors are
        those of a call.
        """
        with self._bound(signature, inputs) as run:
            yield lambda: c.delete_outputs(run())

    @contextlib.contextmanager
    def _bound(self, signature: str, inputs: Mapping[str, Any]) -> Iterator[Callable[[], list[int]]]:
        """A function that runs a signature and gives new TF_Tensors, in the order of its outputs."""
        lib = c.runtime()
        input_names, output_names = self.signatures[signature]
        if set(inputs) != set(input_names):
            raise NativeError(3, f"{signature} takes the inputs {sorted(input_names)}, not {sorted(inputs)}")
        feeds = (c.Output * len(inputs))(*[self._output_of[input_names[key]] for key in inputs])
        fetches = (c.Output * len(output_names))(*[self._output_of[name] for name in output_names.values()])
        tensors = [c.to_tensor(value) for value in inputs.values()]
        fed = (ctypes.c_void_p * len(tensors))(*tensors)

        def run() -> list[int]:
            results = (ctypes.c_void_p * len(output_names))()
            with c.Status() as status:
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
                c.delete_input(tensor)

    def close(self) -> None:
        """Frees the session; the model must not be called again."""
        lib = c.runtime()
        with c.Status() as status:
            lib.TF_CloseSession(self._session, status)
        with c.Status() as status:
            lib.TF_DeleteSession(self._session, status)
        lib.TF_DeleteGraph(self._graph)

    def _find(self, tensor: str) -> c.Output:
        operation, _, index = tensor.partition(":")
        found = c.runtime().TF_GraphOperationByName(self._graph, operation.encode())
        return c.Output(found, int(index or 0))
