"""The C++ runtime that a server has, in a process without Python TensorFlow, answers as Python does."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from benchmarks.light_protos import read_warmup
from multvae_tf.serving.autoencoder_module import AutoencoderModule
from multvae_tf.serving.module import INPUT_RANKS
from multvae_tf.serving.warmup import MAX_RECORDS, WARMUP_PATH
from serving.exports import ITEM_IDS, MODELS, OTHER_MODELS, ask_natively, ask_reloaded, random_histories, rows


def requests_for_every_signature():
    histories = [
        *random_histories(7, seed=0),
        [],
        ["unknown"],
        ["item 1", "item 1", "", "??", "фильм-3"],
        ITEM_IDS,
    ]
    history = rows(*histories)
    others = rows(*reversed(histories))
    return [
        ("serving_default", {"history": history}),
        ("serving_default", {"history": rows(["item 2"])}),
        ("recommend_excluding", {"history": history, "exclude": others}),
        ("recommend_text", {"history_text": np.array([",".join(h) for h in histories], object)}),
        ("score_items", {"history": history, "candidates": others}),
        ("embed_user", {"history": history}),
        ("similar_items", {"item_id": np.array(["item 1", "фильм-0", "unknown", ""], object)}),
        ("describe_items", {"item_id": np.array(["item 1", "фильм-0", "unknown", ""], object)}),
    ]


@pytest.mark.parametrize("kind", [*MODELS, *OTHER_MODELS])
def test_every_signature_equals_python_exactly(kind, export_of, tmp_path):
    _, folder = export_of(kind)
    requests = requests_for_every_signature()
    assert {signature for signature, _ in requests} == set(AutoencoderModule.input_ranks)
    if kind in OTHER_MODELS:
        requests = [request for request in requests if request[0] in INPUT_RANKS]
    natively = ask_natively(folder, requests, tmp_path)
    for (signature, _), native, reloaded in zip(
        requests, natively, ask_reloaded(folder, requests), strict=True
    ):
        assert isinstance(native, dict), f"{signature}: {native}"
        assert set(native) == set(reloaded)
        for name in native:
            assert native[name].dtype == reloaded[name].dtype
            np.testing.assert_array_equal(native[name], reloaded[name], f"{signature}, {name}")


@pytest.mark.parametrize("kind", [*MODELS, *OTHER_MODELS])
def test_nothing_in_the_graph_must_be_compiled_by_xla(kind, export_of):
    _, folder = export_of(kind)
    meta_graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[
        0
    ]
    functions = meta_graph.graph_def.library.function
    assert functions
    for function in functions:
        assert not function.attr["_XlaMustCompile"].b, function.signature.name
        for node in function.node_def:
            assert not node.attr["_XlaMustCompile"].b, f"{function.signature.name}: {node.name}"


def test_the_native_loader_has_xla_disabled_as_the_server_does(tmp_path):
    module = tf.Module()
    module.double = tf.function(
        lambda x: {"y": tf.concat([x, x], 0)},
        input_signature=[tf.TensorSpec([None], tf.float32, name="x")],
        jit_compile=True,
    )
    tf.saved_model.save(module, str(tmp_path / "jitted"), signatures=module.double.get_concrete_function())
    (answer,) = ask_natively(
        tmp_path / "jitted", [("serving_default", {"x": np.ones(2, np.float32)})], tmp_path
    )
    assert isinstance(answer, tuple), "a function that XLA must compile ran"
    assert "XLA" in answer[1]


@pytest.mark.parametrize("kind", MODELS)
def test_warmup_replays_without_error(kind, export_of, tmp_path):
    _, folder = export_of(kind)
    requests = list(read_warmup(folder))
    assert {signature for signature, _ in requests} == set(AutoencoderModule.input_ranks)
    assert len(requests) <= MAX_RECORDS
    for (signature, _), answer in zip(requests, ask_natively(folder, requests, tmp_path), strict=True):
        assert isinstance(answer, dict), f"{signature}: {answer}"


def test_warmup_is_what_tensorflow_serving_reads(export_of):
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    _, folder = export_of("multvae")
    records = list(tf.data.TFRecordDataset(str(folder / WARMUP_PATH)).as_numpy_iterator())
    ours = list(read_warmup(folder))
    assert len(records) == len(ours)
    for record, (signature, inputs) in zip(records, ours, strict=True):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert (request.model_spec.name, request.model_spec.signature_name) == ("small", signature)
        assert set(request.inputs) == set(inputs)
        for name, tensor in request.inputs.items():
            np.testing.assert_array_equal(tf.make_ndarray(tensor), inputs[name])
