"""The version folder: what lies in it, how it appears, and what is refused."""

import csv
import hashlib
import os
import threading

import numpy as np
import pytest
import tensorflow as tf

import multvae_tf
from interactions import hold_out, random_interactions
from multvae_tf import Items, MultDAE, MultVAE, RunError, TrainingConfig, train
from multvae_tf.run import DataInfo
from multvae_tf.serving import export
from multvae_tf.serving.export import export_model
from multvae_tf.serving.local import SavedModelRecommender
from multvae_tf.serving.manifest import read_manifest
from multvae_tf.serving.module import INPUT_RANKS
from multvae_tf.serving.plain_function import PlainFunction
from recvae_tf import RecVAE, VampPrior
from serving.exports import (
    ITEM_IDS,
    ITEMS,
    MODELS,
    NUM_ITEMS,
    POPULARITY,
    TITLES,
    ask_reloaded,
    export_small,
    text,
)


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
    model, published = MODELS["multdae"](), []
    barrier = threading.Barrier(4)

    def publish():
        barrier.wait()
        published.append(export_small(model, tmp_path))

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(path.name) for path in published) == [1, 2, 3, 4]


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
    about = {"data": {"name": "demo"}, "metrics": {"test": {"NDCG@100": {"mean": 0.4}}}}
    folder = export_model(MODELS["multdae"](), ITEMS, tmp_path / "demo", top_k=20, about=about)
    manifest = read_manifest(folder)
    assert (manifest.name, manifest.model, manifest.about) == ("demo", "MultDAE", about)
    assert manifest.versions["tensorflow"] == tf.__version__
    assert (manifest.top_k, manifest.num_items, manifest.separator) == (20, NUM_ITEMS, ",")
    assert set(manifest.signatures) == {*INPUT_RANKS, "embed_user"}
    assert manifest.signatures["serving_default"] == {
        "inputs": {"history": "string [?, ?]"},
        "outputs": {
            "item_ids": "string [?, 20]",
            "num_known_items": "int32 [?]",
            "scores": "float32 [?, 20]",
        },
    }
    files = files_in(folder)
    assert set(manifest.sha256) == set(files) - {"manifest.json"}
    for name, digest in manifest.sha256.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_a_run_is_exported_with_what_it_was_told_and_found(tmp_path):
    x = random_interactions(60, 30, 0.3, seed=1)
    fold_in, held_out = hold_out(x[40:], 0.3, seed=2)
    model = MultDAE(30, latent_dim=4)
    config = TrainingConfig(epochs=1, batch_size=20)
    data = DataInfo(name="mine", folder="/private/place")
    run = train(model, x[:40], (fold_in, held_out), folder=tmp_path / "run", config=config, data=data)
    manifest = read_manifest(multvae_tf.export(run, tmp_path / "films", k=7))
    assert (manifest.name, manifest.model, manifest.top_k) == ("films", "MultDAE", 7)
    assert manifest.about["training"]["epochs"] == 1
    assert manifest.about["metrics"]["validation"]["NDCG@100"]["mean"] > 0
    assert "/private/place" not in (tmp_path / "films" / "1" / "manifest.json").read_text()
    run.metrics_path.unlink()
    with pytest.raises(RunError, match="has not finished"):
        multvae_tf.export(run, tmp_path / "films")


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_an_export_that_is_not_what_was_exported_is_not_opened(damage, tmp_path):
    folder = export_small(MODELS["multdae"](), tmp_path)
    path = folder / "assets" / "items.csv"
    if damage == "changed":
        path.write_bytes(path.read_bytes().replace(b"item 1,", b"item X,"))
    elif damage == "missing":
        path.unlink()
    else:
        (folder / "variables" / "more").write_text("more")
    with pytest.raises(RunError, match=r"is (not what was exported|missing): export the model again"):
        SavedModelRecommender(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "it must be an object"),
        ("{}", "lacks the field 'name'"),
        ('{"name": "x", "shape": 3}', "has the unknown field 'shape'"),
        ('{"name": 3}', "lacks the field"),
    ],
)
def test_a_manifest_that_is_none_is_told(content, message, tmp_path):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunError, match=message):
        read_manifest(tmp_path)


def test_finite_weights_whose_scores_overflow_are_not_exported(tmp_path):
    model = MODELS["multdae"]()
    kernel = model.output_layer.kernel
    kernel.assign(np.full(kernel.shape, 3e38, np.float32))
    with pytest.raises(RunError, match="scores are not finite"):
        export_small(model, tmp_path)
    assert not list(tmp_path.rglob("manifest.json"))


def test_item_columns_travel_as_an_asset(export_of):
    _, folder = export_of("multvae")
    with (folder / "assets" / "items.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["item_id", "title", "num_train_users"]
    columns = zip(ITEM_IDS, TITLES, map(str, POPULARITY), strict=True)
    assert lines == [list(row) for row in columns]


def served_weights(model):
    if isinstance(model, RecVAE):
        return [*model.encoder.variables, *model.decoder.variables]
    return model.trainable_variables


@pytest.mark.parametrize(
    "new_model", [MultVAE, lambda n: RecVAE(n, prior=VampPrior())], ids=["multvae", "recvae"]
)
def test_an_export_is_at_most_a_twentieth_larger_than_its_weights_and_vocabulary(new_model, tmp_path):
    num_items = 5_000
    model = new_model(num_items)
    items = Items.of([str(i) for i in range(num_items)], None, np.arange(num_items))
    folder = export_model(model, items, tmp_path / "big")
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
    folder = export_model(MODELS["multdae"](), Items.of(ids, None, POPULARITY), tmp_path / "x")
    assert read_manifest(folder).separator == ";"
    request = ("recommend_text", {"history_text": np.array(["a,1|b;a,2|b;a,1|b"], object)})
    (answer,) = ask_reloaded(folder, [request])
    assert answer["num_known_items"].tolist() == [2]
    assert not {"a,1|b", "a,2|b"} & set(text(answer["item_ids"])[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a b"}, "name is 'a b'; it must be a letter"),
        ({"name": "1"}, "name is '1'"),
        ({"name": "films[1]"}, "name is 'films[1]'"),
        ({"name": "[x]/films"}, "which TensorFlow takes for a pattern"),
        ({"top_k": 0}, "top_k is 0; it must be at least 1"),
        (
            {"ids": ITEM_IDS[1:], "titles": None, "counts": POPULARITY[1:]},
            "there are 299 item ids, but",
        ),
        ({"titles": ["one"]}, "there are 1 titles"),
        ({"counts": POPULARITY[:5]}, "there are 5 num_train_users"),
        ({"ids": ["", *ITEM_IDS[1:]]}, "the id of item number 0 is empty"),
        ({"ids": [ITEM_IDS[1], *ITEM_IDS[1:]]}, "the item id 'item 1' occurs twice"),
        ({"ids": ["\ud800", *ITEM_IDS[1:]]}, "is no text in UTF-8"),
        ({"ids": [",|;\t\x1f", *ITEM_IDS[1:]]}, "each of the separators"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, message, tmp_path):
    given = {
        "ids": ITEM_IDS,
        "titles": TITLES,
        "counts": POPULARITY,
        "name": "small",
        "top_k": 100,
        **options,
    }

    def export_given():
        items = Items.of(given["ids"], given["titles"], given["counts"])
        export_model(MODELS["multdae"](), items, tmp_path / given["name"], top_k=given["top_k"])

    with pytest.raises(RunError) as error:
        export_given()
    assert message in str(error.value)
    assert not list(tmp_path.rglob("saved_model.pb"))


@pytest.mark.parametrize("ids", [["a\nb", 'q"', "c\rd", "e,f", " g ", "\u2028", "007", "1e5"]])
def test_items_are_kept_to_the_byte(ids, tmp_path):
    items = Items.of(ids, ids[::-1], range(len(ids)))
    items.write(tmp_path / "items.csv")
    again = Items.read(tmp_path / "items.csv")
    assert (again.ids.tolist(), again.titles.tolist()) == (ids, ids[::-1])
    assert again.num_train_users.tolist() == list(range(len(ids)))


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
