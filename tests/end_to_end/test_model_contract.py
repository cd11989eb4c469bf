"""What every model here must do, on data drawn from what they assume: z ~ N(0, I), x ~ Mult(n, softmax(z W)).

600 users x 100 items (seed 5), 200 of the users held out; the models' seed is 4.
"""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import pytest

import oracle
from interactions import as_interactions, hold_out, latent_taste_interactions
from multvae_tf import LinearAnnealing, MultDAE, MultinomialLikelihood, MultVAE, Run, TrainingConfig, train
from multvae_tf.batches import steps_per_epoch
from multvae_tf.evaluation import rank_by_popularity
from multvae_tf.training import described
from recvae_tf import CompositePrior, DenseEncoder, RecVAE

NUM_ITEMS = 100
MATRIX = latent_taste_interactions(600, NUM_ITEMS, seed=5)
TRAIN, (FOLD_IN, HELD_OUT) = MATRIX[:400], hold_out(MATRIX[400:], 0.3, seed=6)


def multvae(likelihood=None, **options):
    beta = LinearAnnealing(800, 0.2)
    return MultVAE(
        NUM_ITEMS, hidden_dims=(32,), latent_dim=8, beta=beta, likelihood=likelihood, **{"seed": 4, **options}
    )


def multdae(**options):
    return MultDAE(NUM_ITEMS, hidden_dims=(16,), latent_dim=8, **{"seed": 4, **options})


def recvae(layer_norm_epsilon=1e-5, first_old_encoder="initial", **options):
    encoder = DenseEncoder((32, 32), 8, layer_norm_epsilon=layer_norm_epsilon)
    prior = CompositePrior(first_old_encoder=first_old_encoder)
    return RecVAE(NUM_ITEMS, encoder=encoder, prior=prior, **{"seed": 4, **options})


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, and how long it is trained here; `new` takes the constructor's other arguments."""

    new: Callable
    epochs: int

    def config(self, **changes):
        return TrainingConfig(**{"epochs": self.epochs, "batch_size": 50, "learning_rate": 5e-3, **changes})


CASES = {
    "multvae": Case(multvae, 40),
    "multvae-sampled": Case(functools.partial(multvae, MultinomialLikelihood(num_sampled_items=10)), 40),
    "multdae": Case(multdae, 40),
    "recvae-paper": Case(recvae, 15),
    "recvae-master": Case(functools.partial(recvae, 0.1, "random"), 15),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]


def trained(model, config, folder, callbacks=()):
    """The model, with what a run in this folder ends with, after continuing it if it was begun before."""
    data = TRAIN, (FOLD_IN, HELD_OUT)
    train(model, *data, folder=folder, config=config, resume=True, callbacks=callbacks)
    return model


@pytest.fixture(scope="module")
def folder(case, tmp_path_factory):
    return tmp_path_factory.mktemp("run") / "run"


@pytest.fixture(scope="module")
def model(case, folder):
    return trained(case.new(), case.config(), folder)


def popularity():
    return rank_by_popularity(TRAIN, FOLD_IN, HELD_OUT).estimates()["NDCG@100"].mean


def values(model):
    return [variable.numpy() for variable in model.variables]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_constructor_makes_every_weight_from_the_seed(case):
    one, same, other = case.new(), case.new(), case.new(seed=5)
    assert one.built
    assert_same(values(one), values(same))
    kernels = [v for v in one.trainable_variables if len(v.shape) == 2]
    others = [v for v in other.trainable_variables if len(v.shape) == 2]
    assert all(np.any(a.numpy() != b.numpy()) for a, b in zip(kernels, others, strict=True))
    first, second = kernels[0].numpy().ravel(), kernels[1].numpy().ravel()
    size = min(len(first), len(second))
    assert abs(np.corrcoef(first[:size], second[:size])[0, 1]) < 0.5


def test_fit_beats_popularity(model):
    # NDCG@100 was .60 to .65 against .37 when this was written; the test asks for half of that difference.
    assert model.evaluate(FOLD_IN, HELD_OUT)["NDCG@100"].mean > popularity() + 0.12


def test_the_model_does_not_depend_on_the_batch_a_user_is_in(model):
    together = model(as_interactions(FOLD_IN[:20])).numpy()
    alone = np.concatenate([model(as_interactions(FOLD_IN[user])).numpy() for user in range(20)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_evaluate_agrees_with_numpy(model):
    scores = model(as_interactions(FOLD_IN)).numpy()
    fold_in, held_out = (matrix.toarray().astype(np.float64) for matrix in (FOLD_IN, HELD_OUT))
    users = np.flatnonzero(held_out.sum(axis=1))
    assert len(users) > 150
    measured = model.rank_users(FOLD_IN, HELD_OUT, batch_size=len(fold_in)).metrics
    for name, metric, k in (
        ("NDCG@100", oracle.ndcg_at_k, 100),
        ("Recall@20", oracle.recall_at_k, 20),
        ("Recall@50", oracle.recall_at_k, 50),
    ):
        expected = [metric(scores[u], fold_in[u], held_out[u], k) for u in users]
        np.testing.assert_allclose(measured[name], expected, rtol=0, atol=1e-12)


def test_recommend_gives_the_best_unseen_items(model):
    k = 10
    items, scores = model.recommend(FOLD_IN[:30], k)
    logits = model.predict(FOLD_IN[:30], verbose=0)
    for user in range(30):
        expected = oracle.ranking(logits[user], FOLD_IN[user].toarray()[0])[:k]
        assert items[user].tolist() == expected
        np.testing.assert_array_equal(scores[user], logits[user, expected])


@pytest.mark.filterwarnings("error:.*optimizer")
def test_save_and_load_keep_the_model_and_its_optimizers(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(values(model), values(loaded))
    assert loaded.get_config() == model.get_config()
    batch = as_interactions(FOLD_IN[:20])
    np.testing.assert_array_equal(loaded(batch).numpy(), model(batch).numpy())
    names = ["optimizer", "decoder_optimizer"] if isinstance(model, RecVAE) else ["optimizer"]
    for name in names:
        before, after = getattr(model, name), getattr(loaded, name)
        assert int(before.iterations) > 0
        assert after.get_config() == before.get_config()
        assert_same(values(before), values(after))


def test_the_config_describes_the_model(case, model, folder):
    twin = type(model).from_config(model.get_config())
    assert twin.get_config() == model.get_config()
    assert [v.shape for v in twin.variables] == [v.shape for v in model.variables]
    run = Run.open(folder)
    assert run.settings.training == case.config()
    assert described(run.new_model()) == described(model) == run.settings.model


def test_a_run_gives_back_its_model(model, folder):
    assert_same(values(Run.open(folder).model()), values(model))


class KilledError(Exception):
    pass


class KillAt(keras.callbacks.Callback):
    """Raises after so many updates."""

    def __init__(self, update):
        super().__init__()
        self.left = update

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KilledError


def test_a_killed_run_goes_on_as_if_it_had_not_been(case, tmp_path):
    # First killed in the middle of the second epoch (RecVAE: of its second encoder pass), then, having begun
    # that epoch anew, near its end (RecVAE: in its decoder pass).
    config = case.config(epochs=3)
    steps = steps_per_epoch(TRAIN.shape[0], 50) * case.new().passes_per_epoch
    straight = trained(case.new(), config, tmp_path / "straight")
    for update in (round(1.4 * steps), round(0.9 * steps)):
        with pytest.raises(KilledError):
            trained(case.new(), config, tmp_path / "killed", [KillAt(update)])
    continued = trained(case.new(), config, tmp_path / "killed")
    assert_same(values(straight), values(continued))
    histories = [Run.open(tmp_path / name).history_path.read_text() for name in ("straight", "killed")]
    assert histories[0] == histories[1]


def test_a_model_has_an_optimizer_only_if_it_is_to_be_trained(case):
    model = case.new()
    assert not model.compiled
    model.compile()
    assert model.optimizer.built


def test_mixed_precision_keeps_weights_and_logits_in_float32(case, tmp_path):
    model = trained(case.new(dtype="mixed_bfloat16"), case.config(), tmp_path / "run")
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model(as_interactions(FOLD_IN[:5])).dtype == "float32"
    assert model.evaluate(FOLD_IN, HELD_OUT)["NDCG@100"].mean > popularity() + 0.12
