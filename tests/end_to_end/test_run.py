"""A run folder opens itself: what it holds, what of it is checked, and that it can be moved.

60 users x 30 items (seed 5), 20 validation and 20 test users.
"""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from interactions import hold_out, latent_taste_interactions
from multvae_tf import Items, LinearAnnealing, MultVAE, Run, RunError, SettingError, TrainingConfig, train
from multvae_tf.evaluation import rank_by_popularity
from multvae_tf.run import DataInfo

NUM_ITEMS = 30
MATRIX = latent_taste_interactions(100, NUM_ITEMS, seed=5)
TRAIN = MATRIX[:60]
VALIDATION, TEST = hold_out(MATRIX[60:80], 0.3, seed=6), hold_out(MATRIX[80:], 0.3, seed=7)
CONFIG = TrainingConfig(epochs=3, batch_size=10, learning_rate=5e-3)
DATA = DataInfo(name="films", protocol="strong", fingerprint="abc", folder="data/films", settings={"seed": 1})
IDS = [f"item {number}" for number in range(NUM_ITEMS)]
TITLES = [f"Film, {number}" for number in range(NUM_ITEMS)]


def new_model():
    return MultVAE(NUM_ITEMS, hidden_dims=(8,), latent_dim=4, beta=LinearAnnealing(100, 0.2))


def train_into(folder, **options):
    items = Items.of(IDS, TITLES, TRAIN.getnnz(axis=0))
    options = {"config": CONFIG, "test_data": TEST, "items": items, "data": DATA, **options}
    return train(new_model(), TRAIN, VALIDATION, folder=folder, **options)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return train_into(tmp_path_factory.mktemp("runs") / "original", command="train --model=multvae")


@pytest.fixture
def run(original, tmp_path):
    """A copy of the finished run, which a test may damage."""
    return Run.open(shutil.copytree(original.folder, tmp_path / "run"))


def sentence(make, kind=RunError):
    with pytest.raises(kind) as error:
        make()
    return str(error.value)


def edited(path, change):
    """Changes the content of a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_what_a_run_was_told(run):
    settings = run.settings
    assert (settings.training, settings.data, settings.num_train_users) == (CONFIG, DATA, 60)
    assert settings.model["class_name"] == "MultVAE"
    assert settings.command == "train --model=multvae"
    assert {"python", "tensorflow", "keras"} <= set(settings.versions)


def test_what_a_run_found(run):
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    metrics, model = run.metrics, run.model()
    assert metrics.epochs == 3
    best = max(run.history, key=lambda row: row["val_NDCG@100"])
    assert metrics.best_epoch == best["epoch"]
    assert metrics.validation == model.evaluate(*VALIDATION, batch_size=10)
    assert metrics.test == run.test_ranking().estimates() == model.evaluate(*TEST, batch_size=10)
    assert metrics.popularity == rank_by_popularity(TRAIN, *TEST).estimates()
    assert metrics.users_per_second == pytest.approx(3 * 60 / metrics.seconds)
    assert run.is_finished
    assert all(path.stat().st_size for path in (run.curves_path, run.card_path))


def test_the_catalogue_of_a_run(run):
    assert run.items.ids.tolist() == IDS
    assert run.items.titles.tolist() == TITLES
    np.testing.assert_array_equal(run.items.num_train_users, TRAIN.getnnz(axis=0))
    assert run.items_path.read_text().startswith('item_id,title,num_train_users\nitem 0,"Film, 0",')


def test_without_a_catalogue_the_ids_are_the_column_numbers(tmp_path):
    run = train_into(tmp_path / "run", items=None, test_data=None, config=TrainingConfig(epochs=1))
    assert run.items.ids.tolist() == [str(number) for number in range(NUM_ITEMS)]
    assert run.metrics.test is None
    assert run.metrics.popularity == rank_by_popularity(TRAIN, *VALIDATION).estimates()
    assert run.settings.training.learning_rate == 1e-3


def test_a_run_that_was_moved_is_the_same(original, run, tmp_path):
    moved = Run.open(shutil.move(run.folder, tmp_path / "elsewhere"))
    for one, other in zip(moved.model().recommend(TEST[0]), original.model().recommend(TEST[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    history = ["item 3", "item 7", "unknown"]
    here, there = (r.recommender().recommend([history], 5) for r in (original, moved))
    assert here.item_ids.shape == (1, 5)
    assert set(here.item_ids[0]) <= set(IDS) - set(history)
    np.testing.assert_array_equal(here.item_ids, there.item_ids)
    np.testing.assert_array_equal(here.scores, there.scores)


def test_a_moved_run_can_be_gone_on_with(run, tmp_path):
    assert Run.open(shutil.move(run.folder, tmp_path / "elsewhere")).metrics.epochs == 3
    again = train_into(tmp_path / "elsewhere", resume=True)
    assert again.metrics.validation == Run.open(tmp_path / "elsewhere").metrics.validation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda content: content.update(color="red"),
            " has the unknown field 'color': was it made by a newer version?",
        ),
        (
            lambda content: content["training"].update(momentum=0.9),
            ": training has the unknown field 'momentum': was it made by a newer version?",
        ),
        (
            lambda content: content.pop("num_train_users"),
            " lacks the field 'num_train_users': it is damaged, or was made by another version",
        ),
        (
            lambda content: content["training"].update(epochs="many"),
            ": training: epochs is 'many'; it must be of type int",
        ),
        (
            lambda content: content["training"].update(batch_size=0),
            ": training: batch_size is 0; it must be at least 1",
        ),
        (
            lambda content: content.update(data=[]),
            ": data is []; it must be an object with named fields",
        ),
    ],
)
def test_settings_that_cannot_be_read_are_told_at_once(run, change, message):
    edited(run.settings_path, change)
    assert sentence(lambda: Run.open(run.folder)) == f"{run.settings_path}{message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model": ', ", line 1: not JSON (Expecting value)"),
        (b'{"model": "\xff"}', " is not UTF-8 from byte 11 on: it is damaged"),
        (b"[]", " is []; it must be an object with named fields"),
    ],
)
@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_files_that_are_no_json_objects_are_told(run, name, content, message):
    (run.folder / name).write_bytes(content)
    assert sentence(
        lambda: Run.open(run.folder).metrics if name == "metrics.json" else Run.open(run.folder)
    ) == (f"{run.folder / name}{message}")


def test_metrics_of_another_form_are_told(run):
    edited(run.metrics_path, lambda content: content["test"]["NDCG@100"].update(mean="high"))
    expected = f"{run.metrics_path}: test.NDCG@100: mean is 'high'; it must be of type float"
    assert sentence(lambda: run.metrics) == expected


def cut_off(text):
    return text[: len(text) // 2]


def without_the_first_epoch(text):
    header, _, *rows = text.splitlines(keepends=True)
    return "".join([header, *rows])


@pytest.mark.parametrize(
    "damage",
    [
        cut_off,
        without_the_first_epoch,
        lambda text: text.replace("\n1,", "\none,"),
        lambda text: text.replace("epoch", "epic"),
        lambda text: text.rstrip() + ",7\n",
    ],
)
def test_a_damaged_history_is_told(run, damage):
    run.history_path.write_text(damage(run.history_path.read_text()))
    with pytest.raises(RunError) as error:
        run.history  # noqa: B018
    start, _, end = str(error.value).partition(" is damaged (")
    assert (start, end.rpartition(")")[2]) == (str(run.history_path), ": train the run anew")


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("best.weights.h5", lambda run: run.model()),
        ("best.weights.h5", lambda run: run.recommender()),
        ("items.csv", lambda run: run.items),
        ("items.csv", lambda run: run.recommender()),
    ],
)
def test_what_was_changed_after_the_run_is_told(run, path, use):
    path = run.folder / path
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    expected = f"{path} was changed after the run had finished, or is damaged: train the run anew"
    assert sentence(lambda: use(run)) == expected


def test_weights_of_another_model_are_told(run):
    edited(run.settings_path, lambda content: content["model"]["config"].update(latent_dim=5))
    start = f"{run.weights_path} does not fit the model of {run.settings_path}: "
    assert sentence(lambda: Run.open(run.folder).model()).startswith(start)


@pytest.mark.parametrize(
    ("module", "class_name", "reason"),
    [
        ("subprocess", "Popen", "model cannot be made: the module subprocess is none of this library"),
        ("multvae_tf.schedules", "LinearAnnealing", "model is a LinearAnnealing, which is no recommender"),
    ],
)
def test_a_model_that_is_none_of_this_library_is_not_made(run, module, class_name, reason):
    def change(content):
        content["model"] = {
            "module": module,
            "class_name": class_name,
            "config": {},
            "registered_name": f"multvae_tf>{class_name}",
        }

    edited(run.settings_path, change)
    assert sentence(lambda: Run.open(run.folder).model()) == f"{run.settings_path}: {reason}"


def test_a_folder_without_a_run_is_told(tmp_path):
    expected = f"{tmp_path} holds no run"
    assert sentence(lambda: Run.open(tmp_path)) == expected
    assert sentence(lambda: Run(tmp_path).metrics) == expected
    assert Run(tmp_path).history == []


def test_a_run_that_has_not_finished_is_told(run):
    for path in (run.metrics_path, run.card_path):
        path.unlink()
    assert not run.is_finished
    assert sentence(lambda: run.metrics) == f"{run.folder} holds a run that has not finished: resume it"
    assert run.model().num_items == NUM_ITEMS
    run.weights_path.unlink()
    assert sentence(run.model) == f"{run.folder} holds a run without weights: resume it"


def test_a_run_goes_on_under_its_own_settings_only(run):
    def told(field, stored, given):
        return (
            f"{run.settings_path} is of another run: its {field} is {stored}, not {given}; leave the setting "
            "out, or choose another folder"
        )

    config = dataclasses.replace(CONFIG, epochs=4)
    expected = told("training.epochs", 3, 4)
    assert sentence(lambda: train_into(run.folder, resume=True, config=config)) == expected
    data = dataclasses.replace(DATA, fingerprint="def")
    expected = told("data.fingerprint", "abc", "def")
    assert sentence(lambda: train_into(run.folder, resume=True, data=data)) == expected
    for unknown in (None, dataclasses.replace(DATA, fingerprint="", folder="moved")):
        assert train_into(run.folder, resume=True, data=unknown).settings.data == DATA


@pytest.mark.parametrize("name", ["runs [1]", "what?", "all*"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path, name):
    folder = tmp_path / name / "run"
    assert sentence(lambda: train_into(folder), SettingError) == (
        f"folder is {folder}: TensorFlow takes [ ] * ? and \\ in a path for a pattern; choose another"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_latest_run_is_the_one_that_was_started_last(run, tmp_path):
    def copied(name, started):
        copy = Run(shutil.copytree(run.folder, tmp_path / "runs" / name))
        edited(copy.settings_path, lambda content: content.update(started=started))
        return copy.folder

    late, _ = copied("a/late", "2026-02-01"), copied("b/early", "2026-01-01")
    copied("a/late/beta_search", "2026-03-01")
    assert Run.latest(tmp_path / "runs").folder == late
    assert sentence(lambda: Run.latest(tmp_path / "none")) == (
        f"there is no run below {tmp_path / 'none'}: train one first, or name its folder"
    )
