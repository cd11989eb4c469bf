"""The requests that a server replays when it loads a model, so that no user meets a cold one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from multvae_tf.errors import RunError

WARMUP_PATH = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1_000

Request = tuple[str, Mapping[str, np.ndarray]]


def write_warmup(folder: Path, model: str, requests: Sequence[Request]) -> None:
    """Writes the warmup file of an exported version, a TFRecord of `PredictionLog`.

    Args:
        folder: of the version.
        model: the name under which it is served.
        requests: a signature's name and its inputs, each; at most 1,000, which is the server's limit.

    Raises:
        RunError: there are more.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    if len(requests) > MAX_RECORDS:
        raise RunError(f"there are {len(requests)} warmup requests; a server takes at most {MAX_RECORDS}")
    path = folder / WARMUP_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, array in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(array, tf.string, array.shape))
            writer.write(log.SerializeToString())
