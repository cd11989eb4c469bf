"""Wrong input gets one sentence that names the field and the value, and says what to do."""

import keras
import numpy as np
import pytest
import scipy.sparse

from interactions import hold_out, random_interactions
from multvae_tf import LinearAnnealing, MultDAE, MultVAE, RunError, SettingError, TrainingConfig, train
from recvae_tf import CompositePrior, DenseEncoder, GaussianPrior, RecVAE

NUM_ITEMS = 12
X = random_interactions(20, NUM_ITEMS, 0.4, seed=0)
FOLD_IN, HELD_OUT = hold_out(X, 0.3, seed=1)
NOTHING = scipy.sparse.csr_matrix(X.shape, dtype=np.float32)
WHAT_IT_MUST_BE = (
    "it must be a scipy sparse matrix of users by items, a 1 for each interaction, "
    "such as scipy.sparse.csr_matrix(ratings > 3.5)"
)
ZEROS_AND_ONES = (
    "it must hold zeros and ones: say which values count as an interaction, such as x > 3.5 or x > 0"
)


def multvae(**options):
    return MultVAE(NUM_ITEMS, **{"hidden_dims": (8,), "latent_dim": 4, **options})


def recvae(encoder=None, **options):
    return RecVAE(NUM_ITEMS, encoder=encoder or DenseEncoder((8,), 4), **options)


def compiled():
    model = multvae()
    model.compile()
    return model


def with_value(value, row=1):
    """X with another value at the first item of a row; and the number of that item."""
    x = X.astype(np.float64)
    x.data[x.indptr[row]] = value
    return x, x.indices[x.indptr[row]]


def sentence(make, kind=SettingError):
    with pytest.raises(kind) as error:
        make()
    assert isinstance(error.value, ValueError)
    return str(error.value)


# The four ways on which a matrix comes in, and its name there.
WAYS = {
    "x": lambda matrix: compiled().fit(matrix, verbose=0),
    "x of predict": lambda matrix: multvae().predict(matrix, verbose=0),
    "x of recommend": lambda matrix: multvae().recommend(matrix),
    "fold_in": lambda matrix: multvae().evaluate(matrix, HELD_OUT),
    "held_out": lambda matrix: multvae().evaluate(FOLD_IN, matrix),
}


@pytest.fixture(params=WAYS)
def way(request):
    """The name of a matrix, and what is done with it."""
    return request.param.split()[0], WAYS[request.param]


def test_a_dense_matrix(way):
    name, use = way
    assert sentence(lambda: use(X.toarray() * 5)) == f"{name} is a dense float32 array; {WHAT_IT_MUST_BE}"


def test_something_that_is_no_matrix(way):
    name, use = way
    assert sentence(lambda: use([[1, 2]])) == f"{name} is a list; {WHAT_IT_MUST_BE}"


@pytest.mark.parametrize("value", [3.0, 5.0, 0.5, -1.0, float("nan"), float("inf")])
def test_ratings_and_other_values(way, value):
    name, use = way
    matrix, item = with_value(value)
    expected = f"{name} holds {value} in row 1, column {item}; {ZEROS_AND_ONES}"
    assert sentence(lambda: use(matrix)) == expected
    assert matrix.nnz == X.nnz


@pytest.mark.parametrize("value", [1.0, 0.5])
def test_a_pair_that_is_there_twice_is_added_up(value):
    twice = scipy.sparse.csr_matrix(([value, 1.0, value], [3, 5, 3], [0, 3]), shape=(1, NUM_ITEMS))
    if value == 0.5:
        assert 3 not in multvae().recommend(twice)[0][0, :10]
    else:
        expected = f"x holds 2.0 in row 0, column 3; {ZEROS_AND_ONES}"
        assert sentence(lambda: multvae().recommend(twice)) == expected
    assert (twice.data.tolist(), twice.indices.tolist()) == ([value, 1.0, value], [3, 5, 3])


def test_another_width(way):
    name, use = way
    expected = f"{name} has the shape (20, 11); the model has 12 items, one a column"
    assert sentence(lambda: use(X[:, :11])) == expected


@pytest.mark.parametrize(
    "use",
    [
        lambda *held_out: multvae().evaluate(*held_out),
        lambda *held_out: compiled().fit(X, validation_data=held_out, verbose=0),
    ],
    ids=["evaluate", "fit"],
)
class TestHeldOut:
    def test_other_users(self, use):
        expected = "held_out has 19 users, fold_in 20: they must be the same users"
        assert sentence(lambda: use(FOLD_IN, HELD_OUT[:19])) == expected

    def test_an_item_in_both(self, use):
        both = HELD_OUT.copy().tolil()
        item = FOLD_IN[2].indices[0]
        both[2, item] = 1
        expected = (
            f"held_out has a 1 in row 2, column {item}, and so has fold_in: what is seen is never ranked"
        )
        assert sentence(lambda: use(FOLD_IN, both.tocsr())) == expected


def test_no_held_out_item_at_all(tmp_path):
    expected = "no user has a held-out item: there is nothing to evaluate"
    assert sentence(lambda: multvae().evaluate(FOLD_IN, NOTHING), RunError) == expected
    expected = "validation_data has no held-out item of any user: nothing to validate on"
    assert sentence(lambda: compiled().fit(X, validation_data=(FOLD_IN, NOTHING))) == expected
    for name, data in (
        ("validation_data", {"validation_data": (FOLD_IN, NOTHING)}),
        ("test_data", {"validation_data": (FOLD_IN, HELD_OUT), "test_data": (FOLD_IN, NOTHING)}),
    ):
        expected = f"{name} has no held-out item of any of its 20 users"
        assert sentence(lambda data=data: train(multvae(), X, **data, folder=tmp_path / "run")) == expected
    assert list(tmp_path.iterdir()) == []


def test_no_user():
    expected = "x is of shape (0, 12); it must be of at least one user"
    assert sentence(lambda: compiled().fit(X[:0])) == expected


def test_fit_before_compile():
    expected = "the model is not compiled: call model.compile() before model.fit()"
    assert sentence(lambda: multvae().fit(X), RunError) == expected


@pytest.mark.parametrize("name", ["optimizer", "decoder_optimizer"])
def test_an_optimizer_in_use(name):
    optimizer = keras.optimizers.Adam()
    multvae().compile(optimizer)
    expected = f"{name} is in use already; make a new one"
    assert sentence(lambda: recvae().compile(**{name: optimizer})) == expected


def test_one_optimizer_for_two_networks():
    optimizer = keras.optimizers.Adam()
    expected = "decoder_optimizer is in use already; make a new one"
    assert sentence(lambda: recvae().compile(optimizer, optimizer)) == expected


@pytest.mark.parametrize("class_", [MultVAE, MultDAE])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout_rate": 1.0}, "dropout_rate is 1.0; it must be at least 0 and less than 1"),
        ({"dropout_rate": -0.1}, "dropout_rate is -0.1; it must be at least 0 and less than 1"),
        (
            {"likelihood": "logistic"},
            "likelihood is 'logistic'; it must be an object, such as MultinomialLikelihood()",
        ),
        ({"hidden_dims": (8, 0)}, "hidden_dims is (8, 0); it must be widths of at least 1"),
        ({"latent_dim": 0}, "latent_dim is 0; it must be at least 1"),
        ({"activation": "tanhh"}, "activation is 'tanhh'; it must be a Keras activation, such as 'tanh'"),
        ({"l2": -1.0}, "l2 is -1.0; it must be at least 0"),
        ({"l2": float("nan")}, "l2 is nan; it must be at least 0"),
        ({"seed": -1}, "seed is -1; it must be between 0 and 2147483647"),
        ({"seed": 2**31}, "seed is 2147483648; it must be between 0 and 2147483647"),
        ({"num_items": 0}, "num_items is 0; it must be at least 1"),
    ],
)
def test_arguments(class_, options, message):
    with pytest.raises(SettingError) as error:
        class_(**{"num_items": NUM_ITEMS, **options})
    assert str(error.value) == message
    assert error.value.field == message.split()[0]


def test_beta_as_a_number():
    expected = "beta is 0.2; it must be a schedule, such as ConstantBeta(0.2)"
    assert sentence(lambda: multvae(beta=0.2)) == expected
    assert sentence(lambda: recvae(beta=0.2)) == expected


def test_an_argument_that_the_model_does_not_have():
    with pytest.raises(ValueError, match="num_sampled_items"):
        multvae(num_sampled_items=5)


def test_a_largest_beta_left_open_in_fit():
    model = multvae(beta=LinearAnnealing(anneal_cap=None))
    model.compile()
    expected = "anneal_cap is None; it must be a number in an update; `train` fills it in"
    assert sentence(lambda: model.fit(X, verbose=0)) == expected


def test_an_encoder_and_a_prior_of_two_models():
    encoder, prior = DenseEncoder((8,), 4), GaussianPrior()
    recvae(encoder, prior=prior)
    expected = "encoder belongs to another model already; make a new one"
    assert sentence(lambda: recvae(encoder)) == expected
    expected = "prior belongs to another model already; make a new one"
    assert sentence(lambda: recvae(prior=prior)) == expected


def test_a_class_where_an_object_is_wanted():
    expected = f"prior is {CompositePrior!r}; it must be an object, such as CompositePrior()"
    assert sentence(lambda: recvae(prior=CompositePrior)) == expected


@pytest.mark.parametrize("k", [0, -3])
def test_k(k):
    assert sentence(lambda: multvae().recommend(X, k=k)) == f"k is {k}; it must be at least 1"


@pytest.mark.parametrize(
    "use",
    [
        lambda: compiled().fit(X, batch_size=0),
        lambda: multvae().evaluate(FOLD_IN, HELD_OUT, batch_size=0),
        lambda: multvae().predict(X, batch_size=0),
        lambda: multvae().recommend(X, batch_size=0),
        lambda: TrainingConfig(batch_size=0),
    ],
)
def test_a_batch_of_nobody(use):
    assert sentence(use) == "batch_size is 0; it must be at least 1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is 0; it must be at least 1"),
        ({"optimizer": "lion"}, "optimizer is lion; it must be adam or sgd"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a number greater than 0"),
        ({"patience": -1}, "patience is -1; it must be at least 0"),
    ],
)
def test_settings_of_training(options, message):
    assert sentence(lambda: TrainingConfig(**options)) == message
