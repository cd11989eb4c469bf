"""Ids of any kind go all the way: file, dataset, run folder, export, the C++ runtime and both clients."""

import csv

import numpy as np
import pytest

import data_prep
import multvae_tf
from multvae_tf import Items, MultDAE, Run, TrainingConfig, train
from multvae_tf.serving.local import SavedModelRecommender
from nasty_ids import NASTY_IDS
from serving.exports import ask_natively, rows, text
from serving.fake_servers import grpc_server, rest_server

K = 500


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on interactions with these ids, and its export."""
    folder = tmp_path_factory.mktemp("ids")
    with (folder / "plays.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["userId", "movieId"])
        writer.writerows((f"user {user}", item) for user in range(12) for item in NASTY_IDS)
    data = data_prep.prepare(
        str(folder / "plays.csv"), folder / "data", rating_column="", threshold=None, heldout_users=2
    )
    run = train(
        MultDAE(data.num_items, latent_dim=4),
        data.train,
        (data.validation.fold_in, data.validation.held_out),
        items=Items.of(data.item_ids, data.item_titles, data.train.getnnz(axis=0)),
        config=TrainingConfig(epochs=1, batch_size=4),
        folder=folder / "run",
    )
    return folder / "run", multvae_tf.export(run, folder / "small", k=K)


def others_than(history):
    return sorted(set(NASTY_IDS) - set(history))


HISTORIES = [NASTY_IDS[:1], NASTY_IDS[1:5], NASTY_IDS[::2], NASTY_IDS[3:]]


def assert_right(answer):
    """Every id that is not in the history is recommended, as it was written in the file."""
    for history, ids, known in zip(HISTORIES, answer.item_ids, answer.num_known_items, strict=True):
        assert sorted(item_id for item_id in ids.tolist() if item_id) == others_than(history)
        assert known == len(set(history))


def test_the_run_and_its_export_know_every_id(trained):
    folder, version = trained
    assert_right(Run.open(folder).recommender().recommend(HISTORIES, K))
    assert_right(SavedModelRecommender(version).recommend(HISTORIES, K))


def test_the_runtime_of_the_server_knows_every_id(trained, tmp_path):
    (answer,) = ask_natively(trained[1], [("serving_default", {"history": rows(*HISTORIES)})], tmp_path)
    for history, ids in zip(HISTORIES, text(answer["item_ids"]), strict=True):
        assert sorted(item_id for item_id in ids if item_id) == others_than(history)
    np.testing.assert_array_equal(answer["num_known_items"], [len(set(history)) for history in HISTORIES])


@pytest.mark.parametrize(("server", "prefix"), [(rest_server, ""), (grpc_server, "grpc://")])
def test_both_clients_know_every_id(server, prefix, trained):
    saved = SavedModelRecommender(trained[1])
    with server(saved.predict) as address:
        assert_right(multvae_tf.connect(prefix + address, "small").recommend(HISTORIES, K))
