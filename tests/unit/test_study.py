"""Studies: what their files may say, how flags become commands, and the studies that are shipped."""

import json
from pathlib import Path

import pytest

from multvae_tf.errors import RunError
from multvae_tf.papers import PUBLISHED
from studies import named_settings, study, study_file

STUDIES = sorted((Path(__file__).parents[2] / "scripts" / "studies").glob("*.json"))
NAMES = {
    "multvae": ["latent_dim", "beta", "seed", "epochs"],
    "multdae": ["latent_dim", "seed"],
    "ease": ["l2"],
}
ONE = {"name": "one", "flags": {"latent_dim": 8}, "published": {"NDCG@100": 0.5}}
PLAIN = {
    "title": "T", "varies": "v", "source": "s", "model": "multvae", "base": "one",
    "settings": [ONE, {"name": "two", "model": "multdae", "published_as": "Mult-DAE"}],
    "claims": [{"sentence": "One wins.", "expected": [["one", "better", "two"]]}],
}  # fmt: skip


def load(content, tmp_path, dataset="demo", **options):
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return study_file.load(path, dataset, NAMES, check, **options)


def check(model, dataset, flags):
    for name in flags:
        if name not in NAMES[model]:
            raise RunError(f"{name} has no effect on {model} for {dataset}")


def names_read(model, flags):
    return NAMES[model]


def load_shipped(path, **options):
    return study_file.load(path, "ml1m", named_settings.MODELS, named_settings.resolved, **options)


def test_a_study_is_what_its_file_says(tmp_path):
    loaded = load(PLAIN, tmp_path)
    assert (loaded.name, loaded.title, loaded.base, loaded.published_on) == ("mine", "T", "one", "ml20m")
    assert [(s.name, s.model, s.flags) for s in loaded.settings] == [
        ("one", "multvae", {"latent_dim": 8}), ("two", "multdae", {}),
    ]  # fmt: skip
    assert loaded.settings[0].published == {"NDCG@100": 0.5}
    (claim,) = loaded.claims
    assert claim.expectations == (study.Expectation("one", "better", "two"),)


def test_published_results_are_those_of_the_dataset_or_else_of_ml20m(tmp_path):
    for dataset, shown in (("msd", "msd"), ("demo", "ml20m")):
        two = load(PLAIN, tmp_path, dataset).settings[1]
        assert tuple(two.published.values()) == PUBLISHED[shown]["Mult-DAE"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "mine.json is not JSON"),
        ([], "the study is []; it must be an object"),
        ({"titel": "T"}, "a field of the study is 'titel'; it must be one of title, varies"),
        ({"source": ""}, "source is ''; it must be given, as there are published numbers"),
        ({"title": 3}, "title of the study is 3; it must be of type str"),
        ({"base": "three"}, "base is 'three'; it must be one of one, two"),
        ({"model": "vae"}, "settings[0].model is 'vae'; it must be one of multvae, multdae, ease"),
        ({"published_on": "ml1m"}, "published_on is 'ml1m'; it must be one of ml20m, netflix, msd"),
        ({"settings": [{"flags": {}}]}, "name of settings[0] is None; it must be of type str"),
        (
            {"settings": [ONE | {"flags": {"latent": 8}}]},
            "mine.json: settings[0].flags: latent has no effect on multvae for demo",
        ),
        ({"settings": [ONE | {"on": ["x"]}]}, "settings[0].on is 'x'; it must be one of"),
        ({"settings": [ONE | {"published": {"NDCG": 0.5}}]}, "settings[0].published is 'NDCG'"),
        ({"settings": [ONE | {"published": {"NDCG@100": "?"}}]}, "settings[0].published.NDCG@100 is '?'"),
        ({"settings": [ONE | {"published_as": "GRU"}]}, "settings[0].published_as is 'GRU'"),
        ({"settings": [ONE, ONE]}, "settings is 'one'; it must be the name of one setting only"),
        (
            {"settings": [ONE, ONE | {"name": "two"}]},
            "flags of two is {'latent_dim': 8}; it must be unlike those of one",
        ),
        ({"claims": [{"sentence": "s", "expected": [["one", "better"]]}]}, "claims[0].expected is ['one'"),
        ({"claims": [{"sentence": "s", "expected": [["one", "big", "two"]]}]}, "better, worse, close"),
        (
            {"claims": [{"sentence": "s", "expected": [], "margin": -0.1}]},
            "claims[0].margin is -0.1",
        ),
        ({"claims": [{"sentence": "s", "expected": [["one", "better", "six"]]}]}, "is 'six'; it must be one"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_sentence(change, message, tmp_path):
    content = PLAIN | change if isinstance(change, dict) else change
    with pytest.raises(RunError) as error:
        load(content, tmp_path)
    assert "mine.json" in str(error.value)
    assert message in str(error.value)


def test_a_study_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(
        RunError, match="no study 'uscd': name one of multvae, published, recvae, systems, ucsd, or"
    ):
        study_file.find("uscd", STUDIES[0].parent)
    with pytest.raises(RunError, match=r"nowhere\.json is missing"):
        study_file.load(study_file.find("nowhere.json", tmp_path), "demo", NAMES, check)


def test_some_settings_of_a_study_are_a_study_of_these_and_of_the_claims_about_them(tmp_path):
    three = PLAIN | {
        "settings": [*PLAIN["settings"], {"name": "three", "flags": {"latent_dim": 3}}],
        "claims": [*PLAIN["claims"], {"sentence": "Three.", "expected": [["three", "close", "two"]]}],
    }
    loaded = load(three, tmp_path)
    some = loaded.only(["three", "two"])
    assert ([s.name for s in some.settings], some.base) == (["two", "three"], "two")
    assert [claim.sentence for claim in some.claims] == ["Three."]
    assert loaded.only(["one", "two"]).base == "one"
    with pytest.raises(RunError, match="mine has no setting 'four'; it has one; two; three"):
        loaded.only(["one", "four"])


SWITCHED = PLAIN | {
    "claims": [], "base": "both",
    "switches": [{"name": "a", "off": {"beta": "linear"}}, {"name": "b", "on": {"latent_dim": 4}}],
    "settings": [{"name": "both", "on": ["a", "b"]}, {"name": "neither", "flags": {"latent_dim": 2}}],
}  # fmt: skip


def test_flags_are_those_of_the_switches_then_the_settings_own(tmp_path):
    both, neither = load(SWITCHED, tmp_path).settings
    assert both.flags == {"latent_dim": 4}
    assert neither.flags == {"beta": "linear", "latent_dim": 2}


def test_full_adds_the_combinations_that_are_missing(tmp_path):
    found = load(SWITCHED, tmp_path, full=True).settings
    assert [(s.name, s.flags) for s in found[2:]] == [
        ("none of them", {"beta": "linear"}),
        ("a", {}),
        ("b", {"beta": "linear", "latent_dim": 4}),
    ]


def test_published_results_are_left_out_where_the_dataset_has_none(tmp_path):
    content = PLAIN | {"settings": [ONE, {"name": "two", "model": "multdae", "published_as": "SLIM"}]}
    assert load(content, tmp_path, "msd").settings[1].published == {}
    assert load(content, tmp_path, "ml20m").settings[1].published != {}


DEMO = {"dataset": "demo"}


def test_a_run_is_named_by_its_flags_whatever_the_study_calls_it(tmp_path):
    root = Path("runs/demo")

    def folders(content, epochs):
        planned = study.plan(load(content, tmp_path), [1, 2], DEMO, {"epochs": epochs}, root, names_read)
        return [one.run.folder for one in planned]

    one, two, other_seed, _ = folders(PLAIN, 3)
    assert (one.parent, two.parent) == (root / "multvae", root / "multdae")
    assert one.name.endswith("-seed1")
    assert other_seed.name == one.name[:-1] + "2"
    renamed = PLAIN | {"base": "1", "settings": [ONE | {"name": "1"}], "claims": []}
    assert folders(renamed, 3)[0] == one
    assert folders(renamed, 4)[0] != one


def test_what_all_runs_share_is_told_to_those_that_read_it_and_a_model_without_seed_runs_once(tmp_path):
    settings = [ONE, {"name": "two", "model": "multdae"}, {"name": "solved", "model": "ease"}]
    loaded = load(PLAIN | {"settings": settings, "claims": []}, tmp_path)
    planned = study.plan(loaded, [1, 2], DEMO, {"epochs": 3}, Path(), names_read)
    assert [one.command for one in planned] == [
        "python scripts/train.py --model=multvae --dataset=demo --epochs=3 --latent_dim=8 --seed=1",
        "python scripts/train.py --model=multdae --dataset=demo --seed=1",
        "python scripts/train.py --model=ease --dataset=demo",
        "python scripts/train.py --model=multvae --dataset=demo --epochs=3 --latent_dim=8 --seed=2",
        "python scripts/train.py --model=multdae --dataset=demo --seed=2",
    ]
    assert [one.name for one in planned[:3]] == ["one (seed 1)", "two (seed 1)", "solved"]


def test_lists_and_truth_values_are_written_as_flags():
    setting = study.Setting("s", "recvae", {"hidden_dims": [6, 4], "alternating": False, "gamma": 0.5}, {})
    loaded = study.Study("n", "t", "v", "", "ml20m", "s", (setting,), ())
    data = {"dataset": "my file.csv"}
    (planned,) = study.plan(loaded, [7], data, {}, Path(), named_settings.names_read)
    assert planned.command == (
        "python scripts/train.py --model=recvae '--dataset=my file.csv' --hidden_dims=6,4 "
        "--alternating=false --gamma=0.5 --seed=7"
    )


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_shipped_studies_use_flags_and_values_that_exist(path):
    for setting in load_shipped(path).settings:
        named_settings.resolved(setting.model, "ml1m", setting.flags).new_model(num_items=20)


def test_all_32_combinations_of_the_five_parts_of_recvae():
    found = load_shipped(STUDIES[0].parent / "recvae.json", full=True).settings
    switches = ("encoder", "alternating", "decoder_denoising", "beta", "constant_beta")
    combinations = {
        (s.flags.get("prior", "composite"), *(s.flags.get(name) for name in switches))
        for s in found
        if s.flags.get("prior", "gaussian") == "gaussian" and "num_encoder_passes" not in s.flags
    }
    assert len(combinations) == 32


def test_the_values_of_a_file_are_those_of_a_constructor():
    flags = {"anneal_cap": "auto", "hidden_dims": [6, 4], "dropout_rate": 0.3}
    model = named_settings.resolved("multvae", "ml1m", flags).new_model(num_items=9)
    assert model.beta.anneal_cap is None
    assert tuple(model.hidden_dims) == (6, 4)
    assert model.dropout_rate == 0.3
