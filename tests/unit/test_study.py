"""Studies: what their files may say, how flags become commands, and the studies that are shipped."""

import json
from pathlib import Path

import pytest
from cli import settings
from studies import study, study_file

from multvae_tf.errors import RunError
from multvae_tf.report import PUBLISHED

STUDIES = sorted((Path(__file__).parents[2] / "scripts" / "studies").glob("*.json"))
FLAGS_OF = {"multvae": ["latent_dim", "beta"], "multdae": ["latent_dim"]}
ONE = {"name": "one", "flags": {"latent_dim": 8}, "published": {"NDCG@100": 0.5}}
PLAIN = {
    "title": "T", "varies": "v", "source": "s", "model": "multvae", "base": "one",
    "settings": [ONE, {"name": "two", "model": "multdae", "published_as": "Mult-DAE"}],
    "claims": [{"sentence": "One wins.", "expected": [["one", "better", "two"]]}],
}  # fmt: skip


def load(content, tmp_path, dataset="demo", **options):
    path = tmp_path / "mine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return study_file.load(path, dataset, FLAGS_OF, **options)


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
        ({"model": "vae"}, "settings[0].model is 'vae'; it must be one of multvae, multdae"),
        ({"published_on": "ml1m"}, "published_on is 'ml1m'; it must be one of ml20m, netflix, msd"),
        ({"settings": [{"flags": {}}]}, "name of settings[0] is None; it must be of type str"),
        (
            {"settings": [ONE | {"flags": {"latent": 8}}]},
            "settings[0].flags of multvae is 'latent'; it must be one of latent_dim, beta",
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
    with pytest.raises(RunError, match="no study 'uscd': name one of multvae, published, recvae, ucsd, or a"):
        study_file.find("uscd", STUDIES[0].parent)
    with pytest.raises(RunError, match=r"nowhere\.json is missing"):
        study_file.load(study_file.find("nowhere.json", tmp_path), "demo", FLAGS_OF)


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


def test_a_run_is_named_by_its_flags_whatever_the_study_calls_it(tmp_path):
    loaded = load(PLAIN, tmp_path)
    demo = {"dataset": "demo"}
    one, two, other_seed, _ = study.runs(loaded, [1, 2], demo, {"epochs": 3}, Path("runs/demo"))
    assert one.command_line == "--model=multvae --dataset=demo --epochs=3 --latent_dim=8 --seed=1"
    assert (one.folder.folder.parent, two.folder.folder.parent) == (
        Path("runs/demo/multvae"),
        Path("runs/demo/multdae"),
    )
    assert one.folder.folder.name.endswith("-seed1")
    assert other_seed.folder.folder.name == one.folder.folder.name[:-1] + "2"
    renamed = load(PLAIN | {"base": "1", "settings": [ONE | {"name": "1"}], "claims": []}, tmp_path)
    assert (
        study.runs(renamed, [1], demo, {"epochs": 3}, Path("runs/demo"))[0].folder.folder == one.folder.folder
    )
    assert (
        study.runs(renamed, [1], demo, {"epochs": 4}, Path("runs/demo"))[0].folder.folder != one.folder.folder
    )


def test_lists_and_truth_values_are_written_as_flags():
    setting = study.Setting("s", "recvae", {"hidden_dims": [6, 4], "alternating": False, "gamma": 0.5}, {})
    loaded = study.Study("n", "t", "v", "", "ml20m", "s", (setting,), ())
    (run,) = study.runs(loaded, [7], {"dataset": "my file.csv"}, {}, Path())
    assert run.command_line == (
        "--model=recvae '--dataset=my file.csv' --hidden_dims=6,4 --alternating=false --gamma=0.5 --seed=7"
    )


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_shipped_studies_use_flags_and_values_that_exist(path):
    for setting in study_file.load(path, "ml1m", settings.names()).settings:
        settings.resolve(setting.model, "ml1m", setting.flags | {"seed": 1})


def test_all_32_combinations_of_the_five_parts_of_recvae():
    path = STUDIES[0].parent / "recvae.json"
    found = study_file.load(path, "ml1m", settings.names(), full=True).settings
    switches = ("encoder", "alternating", "decoder_denoising", "beta", "anneal_cap")
    combinations = {
        (s.flags.get("prior", "composite"), *(s.flags.get(name) for name in switches))
        for s in found
        if s.flags.get("prior", "gaussian") == "gaussian" and "num_encoder_passes" not in s.flags
    }
    assert len(combinations) == 32
