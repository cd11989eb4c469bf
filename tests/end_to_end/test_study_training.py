"""The jobs of a study, trained in this process on data of one's own, and read back as its results."""

import numpy as np
import pytest

from data_prep import store
from data_prep.catalogue import resolve
from multvae_tf import Run
from multvae_tf.errors import RunError
from studies import named_settings, study, trainer
from studies.job import Job
from studies.results import StudyData, StudyResults

SETTINGS = (
    study.Setting("popularity", "popularity", {}, {}),
    study.Setting("EASE", "ease", {"l2": 5.0}, {}),
    study.Setting("small", "multvae", {"hidden_dims": [4], "latent_dim": 2, "anneal_cap": "auto"}, {}),
)
STUDY = study.Study("n", "t", "v", "", "ml20m", "popularity", SETTINGS, ())


@pytest.fixture(scope="module")
def planned_runs(tmp_path_factory):
    """The finished runs of the study under two seeds, and its data."""
    folder = tmp_path_factory.mktemp("study")
    random = np.random.default_rng(1)
    pairs = sorted({(user, item) for user, item in random.integers((120, 30), size=(1500, 2)).tolist()})
    path = folder / "mine.csv"
    path.write_text("userId,movieId,rating\n" + "".join(f"u{user},i{item},5\n" for user, item in pairs))
    data_flags = {"dataset": str(path)}
    common = {"epochs": 1, "batch_size": 50}
    planned = study.plan(STUDY, [1, 2], data_flags, common, folder / "runs", named_settings.names_read)
    for one in planned:
        trainer.train_run(job_of(one, folder))
    dataset = store.prepare(resolve(str(path)), str(folder / "data"))
    test = dataset.test
    data = StudyData("mine", "strong", dataset.fingerprint, dataset.train, test.fold_in, test.held_out)
    return planned, data, folder


def job_of(planned, folder):
    return Job(
        folder=str(planned.run.folder),
        model=planned.setting.model,
        data=planned.data,
        overrides=planned.settings,
        data_dir=str(folder / "data"),
        command=planned.command,
    )


def test_a_run_is_what_its_setting_says(planned_runs):
    planned, _, _ = planned_runs
    assert [one.name for one in planned] == ["popularity", "EASE", "small (seed 1)", "small (seed 2)"]
    run = Run.open(planned[2].run.folder)
    assert run.is_finished
    assert run.settings.training.epochs == 1
    assert run.settings.command == planned[2].command
    model = run.model()
    assert (tuple(model.hidden_dims), model.seed) == ((4,), 1)
    assert 0 < model.beta.anneal_cap <= 1  # It was left open, and found.
    assert Run.open(planned[1].run.folder).model().l2 == 5.0


def test_a_finished_run_that_is_trained_again_stays_as_it_is(planned_runs):
    planned, _, folder = planned_runs
    before = planned[2].run.test_users_path.read_bytes()
    trainer.train_run(job_of(planned[2], folder))
    assert planned[2].run.test_users_path.read_bytes() == before


def test_a_model_that_draws_nothing_counts_for_every_seed(planned_runs):
    planned, data, _ = planned_runs
    results = StudyResults.read(STUDY, planned, data)
    assert results.seeds == [1, 2]
    shapes = {name: found.metrics["NDCG@100"].shape for name, found in results.settings.items()}
    assert set(shapes.values()) == {(2, len(data.users))}
    differences = results.differences_to_base()
    assert list(differences) == ["EASE", "small"]
    ease, popularity = (results.settings[name].metrics["NDCG@100"] for name in ("EASE", "popularity"))
    assert differences["EASE"].mean == pytest.approx((ease - popularity).mean())
    np.testing.assert_array_equal(ease[0], ease[1])
    assert all(found.seconds > 0 and found.peak_memory_bytes > 2**20 for found in results.settings.values())


def test_runs_on_other_data_do_not_count(planned_runs):
    planned, data, _ = planned_runs
    other = StudyData("mine", "strong", "other", data.train, data.fold_in, data.held_out)
    with pytest.raises(RunError, match=r"config\.json is of a run on other data than mine is now: delete it"):
        StudyResults.read(STUDY, planned, other)
