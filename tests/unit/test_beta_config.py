"""From the settings of beta to its schedule, and what of them depends on the run."""

import pytest
from multvae_tf.config import MultVAEConfig
from recvae_tf.config import RecVAEConfig

from multvae_tf.errors import RunError
from multvae_tf.schedules import CyclicalAnnealing, PerUserBeta

# 1,000 users in batches of 500: 2 updates a pass.
RUN = {"epochs": 70, "latent_dim": 4, "hidden_dims": (8,)}


@pytest.mark.parametrize(
    ("options", "schedule", "expected"),
    [
        ({"beta": "per_user", "gamma": 0.01}, PerUserBeta, {"gamma": 0.01}),
        (
            {"beta": "cyclical", "anneal_cap": 0.3, "cyclical_cap": "clip"},
            CyclicalAnnealing,
            {
                "num_steps": 140,
                "num_cycles": 10,
                "cycle_ramp": 0.5,
                "anneal_cap": 0.3,
                "cyclical_cap": "clip",
            },
        ),
    ],
)
def test_schedules_of_mult_vae(options, schedule, expected):
    model = MultVAEConfig(**RUN, **options).resolve(1_000).build_model(20)
    assert type(model.beta) is schedule
    assert model.beta.get_config() == expected


def test_steps_left_open_reach_the_cap_after_six_sevenths_of_the_updates():
    config = MultVAEConfig(total_anneal_steps=None, anneal_cap=0.2, **RUN).resolve(1_000)
    assert config.total_anneal_steps * 0.2 == pytest.approx(120)


def test_a_cap_left_open_is_searched_by_annealing_to_one():
    config = MultVAEConfig(total_anneal_steps=None, anneal_cap=None, **RUN).resolve(1_000)
    assert config.total_anneal_steps == 120
    with pytest.raises(RunError, match="anneal_cap is auto; it must be resolved"):
        config.build_model(20)


@pytest.mark.parametrize(("options", "updates"), [({}, 560), ({"alternating": False}, 280)])
def test_recvae_counts_the_updates_of_both_optimizers(options, updates):
    config = RecVAEConfig(beta="cyclical", **RUN, **options).resolve(1_000)
    assert config.cyclical_steps == updates


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": "square"}, "beta is square; it must be one of linear"),
        (
            {"beta": "cyclical", "anneal_cap": None},
            "anneal_cap is auto; it must be a number unless beta is linear",
        ),
        ({"anneal_cap": float("inf")}, "anneal_cap is inf"),
        ({"num_cycles": 0}, "num_cycles is 0"),
        ({"cycle_ramp": 1.5}, "cycle_ramp is 1.5"),
        ({"cyclical_cap": "cut"}, "cyclical_cap is cut; it must be ramp or clip"),
        (
            {"likelihood": "poisson"},
            "likelihood is poisson; it must be one of multinomial, gaussian, logistic",
        ),
        (
            {"likelihood": "logistic", "num_sampled_items": 9},
            "num_sampled_items is 9; it must be 0 with likelihood = logistic",
        ),
        ({"positive_weight": 0.0}, "positive_weight is 0.0"),
        ({"optimizer": "lion"}, "optimizer is lion; it must be adam or sgd"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(RunError, match=message):
        MultVAEConfig(**options)
