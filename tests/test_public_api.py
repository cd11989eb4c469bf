"""The library as a stranger meets it: what `import multvae_tf` and `import recvae_tf` give, on small data.

60 users x 40 items (seed 1), 20 other users with held-out items.
"""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

import multvae_tf
import recvae_tf
from interactions import as_interactions, hold_out, latent_taste_interactions
from multvae_tf import Estimate, Interactions, MultDAE, MultVAE, TrainingConfig
from multvae_tf.batches import training_batches
from recvae_tf import DenseEncoder, RecVAE

NUM_USERS, NUM_ITEMS, BATCH_SIZE = 60, 40, 20
MATRIX = latent_taste_interactions(NUM_USERS + 20, NUM_ITEMS, seed=1)
X, (FOLD_IN, HELD_OUT) = MATRIX[:NUM_USERS], hold_out(MATRIX[NUM_USERS:], 0.3, seed=2)
MODELS = {
    "MultVAE": lambda: MultVAE(NUM_ITEMS, hidden_dims=(16,), latent_dim=4),
    "MultDAE": lambda: MultDAE(NUM_ITEMS, latent_dim=4),
    "RecVAE": lambda: RecVAE(NUM_ITEMS, encoder=DenseEncoder((16, 16), 4)),
}
VALIDATION = {"val_NDCG@100", "val_Recall@20", "val_Recall@50"}
REPORTED = {
    "MultVAE": {"loss", "nll", "kl", "beta"},
    "MultDAE": {"loss", "nll"},
    "RecVAE": {"loss", "nll", "kl", "weighted_kl", "beta", "decoder_nll", "change"}
    | {"share_standard", "share_old_posterior", "share_wide"},
}


def with_a_stored_zero(x):
    """The same matrix, with a zero that takes room at an item that the last user does not have."""
    item = int(np.flatnonzero(x[-1].toarray()[0] == 0)[0])
    indptr = np.append(x.indptr[:-1], x.nnz + 1)
    return scipy.sparse.csr_matrix((np.append(x.data, 0), np.append(x.indices, item), indptr), x.shape)


FORMATS = {
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "coo": scipy.sparse.coo_matrix,
    "csr_array": scipy.sparse.csr_array,
    "bool": lambda x: x > 0,
    "float64": lambda x: x.astype(np.float64),
    "int8": lambda x: x.astype(np.int8),
    "stored zero": lambda x: with_a_stored_zero(x),
}


def state(model):
    """All that training changes."""
    optimizers = [model.optimizer, *([model.decoder_optimizer] if isinstance(model, RecVAE) else [])]
    return [*model.variables, *(v for optimizer in optimizers for v in optimizer.variables)]


def values(variables):
    return [variable.numpy() for variable in variables]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


class Restarted:
    """A compiled model, and how to bring it back to its initial weights without building it anew."""

    def __init__(self, name):
        self.name = name
        self.model = MODELS[name]()
        self.model.compile()
        self._initial = values(state(self.model))

    def restart(self):
        for variable, value in zip(state(self.model), self._initial, strict=True):
            variable.assign(value)
        return self.model

    def fit(self, x, epochs=1, **options):
        """The state after training from the initial weights."""
        self.restart().fit(x, **{"epochs": epochs, "batch_size": BATCH_SIZE, "verbose": 0, **options})
        return values(state(self.model))


@pytest.fixture(scope="module", params=MODELS)
def restarted(request):
    return Restarted(request.param)


@pytest.fixture(scope="module")
def three_epochs(restarted):
    """The state and the history of `fit` for three epochs on CSR, with validation."""
    history = restarted.restart().fit(
        X, epochs=3, batch_size=BATCH_SIZE, validation_data=(FOLD_IN, HELD_OUT), verbose=0
    )
    return values(state(restarted.model)), history.history


@pytest.fixture
def model(restarted, three_epochs):
    """The trained model."""
    for variable, value in zip(state(restarted.model), three_epochs[0], strict=True):
        variable.assign(value)
    return restarted.model


def test_a_matrix_of_any_format_trains_the_same_model(restarted):
    matrices = {name: make(X) for name, make in FORMATS.items()}
    assert matrices["stored zero"].nnz == X.nnz + 1
    results = {name: restarted.fit(matrix) for name, matrix in matrices.items()}
    for name, result in results.items():
        assert_same(result, results["csr"])
        assert matrices[name].nnz == FORMATS[name](X).nnz


def test_the_history_has_each_loss_and_each_metric_of_each_epoch(restarted, three_epochs):
    _, history = three_epochs
    assert set(history) == REPORTED[restarted.name] | VALIDATION
    assert all(len(per_epoch) == 3 for per_epoch in history.values())
    assert all(0 < value < np.inf for per_epoch in history.values() for value in per_epoch)
    assert all(loss >= nll for loss, nll in zip(history["loss"], history["nll"], strict=True))


def test_the_history_has_means_over_users_however_they_are_batched():
    def nll(batch_size):
        model = MultDAE(NUM_ITEMS, latent_dim=4, dropout_rate=0.0, seed=3)
        model.compile(keras.optimizers.SGD(1e-20))
        return model.fit(X, batch_size=batch_size, verbose=0).history["nll"]

    assert nll(50) == pytest.approx(nll(NUM_USERS), rel=1e-5)
    assert nll(1) == pytest.approx(nll(NUM_USERS), rel=1e-5)


def test_evaluate_gives_an_estimate_of_each_metric(model, three_epochs):
    estimates = model.evaluate(FOLD_IN, HELD_OUT)
    assert list(estimates) == ["NDCG@100", "Recall@20", "Recall@50"]
    for name, estimate in estimates.items():
        assert isinstance(estimate, Estimate)
        assert 0 < estimate.mean <= 1
        assert estimate.mean == pytest.approx(three_epochs[1][f"val_{name}"][-1], rel=1e-6)
    assert multvae_tf.evaluate(model, FOLD_IN, HELD_OUT) == estimates


def test_predict_gives_all_scores(model):
    scores = model.predict(FOLD_IN, batch_size=7, verbose=0)
    assert (scores.shape, scores.dtype) == ((20, NUM_ITEMS), np.float32)
    np.testing.assert_allclose(scores, model(as_interactions(FOLD_IN)), rtol=1e-4, atol=1e-5)
    assert model.predict(FOLD_IN[:0], verbose=0).shape == (0, NUM_ITEMS)


def test_recommend_gives_the_best_of_the_unseen_items(model):
    items, scores = model.recommend(FOLD_IN, k=5, batch_size=7)
    assert (items.shape, items.dtype, scores.shape, scores.dtype) == ((20, 5), np.int32, (20, 5), np.float32)
    predicted = model.predict(FOLD_IN, batch_size=7, verbose=0)
    unseen = np.where(FOLD_IN.toarray() > 0, -np.inf, predicted)
    np.testing.assert_array_equal(items, np.argsort(-unseen, axis=1, kind="stable")[:, :5])
    np.testing.assert_array_equal(scores, np.take_along_axis(predicted, items, axis=1))


def test_where_no_item_is_left_recommend_says_so(model):
    all_but_two = scipy.sparse.csr_matrix(np.append(np.zeros(2), np.ones(NUM_ITEMS - 2)))
    items, scores = model.recommend(all_but_two, k=1_000)
    assert items.shape == scores.shape == (1, NUM_ITEMS)
    assert sorted(items[0, :2]) == [0, 1]
    assert (items[0, 2:] == -1).all()
    np.testing.assert_array_equal(scores[0, 2:], np.full(NUM_ITEMS - 2, -3e38, np.float32))


def test_one_epoch_three_times_equals_three_epochs(restarted, three_epochs):
    model = restarted.restart()
    for _ in range(3):
        model.fit(X, epochs=1, batch_size=BATCH_SIZE, verbose=0)
    assert_same(values(state(model)), three_epochs[0])
    model = restarted.restart()
    for epoch in range(3):
        model.fit(X, initial_epoch=epoch, epochs=epoch + 1, batch_size=BATCH_SIZE, verbose=0)
    assert_same(values(state(model)), three_epochs[0])


def as_ragged(x):
    return tf.RaggedTensor.from_row_splits(x.ids, tf.cast(x.row_splits, tf.int64))


@pytest.mark.filterwarnings("error:Your input ran out of data")
def test_datasets_of_interactions_and_of_ragged_tensors_train_the_same_model(restarted):
    first_pass = training_batches(X, BATCH_SIZE, seed=restarted.model.seed).map(lambda batch: batch.x)
    first_pass = first_pass.apply(tf.data.experimental.assert_cardinality(3))
    assert first_pass.element_spec == Interactions(*[tf.TensorSpec([None], tf.int32)] * 2)
    result = restarted.fit(first_pass, epochs=2)
    assert_same(restarted.fit(first_pass.map(as_ragged), epochs=2), result)
    if restarted.name != "RecVAE":  # of which each pass of an epoch has an order of its own
        assert_same(restarted.fit(first_pass), restarted.fit(X))


def test_a_dataset_of_training_batches_trains_the_same_model(restarted):
    passes = restarted.model.passes_per_epoch
    batches = training_batches(
        X, BATCH_SIZE, seed=restarted.model.seed, num_epochs=2, passes_per_epoch=passes
    )
    result = restarted.fit(batches, epochs=2, steps_per_epoch=3 * passes)
    # RecVAE keeps the users' old posteriors only if it is given the matrix: rounding differs.
    rtol, atol = (1e-3, 1e-5) if restarted.name == "RecVAE" else (0, 0)
    for one, other in zip(result, restarted.fit(X, epochs=2), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def test_fit_and_train_give_the_same_weights(restarted, tmp_path):
    held_out = FOLD_IN, HELD_OUT
    config = TrainingConfig(epochs=3, batch_size=BATCH_SIZE)
    run = multvae_tf.train(MODELS[restarted.name](), X, held_out, folder=tmp_path / "run", config=config)
    model = restarted.restart()
    history = model.fit(
        X, epochs=run.metrics.best_epoch, batch_size=BATCH_SIZE, validation_data=held_out, verbose=0
    ).history
    assert_same(values(run.model().variables), values(model.variables))
    for epoch in range(run.metrics.best_epoch):
        assert run.history[epoch] == {"epoch": epoch + 1} | {name: v[epoch] for name, v in history.items()}
    assert run.metrics.validation == model.evaluate(*held_out, batch_size=BATCH_SIZE)


WAY = """
import sys
import keras, numpy as np, scipy.sparse
from multvae_tf import MultDAE, MultVAE
from recvae_tf import DenseEncoder, RecVAE

folder = sys.argv[1]
x, fold_in, held_out = (scipy.sparse.load_npz(f"{folder}/{n}.npz") for n in ("x", "fold_in", "held_out"))
for model in (
    MultVAE(x.shape[1], hidden_dims=(16,), latent_dim=4),
    MultDAE(x.shape[1], latent_dim=4),
    RecVAE(x.shape[1], encoder=DenseEncoder((16, 16), 4)),
):
    name = type(model).__name__
    model.compile()
    model.fit(x, epochs=2, batch_size=20, validation_data=(fold_in, held_out), verbose=0)
    model.evaluate(fold_in, held_out)
    model.predict(fold_in, verbose=0)
    model.save(f"{folder}/{name}-here.keras")
    loaded = keras.saving.load_model(f"{folder}/{name}.keras")
    items, scores = loaded.recommend(fold_in, k=5)
    np.savez(f"{folder}/{name}-recommended.npz", items=items, scores=scores)
    if name != "RecVAE":  # whose graph takes long to make
        loaded.fit(x, epochs=3, batch_size=20, verbose=0)
"""


def python(*arguments, environment=()):
    root = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": "", "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3"} | dict(environment),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """What a process said that goes the whole way with every warning an error, and its folder."""
    folder = tmp_path_factory.mktemp("stranger")
    for name, matrix in (("x", X), ("fold_in", FOLD_IN), ("held_out", HELD_OUT)):
        scipy.sparse.save_npz(folder / f"{name}.npz", matrix)
    recommended = {}
    for name, new in MODELS.items():
        model = new()
        model.compile()
        model.save(folder / f"{name}.keras")
        recommended[name] = model.recommend(FOLD_IN, k=5)
    known = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    return python("-W", "error", "-W", known, "-c", WAY, str(folder)), folder, recommended


def test_no_warning_is_given_on_the_whole_way(stranger):
    process, _, _ = stranger
    assert process.returncode == 0, process.stderr
    # TensorFlow's native code writes some lines as it starts, whatever the log level is.
    native = re.compile(r"WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} .* \w+\.cc:\d+\] ")
    assert [line for line in process.stderr.splitlines() if not native.match(line)] == []
    assert process.stdout == ""


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_recommends_the_same_in_another_process(stranger, name):
    process, folder, recommended = stranger
    assert process.returncode == 0, process.stderr
    with np.load(folder / f"{name}-recommended.npz") as arrays:
        assert_same((arrays["items"], arrays["scores"]), recommended[name])
    assert isinstance(keras.saving.load_model(folder / f"{name}-here.keras"), type(MODELS[name]()))


@pytest.mark.parametrize("module", [multvae_tf, recvae_tf])
def test_every_name_that_is_promised_is_there(module):
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
        assert name in dir(module)
    assert sorted(module.__all__, key=str.lower) == sorted(set(module.__all__), key=str.lower)
    with pytest.raises(AttributeError, match=rf"^module '{module.__name__}' has no attribute 'RecVAF'$"):
        module.RecVAF  # noqa: B018


@pytest.mark.parametrize(
    "code",
    ["import multvae_tf", "from multvae_tf import connect, Items, RunError", "import recvae_tf"],
)
def test_the_import_needs_no_tensorflow(code):
    process = python("-c", f"import sys\n{code}\nprint({{'tensorflow', 'keras'}} & set(sys.modules))")
    assert (process.stdout, process.stderr) == ("set()\n", "")


def test_the_import_sets_tensorflow_up_unless_that_was_done():
    code = "import os, multvae_tf; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert python("-c", code).stdout == "1\n"
    assert python("-c", code, environment={"TF_ENABLE_ONEDNN_OPTS": "0"}).stdout == "0\n"
