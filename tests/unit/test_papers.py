"""The settings of the papers: what differs from the defaults, by names that the constructors know."""

import inspect

import pytest

from multvae_tf import (
    CyclicalAnnealing,
    GaussianLikelihood,
    LinearAnnealing,
    MultDAE,
    MultinomialLikelihood,
    MultVAE,
    PerUserBeta,
    TrainingConfig,
    papers,
)
from multvae_tf.baselines import CDAE, WARP, WMF, ItemKNN, LambdaNet, Popularity
from multvae_tf.linear import EASE, EDLAE, ELSA, RDLAE, SLIM
from recvae_tf import CompositePrior, DenseEncoder, RecVAE
from recvae_tf import papers as recvae_papers

SETTINGS = papers.SETTINGS | recvae_papers.SETTINGS
# A model and the objects that its constructor takes, of which the papers' settings may name an argument.
PARTS = {
    "multvae": (MultVAE, LinearAnnealing, CyclicalAnnealing, MultinomialLikelihood, GaussianLikelihood),
    "multdae": (MultDAE, MultinomialLikelihood, GaussianLikelihood),
    "recvae": (RecVAE, DenseEncoder, CompositePrior, PerUserBeta),
    "ease": (EASE,),
    "edlae": (EDLAE,),
    "rdlae": (RDLAE,),
    "elsa": (ELSA,),
    "slim": (SLIM,),
    "itemknn": (ItemKNN,),
    "popularity": (Popularity,),
    "wmf": (WMF,),
    "cdae": (CDAE,),
    "warp": (WARP,),
    "lambdanet": (LambdaNet, LinearAnnealing),
}


def defaults(*classes):
    """The default of each argument of the constructors."""
    parameters = [p for c in classes for p in inspect.signature(c).parameters.values()]
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def settings_of(model, dataset):
    by_dataset = SETTINGS[model]
    return defaults(*PARTS[model], TrainingConfig) | by_dataset.get(dataset, by_dataset[papers.OTHER])


@pytest.mark.parametrize(
    ("dataset", "gamma", "epochs"),
    [("ml20m", 0.005, 50), ("netflix", 0.0035, 50), ("msd", 0.01, 100), ("ml1m", 0.005, 50)],
)
def test_recvae(dataset, gamma, epochs):
    settings = settings_of("recvae", dataset)
    assert (settings["gamma"], settings["epochs"], settings["batch_size"]) == (gamma, epochs, 500)
    assert RecVAE.default_learning_rate == 5e-4
    assert settings["learning_rate"] is None
    assert {name: settings[name] for name in recvae_papers.VARIANTS["paper"]} == recvae_papers.VARIANTS[
        "paper"
    ]


@pytest.mark.parametrize(
    ("dataset", "epochs", "total_anneal_steps"),
    [("ml20m", 200, 200_000), ("netflix", 100, 200_000), ("msd", 100, 200_000), ("ml1m", 200, 5_000)],
)
def test_mult_vae(dataset, epochs, total_anneal_steps):
    settings = settings_of("multvae", dataset)
    assert (settings["epochs"], settings["total_anneal_steps"]) == (epochs, total_anneal_steps)
    assert (settings["hidden_dims"], settings["latent_dim"], settings["l2"]) == ((600,), 200, 0.0)
    assert (settings["batch_size"], settings["learning_rate"], settings["seed"]) == (500, None, 98765)
    assert MultVAE.default_learning_rate == 1e-3


def test_on_other_data_the_annealing_follows_the_number_of_updates():
    assert settings_of("multvae", "mine")["total_anneal_steps"] is None


@pytest.mark.parametrize(("dataset", "epochs"), [("ml20m", 200), ("netflix", 100), ("msd", 100)])
def test_mult_dae(dataset, epochs):
    settings = settings_of("multdae", dataset)
    assert (settings["epochs"], settings["hidden_dims"], settings["l2"]) == (epochs, (), 0.01 / 500)


@pytest.mark.parametrize("model", SETTINGS)
def test_every_setting_is_an_argument(model):
    known = set(defaults(*PARTS[model], TrainingConfig))
    assert all(set(settings) <= known for settings in SETTINGS[model].values())
    assert papers.OTHER in SETTINGS[model]
