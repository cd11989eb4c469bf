"""RecVAE's settings: the paper's, their way into the model, and what is refused."""

import pytest
from recvae_tf.config import PAPER_CONFIGS, RecVAEConfig

from multvae_tf.errors import RunError
from multvae_tf.schedules import ConstantBeta, LinearAnnealing, PerUserBeta

SMALL = {"hidden_dims": (8, 8), "latent_dim": 4}


@pytest.mark.parametrize(
    ("dataset", "gamma", "epochs"),
    [("ml20m", 0.005, 50), ("netflix", 0.0035, 50), ("msd", 0.01, 100), ("ml1m", 0.005, 50)],
)
def test_settings_of_the_paper(dataset, gamma, epochs):
    config = PAPER_CONFIGS["recvae"][dataset]
    assert (config.gamma, config.epochs) == (gamma, epochs)
    assert (config.batch_size, config.learning_rate, config.variant) == (500, 5e-4, "paper")


def test_a_model_is_built_with_every_setting():
    config = RecVAEConfig(
        variant="master",
        mixture_weights=(0.2, 0.3, 0.5),
        alternating=False,
        decoder_denoising=True,
        num_encoder_passes=2,
        num_decoder_passes=4,
        prior_cache_bytes=7,
        dropout_rate=0.25,
        seed=3,
        learning_rate=0.01,
        **SMALL,
    )
    model = config.build_model(20)
    model_config = model.get_config()
    for name, value in config.to_json().items():
        if name in model_config and name != "beta":
            expected = tuple(value) if isinstance(value, list) else value
            assert model_config[name] == expected, name
    for optimizer in (model.optimizer, model.decoder_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(0.01)
        assert optimizer.epsilon == 1e-8
    assert model.optimizer is not model.decoder_optimizer


@pytest.mark.parametrize(
    ("options", "schedule", "expected"),
    [
        ({"gamma": 0.01}, PerUserBeta, {"gamma": 0.01}),
        ({"beta": "constant", "anneal_cap": 0.3}, ConstantBeta, {"beta": 0.3}),
        (
            {"beta": "linear", "anneal_cap": 0.3, "total_anneal_steps": 9},
            LinearAnnealing,
            {"total_anneal_steps": 9, "anneal_cap": 0.3},
        ),
    ],
)
def test_beta(options, schedule, expected):
    model = RecVAEConfig(**options, **SMALL).resolve(500).build_model(20)
    assert type(model.beta) is schedule
    assert model.beta.get_config() == expected


def test_json_round_trip():
    config = RecVAEConfig(prior="vamp", **SMALL)
    assert RecVAEConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "thesis"}, "variant is thesis; it must be one of paper, master"),
        ({"encoder": "none"}, "encoder is none"),
        ({"prior": "flat"}, "prior is flat"),
        ({"beta": "annealed"}, "beta is annealed; it must be one of linear, constant, cyclical, per_user"),
        ({"gamma": -1.0}, "gamma is -1.0"),
        ({"num_decoder_passes": 0}, "num_decoder_passes is 0"),
        ({"dropout_rate": 1.0}, "dropout_rate is 1.0"),
        ({"hidden_dims": (8, 9)}, "equal widths"),
        ({"mixture_weights": (0.5, 0.6, -0.1)}, "mixture_weights is"),
        ({"prior_cache_bytes": -1}, "prior_cache_bytes is -1"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(RunError, match=message):
        RecVAEConfig(**options)


def test_the_multilayer_perceptron_may_have_any_widths():
    assert RecVAEConfig(encoder="mlp", hidden_dims=(8, 9)).build_model(20).encoder.hidden_dims == (8, 9)
