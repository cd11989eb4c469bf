"""The version folder: what lies in it, how it appears, and what is refused."""

import csv
import hashlib
import json
import os
import threading

import numpy as np
import pytest
import tensorflow as tf
from multvae_tf.run_folder import RunFolder

from multvae_tf.errors import RunError
from multvae_tf.models import MultVAE
from multvae_tf.serving import export
from multvae_tf.serving.export import export_model, export_run, read_manifest
from multvae_tf.serving.module import INPUT_RANKS
from multvae_tf.serving.plain_function import PlainFunction
from recvae_tf.model import RecVAE
from serving.exports import ITEM_IDS, MODELS, NUM_ITEMS, POPULARITY, TITLES, ask_reloaded, export_small, text


def files_in(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def test_versions_count_up_and_are_never_overwritten(tmp_path):
    model = MODELS["multdae"]()
    first = export_small(model, tmp_path)
    content = {name: path.read_bytes() for name, path in files_in(first).items()}
    (tmp_path / "small" / "7").mkdir()
    (tmp_path / "small" / "notes-99").mkdir()
    second = export_small(model, tmp_path)
    assert [first.name, second.name] == ["1", "8"]
    assert {name: path.read_bytes() for name, path in files_in(first).items()} == content
    assert sorted(os.listdir(tmp_path / "small")) == ["1", "7", "8", "notes-99"]


def test_exports_at_the_same_time_take_different_versions(tmp_path):
    folders = []
    for number in range(8):
        folder = tmp_path / f".exporting-{number}"
        folder.mkdir()
        (folder / "content").write_text(str(number))
        folders.append(folder)
    published = []
    barrier = threading.Barrier(len(folders))

    def publish(folder):
        barrier.wait()
        published.append(export._publish(folder, tmp_path))

    threads = [threading.Thread(target=publish, args=[folder]) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(path.name) for path in published) == list(range(1, 9))
    assert len({(path / "content").read_text() for path in published}) == 8


def test_a_version_is_complete_when_it_appears(tmp_path, monkeypatch):
    appeared = []
    rename = os.rename

    def watched_rename(source, target):
        appeared.append((set(files_in(source)), os.fspath(source)))
        rename(source, target)

    monkeypatch.setattr(os, "rename", watched_rename)
    folder = export_small(MODELS["multdae"](), tmp_path)
    ((files, source),) = appeared
    assert not os.path.basename(source).isdecimal()
    assert files == set(files_in(folder))


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_warmup", disk_full)
    with pytest.raises(RunError, match="small cannot be written: No space left on device"):
        export_small(MODELS["multdae"](), tmp_path)
    assert os.listdir(tmp_path / "small") == []


def test_the_manifest_says_what_was_exported(tmp_path):
    run = RunFolder(tmp_path / "run")
    settings = {
        "model": "multdae",
        "config": {"latent_dim": 20},
        "dataset": {"name": "demo", "fingerprint": "abc", "folder": "/private/place"},
        "versions": {"tensorflow": "1.0"},
    }
    run.create(settings, ITEM_IDS, TITLES)
    model = MODELS["multdae"]()
    with pytest.raises(RunError, match="has not finished"):
        export_run(run, model, POPULARITY, name="demo", saved_models_dir=tmp_path)
    run.write_json(run.metrics_path, {"test": {"ndcg_at_100": {"mean": 0.4}}, "seconds": 3})
    folder = export_run(run, model, POPULARITY, name="demo", top_k=20, saved_models_dir=tmp_path)
    manifest = read_manifest(folder)
    assert manifest["model"] == "multdae"
    assert manifest["dataset"] == {"name": "demo", "fingerprint": "abc"}
    assert manifest["metrics"] == {"test": {"ndcg_at_100": {"mean": 0.4}}}
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert (manifest["top_k"], manifest["num_items"], manifest["separator"]) == (20, NUM_ITEMS, ",")
    assert set(manifest["signatures"]) == set(INPUT_RANKS)
    assert manifest["signatures"]["serving_default"] == {
        "inputs": {"history": "string [?, ?]"},
        "outputs": {
            "item_ids": "string [?, 20]",
            "num_known_items": "int32 [?]",
            "scores": "float32 [?, 20]",
        },
    }
    files = files_in(folder)
    assert set(manifest["sha256"]) == set(files) - {"manifest.json"}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest
    assert "/private/place" not in json.dumps(manifest)


def test_item_columns_travel_as_an_asset(export_of):
    _, folder = export_of("multvae")
    with (folder / "assets" / "items.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["item_id", "title"]
    assert lines == [[item_id, title] for item_id, title in zip(ITEM_IDS, TITLES, strict=True)]


def served_weights(model):
    if isinstance(model, RecVAE):
        return [*model.encoder.variables, *model.decoder.variables]
    return model.trainable_variables


@pytest.mark.parametrize("new_model", [MultVAE, lambda n: RecVAE(n, prior="vamp")], ids=["multvae", "recvae"])
def test_an_export_is_at_most_a_twentieth_larger_than_its_weights_and_vocabulary(new_model, tmp_path):
    num_items = 5_000
    model = new_model(num_items)
    ids = [str(i) for i in range(num_items)]
    folder = export_model(model, ids, None, np.arange(num_items), name="big", saved_models_dir=tmp_path)
    weights = sum(4 * int(np.prod(v.shape)) for v in served_weights(model))
    vocabulary = (folder / "assets" / "items.csv").stat().st_size
    size = sum(path.stat().st_size for path in files_in(folder).values())
    assert weights < size <= 1.05 * (weights + vocabulary)


@pytest.mark.parametrize("kind", ["multvae", "recvae"])
def test_only_what_is_served_is_saved_and_nothing_of_keras(kind, export_of):
    model, folder = export_of(kind)
    shapes = tf.train.load_checkpoint(str(folder / "variables" / "variables")).get_variable_to_shape_map()
    del shapes["_CHECKPOINTABLE_OBJECT_GRAPH"]
    before_output = [list(variable.shape) for variable in served_weights(model)[:-2]]
    hidden_dim = model.output_layer.kernel.shape[0]
    assert sorted(shapes.values()) == sorted([*before_output, [hidden_dim + 2, NUM_ITEMS], [NUM_ITEMS]])
    assert b"keras" not in (folder / "saved_model.pb").read_bytes()


def test_the_weights_of_a_plain_function_stay_when_the_model_changes():
    model = MODELS["multdae"]()
    function = PlainFunction(model, model.decode, tf.TensorSpec([None, 20], tf.float32))
    z = tf.ones([1, 20])
    before = model.decode(z).numpy()
    for variable in model.trainable_variables:
        variable.value.assign_add(tf.ones_like(variable.value))
    assert not np.allclose(model.decode(z), before)
    np.testing.assert_allclose(function(z), before, rtol=1e-6, atol=1e-6)


def test_the_separator_is_in_no_id(tmp_path):
    ids = [f"a,{i}|b" for i in range(NUM_ITEMS)]
    folder = export_model(MODELS["multdae"](), ids, None, POPULARITY, name="x", saved_models_dir=tmp_path)
    assert read_manifest(folder)["separator"] == ";"
    request = ("recommend_text", {"history_text": np.array(["a,1|b;a,2|b;a,1|b"], object)})
    (answer,) = ask_reloaded(folder, [request])
    assert answer["num_known_items"].tolist() == [2]
    assert not {"a,1|b", "a,2|b"} & set(text(answer["item_ids"])[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a/b"}, "name is 'a/b'; it must begin with a letter"),
        ({"name": "1"}, "name is '1'"),
        ({"name": ""}, "name is ''"),
        ({"top_k": 0}, "top_k is 0; it must be at least 1"),
        ({"item_ids": ITEM_IDS[1:]}, "there are 299 item_ids, but the model has 300 items"),
        ({"titles": ["one"]}, "there are 1 titles"),
        ({"item_popularity": POPULARITY[:5]}, "there are 5 item_popularity"),
        ({"item_ids": ["", *ITEM_IDS[1:]]}, "the id of item number 0 is empty"),
        ({"item_ids": [ITEM_IDS[1], *ITEM_IDS[1:]]}, "the item id 'item 1' occurs twice"),
        ({"item_ids": [",|;\t\x1f", *ITEM_IDS[1:]]}, "each of the separators"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, message, tmp_path):
    good = {"item_ids": ITEM_IDS, "titles": TITLES, "item_popularity": POPULARITY, "name": "small"}
    with pytest.raises(RunError) as error:
        export_model(MODELS["multdae"](), saved_models_dir=tmp_path, **{**good, **options})
    assert message in str(error.value)
    assert not list(tmp_path.rglob("saved_model.pb"))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = MODELS["multvae"]()
    bias = model.decoder_layers[-1].bias
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(RunError, match=r"weight .*bias is not finite"):
        export_small(model, tmp_path)


def test_a_folder_without_an_export_is_refused(tmp_path):
    with pytest.raises(
        RunError, match="holds no exported model: name a version's folder, saved_models/<name>/"
    ):
        read_manifest(tmp_path)
    for version in ("2", "10", "unfinished"):
        (tmp_path / version).mkdir()
    with pytest.raises(RunError, match=r"holds no exported model: .*, such as .*10$"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{\n broken")
    with pytest.raises(RunError, match=r"manifest\.json, line 2: not JSON"):
        read_manifest(tmp_path)
