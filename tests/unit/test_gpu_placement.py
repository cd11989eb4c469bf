"""Whether a GPU could run every op of a step, read off the traced graph and TensorFlow's kernel registry.

The registry lists the GPU's kernels also where there is no GPU. DEFAULT kernels run beside any device: those
of control flow, shapes and variables.
"""

import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from interactions import hold_out, latent_taste_interactions
from multvae_tf import MultDAE, MultinomialLikelihood, MultVAE, ranking
from multvae_tf.batches import evaluation_batches, training_batches
from recvae_tf import RecVAE

NUM_ITEMS = 40
MATRIX = latent_taste_interactions(60, NUM_ITEMS, seed=5)
MODELS = {
    "multvae": lambda: MultVAE(NUM_ITEMS),
    "multdae": lambda: MultDAE(NUM_ITEMS),
    "recvae": lambda: RecVAE(NUM_ITEMS),
    "recvae-joint": lambda: RecVAE(NUM_ITEMS, alternating=False, decoder_denoising=True),
    "mixed-precision": lambda: MultVAE(NUM_ITEMS, dtype="mixed_bfloat16"),
    "sampled-multvae": lambda: MultVAE(NUM_ITEMS, likelihood=MultinomialLikelihood(8)),
    "sampled-recvae": lambda: RecVAE(NUM_ITEMS, likelihood=MultinomialLikelihood(8)),
}


def without_gpu_kernel(function, batch):
    """The ops without a kernel for a GPU in the graph of a function and of all that it calls."""
    graph = tf.function(function).get_concrete_function(batch).graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return {node.op for node in nodes if not has_gpu_kernel(node)}


def has_gpu_kernel(node):
    return any(
        kernel.device_type in ("GPU", "DEFAULT")
        and all(
            node.attr[constraint.name].type in constraint.allowed_values.list.type
            for constraint in kernel.constraint
            if constraint.allowed_values.list.type
        )
        for kernel in kernels.get_registered_kernels_for_op(node.op).kernel
    )


@pytest.fixture(params=MODELS)
def model(request):
    model = MODELS[request.param]()
    model.compile()
    model.prepare_training(MATRIX.shape[0])
    return model


def test_every_op_of_an_update_can_run_on_a_gpu(model):
    batch = next(iter(training_batches(MATRIX, 20, seed=0)))
    assert without_gpu_kernel(model.train_step, batch) == set()


def test_every_op_of_an_evaluation_can_run_on_a_gpu(model):
    batch = next(iter(evaluation_batches(*hold_out(MATRIX, 0.3, seed=6), 20)))
    assert without_gpu_kernel(model.test_step, batch) == set()


def test_every_op_of_an_evaluation_by_blocks_can_run_on_a_gpu(model, monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK_SIZE", 8)
    batch = next(iter(evaluation_batches(*hold_out(MATRIX, 0.3, seed=6), 20)))
    assert without_gpu_kernel(lambda batch: model.best_unseen(batch.fold_in, 5), batch) == set()


def test_an_op_for_the_cpu_alone_is_found():
    assert without_gpu_kernel(tf.strings.as_string, tf.constant([1, 2])) == {"AsString"}
