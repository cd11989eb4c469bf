"""Ids of any kind go all the way: file, dataset, run folder, export, the C++ runtime and both clients."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings

import data_prep
import multvae_tf
from multvae_tf import Items, MultDAE, Run, TrainingConfig, train
from multvae_tf.serving.local import SavedModelRecommender
from nasty_ids import IDS, NASTY_IDS
from serving.exports import ask_natively, rows, text
from serving.fake_servers import grpc_server, rest_server

K = 500


def train_and_export(folder, ids):
    """A run on interactions with these ids of items, and its export."""
    with (folder / "plays.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["userId", "movieId"])
        writer.writerows((f"user {user}", item) for user in range(12) for item in ids)
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on interactions with the nasty ids, and its export."""
    return train_and_export(tmp_path_factory.mktemp("ids"), NASTY_IDS)


def histories_of(ids):
    return [ids[:1], ids[1:5], ids[::2], ids[3:]]


def assert_right(answer, ids):
    """Every id that is not in the history is recommended, as it was written in the file."""
    for history, row, known in zip(histories_of(ids), answer.item_ids, answer.num_known_items, strict=True):
        assert sorted(item_id for item_id in row.tolist() if item_id) == sorted(set(ids) - set(history))
        assert known == len(set(history))


def assert_right_natively(version, ids, folder):
    """The same of the C++ runtime."""
    histories = histories_of(ids)
    (answer,) = ask_natively(version, [("serving_default", {"history": rows(*histories)})], folder)
    for history, row in zip(histories, text(answer["item_ids"]), strict=True):
        assert sorted(item_id for item_id in row if item_id) == sorted(set(ids) - set(history))
    np.testing.assert_array_equal(answer["num_known_items"], [len(set(history)) for history in histories])


def assert_right_by_client(server, prefix, version, ids):
    """The same of a client."""
    with server(SavedModelRecommender(version).predict) as address:
        client = multvae_tf.connect(prefix + address, "small")
        assert_right(client.recommend(histories_of(ids), K), ids)


def test_the_run_and_its_export_know_every_id(trained):
    folder, version = trained
    histories = histories_of(NASTY_IDS)
    assert_right(Run.open(folder).recommender().recommend(histories, K), NASTY_IDS)
    assert_right(SavedModelRecommender(version).recommend(histories, K), NASTY_IDS)


def test_the_runtime_of_the_server_knows_every_id(trained, tmp_path):
    assert_right_natively(trained[1], NASTY_IDS, tmp_path)


@pytest.mark.parametrize(("server", "prefix"), [(rest_server, ""), (grpc_server, "grpc://")])
def test_both_clients_know_every_id(server, prefix, trained):
    assert_right_by_client(server, prefix, trained[1], NASTY_IDS)


@settings(max_examples=5, deadline=None)
@given(drawn=IDS)
def test_any_ids_go_all_the_way(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    ids = list(dict.fromkeys([*drawn, *"abcde"]))  # a user needs five items
    run, version = train_and_export(folder, ids)
    assert_right(Run.open(run).recommender().recommend(histories_of(ids), K), ids)
    assert_right_natively(version, ids, folder)
    for server, prefix in ((rest_server, ""), (grpc_server, "grpc://")):
        assert_right_by_client(server, prefix, version, ids)
