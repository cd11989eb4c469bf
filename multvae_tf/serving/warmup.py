"""The requests that a server replays when it loads a model, so that no user meets a cold one.

The file is a TFRecord of `PredictionLog`. A record is its length (8 bytes), a checksum of that (4), the
content, a checksum of that (4).
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from multvae_tf.serving.protos import PredictionLog, predict_request, tensor_to_array

WARMUP_PATH = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1_000

Request = tuple[str, Mapping[str, np.ndarray]]


def write_warmup(folder: Path, model: str, requests: Sequence[Request]) -> None:
    """Writes the warmup file of an exported version.

    Args:
        folder: of the version.
        model: the name under which it is served.
        requests: a signature's name and its inputs, each; at most 1,000, which is the server's limit.

    Raises:
        ValueError: there are more.
    """
    import tensorflow as tf

    if len(requests) > MAX_RECORDS:
        raise ValueError(f"{len(requests)} warmup requests; a server takes at most {MAX_RECORDS}")
    path = folder / WARMUP_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = PredictionLog()
            log.predict_log.request.CopyFrom(predict_request(signature, inputs, model))
            writer.write(log.SerializeToString())


def read_warmup(folder: Path) -> Iterator[Request]:
    """The requests in the warmup file of an exported version; needs no TensorFlow."""
    with (folder / WARMUP_PATH).open("rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack("<Q", header[:8])
            log = PredictionLog.FromString(file.read(length))
            file.read(4)
            request = log.predict_log.request
            yield (
                request.model_spec.signature_name,
                {name: tensor_to_array(request.inputs[name]) for name in request.inputs},
            )
