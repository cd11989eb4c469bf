"""From flags to a model: what the constructors say, which source of a setting wins, what has no effect."""

import pytest

from cli import settings
from cli.signatures import options_of
from multvae_tf import RunError, TrainingConfig
from multvae_tf.training import described

NUM_ITEMS = 20
SMALL = {"hidden_dims": (8,), "latent_dim": 4}
TRAINED = {"seed": 3, "mixed_precision": True, "epochs": 9, "learning_rate": 0.5}


@pytest.mark.parametrize("model", settings.MODELS)
def test_the_defaults_of_the_commands_are_those_of_the_constructors(model):
    module, _, name = settings.MODELS[model].path.partition(":")
    by_constructor = getattr(__import__(module, fromlist=[name]), name)(NUM_ITEMS)
    given = settings.resolve(model, "ml20m", {})
    assert described(given.new_model(NUM_ITEMS)) == described(by_constructor)


@pytest.mark.parametrize("model", settings.MODELS)
def test_every_setting_is_described_in_a_full_sentence(model):
    for part, kinds in settings.PARTS.items():
        for kind in kinds:
            if part in settings.MODELS[model].parts:
                for name, option in settings.read_options(model, {part: kind}).items():
                    assert option.description[:1].isupper(), name
                    assert option.description.endswith("."), name


def test_options_are_read_from_the_source():
    options = options_of("multvae_tf.models:MultVAE")
    assert options["hidden_dims"].default == (600,)
    assert (options["hidden_dims"].kind, options["hidden_dims"].is_list) == (int, True)
    assert options_of("multvae_tf.models:MultDAE")["l2"].default == 0.01 / 500
    assert options_of("multvae_tf.schedules:LinearAnnealing")["anneal_cap"].is_open
    assert "beta" not in options
    with pytest.raises(LookupError, match="no class Nothing"):
        options_of("multvae_tf.models:Nothing")


@pytest.mark.parametrize(
    ("model", "dataset", "expected"),
    [
        ("multvae", "ml20m", {"epochs": 200, "total_anneal_steps": 200_000, "anneal_cap": 0.2}),
        ("multvae", "msd", {"epochs": 100, "total_anneal_steps": 200_000}),
        ("multvae", "ml1m", {"epochs": 200, "total_anneal_steps": 5_000}),
        ("multvae", "mine", {"epochs": 200, "total_anneal_steps": None}),
        ("multdae", "netflix", {"epochs": 100, "l2": 0.01 / 500}),
        ("recvae", "ml20m", {"epochs": 50, "gamma": 0.005}),
        ("recvae", "netflix", {"epochs": 50, "gamma": 0.0035}),
        ("recvae", "msd", {"epochs": 100, "gamma": 0.01}),
        ("recvae", "mine", {"epochs": 50, "gamma": 0.005}),
        ("recvae", "demo", {"epochs": 20, "batch_size": 100}),
    ],
)
def test_the_papers_settings(model, dataset, expected):
    values = settings.resolve(model, dataset, {}).values
    assert {name: values[name] for name in expected} == expected
    assert (values["seed"], values["learning_rate"]) == (98765, None)


def test_what_is_given_wins_over_the_file_the_variant_and_the_paper():
    stored = {"epochs": 7, "gamma": 0.5, "variant": "master", "anneal_cap": 0.1}
    values = settings.resolve("recvae", "netflix", {"gamma": 0.25}, stored).values
    assert (values["epochs"], values["gamma"]) == (7, 0.25)
    assert (values["layer_norm_epsilon"], values["first_old_encoder"]) == (0.1, "random")
    assert "anneal_cap" not in values


def test_variants_are_the_authors_two_programs():
    paper, master = (
        settings.resolve("recvae", "ml20m", {"variant": variant}).values for variant in ("paper", "master")
    )
    assert {name for name in paper if paper[name] != master[name]} == {
        "layer_norm_epsilon",
        "first_old_encoder",
    }
    assert settings.resolve("recvae", "ml20m", {}).values == paper


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("multvae", {**SMALL, **TRAINED, "beta": "cyclical", "num_cycles": 3}),
        ("multdae", {**SMALL, **TRAINED, "likelihood": "gaussian", "positive_weight": 3.0}),
        ("recvae", {**SMALL, **TRAINED, "prior": "mixture", "num_components": 7}),
        ("elsa", {"rank": 3, "epochs": 9, "learning_rate": 0.5}),
        ("edlae", {"l2": 3.0, "dropout_rate": 0.25}),
        ("slim", {"num_neighbours": 5}),
        ("wmf", {"rank": 3}),
    ],
)
def test_flat_settings_make_the_same_model_again(model, given):
    made = settings.resolve(model, "mine", given)
    stored = settings.flat_settings(described(made.new_model(NUM_ITEMS)), vars(made.training()))
    again = settings.resolve(model, "ml20m", {}, stored)
    assert stored["model"] == model
    assert described(again.new_model(NUM_ITEMS)) == described(made.new_model(NUM_ITEMS))
    assert again.training() == made.training()
    if "epochs" in given:
        assert made.training() == TrainingConfig(epochs=9, learning_rate=0.5)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        ("multdae", {"anneal_cap": 1.0}, "--anneal_cap=1.0 .* read with --beta=linear or --beta=cyclical"),
        ("multvae", {"beta": "constant", "anneal_cap": 0.2}, "has no effect with .*--beta=constant"),
        ("multvae", {"gamma": 0.1}, "--gamma=0.1 has no effect .* it is read with --beta=per_user"),
        ("multvae", {"likelihood": "logistic", "num_sampled_items": 8}, "read with --likelihood=multinomial"),
        ("multvae", {"positive_weight": 2.0}, "it is read with --likelihood=gaussian"),
        ("multvae", {"prior": "vamp"}, "--prior=vamp has no effect .* it is read with --model=recvae"),
        ("multdae", {"beta": "linear"}, "it is read with --model=multvae or --model=recvae"),
        ("multvae", {"variant": "master"}, "it is read with --model=recvae"),
        ("recvae", {"num_components": 3}, "it is read with --prior=mixture or --prior=vamp"),
        ("recvae", {"prior": "gaussian", "mixture_weights": (0.2, 0.3, 0.5)}, "read with --prior=composite"),
        ("recvae", {"encoder": "mlp", "layer_norm_epsilon": 0.1}, "it is read with --encoder=dense"),
        ("recvae", {"l2": 0.1}, "it is read with --model=multvae or --model=multdae"),
    ],
)  # fmt: skip
def test_a_setting_without_effect_is_refused_and_told_where_it_has_one(model, given, message):
    with pytest.raises(RunError, match=message):
        settings.resolve(model, "mine", given)
