"""Sends 10,000 odd requests to an export in the C++ runtime and checks every answer: fuzz_worker.py FOLDER.

Valid requests must give the documented answer, worked out here in plain Python; invalid ones the documented
error, INVALID_ARGUMENT. Prints how many requests of each kind there were, as JSON.
"""

import collections
import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.native_loader import NativeError, NativeModel

NUM_REQUESTS = 10_000
INVALID_ARGUMENT = 3
NO_ITEM_SCORE = np.float32(-3e38)
ODD_IDS = [
    "",
    " ",
    "??",
    "\0",
    "a\nb",
    '"',
    "ITEM 1",
    "item 1 ",
    "😀" * 50,
    "ÿ" * 5_000,
    "1e999",
    "-1",
    "NaN",
]


def main(folder):
    model = NativeModel(folder)
    with Path(folder, "assets", "items.csv").open(newline="", encoding="utf-8") as file:
        catalogue = [row[0] for row in csv.reader(file)][1:]
    rng = np.random.default_rng(0)
    counts = collections.Counter()
    for number in range(NUM_REQUESTS):
        kind = KINDS[number % len(KINDS)]
        kind(model, catalogue, rng)
        counts[kind.__name__] += 1
    model.close()
    assert "tensorflow" not in sys.modules
    print(json.dumps(counts))


def some(catalogue, rng, longest=40):
    return [catalogue[i] for i in rng.integers(len(catalogue), size=rng.integers(longest + 1))]


def matrix(rows):
    width = max(map(len, rows))
    padded = np.full((len(rows), width), "", object)
    for target, ids in zip(padded, rows, strict=True):
        target[: len(ids)] = ids
    return padded


def check(model, catalogue, histories, signature="serving_default", exclude=None):
    """Asks for recommendations and compares them with what the README promises."""
    if signature == "recommend_text":
        inputs = {"history_text": np.array([",".join(row) for row in histories], object)}
    else:
        inputs = {"history": matrix(histories)}
    if exclude is not None:
        inputs["exclude"] = matrix([exclude] * len(histories))
    answer = model(signature, inputs)
    known = set(catalogue)
    for row, asked in enumerate(histories):
        seen = known & set(asked)
        ids = [item_id.decode() for item_id in answer["item_ids"][row]]
        scores = answer["scores"][row]
        hidden = seen | (known & set(exclude or ()))
        num_expected = min(len(ids), len(known) - len(hidden))
        assert answer["num_known_items"][row] == len(seen)
        assert len(set(ids[:num_expected])) == num_expected
        assert set(ids[:num_expected]) <= known - hidden
        assert ids[num_expected:] == [""] * (len(ids) - num_expected)
        assert np.all(scores[num_expected:] == NO_ITEM_SCORE)
        assert np.all(scores[:num_expected] > NO_ITEM_SCORE)
        assert np.all(np.isfinite(scores))
        assert np.all(np.diff(scores) <= 0)


def known_unknown_and_repeated(model, catalogue, rng):
    histories = [
        [*some(catalogue, rng), *rng.choice(ODD_IDS, 5).tolist(), *some(catalogue[:3], rng)]
        for _ in range(rng.integers(1, 6))
    ]
    check(model, catalogue, histories)


def unicode_and_unknown_only(model, catalogue, rng):
    random_text = ["".join(map(chr, rng.integers(1, 0xD7FF, size=rng.integers(1, 20)))) for _ in range(5)]
    check(model, catalogue, [[*random_text, *ODD_IDS], ["??"] * 3])


def text(model, catalogue, rng):
    check(model, catalogue, [some(catalogue, rng), [], ["??", "", *some(catalogue, rng)]], "recommend_text")


def empty(model, catalogue, rng):
    check(model, catalogue, [[] for _ in range(rng.integers(1, 4))])


def ten_thousand_ids(model, catalogue, rng):
    if rng.random() < 0.02:
        known = [catalogue[i] for i in rng.integers(len(catalogue), size=9_000)]
        ids = known + [f"new-{i}" for i in range(1_000)]
    else:
        ids = some(catalogue, rng, 400)
    check(model, catalogue, [ids])


def all_or_nearly_all_items_seen(model, catalogue, rng):
    check(model, catalogue, [catalogue, catalogue[: -rng.integers(1, 50)]])


def excluded(model, catalogue, rng):
    exclude = [*some(catalogue, rng, 300), "??", ""]
    check(model, catalogue, [some(catalogue, rng), []], "recommend_excluding", exclude)


def no_users(model, catalogue, rng):
    answer = model("serving_default", {"history": np.empty((0, rng.integers(3)), object)})
    assert answer["item_ids"].shape[0] == answer["scores"].shape[0] == answer["num_known_items"].shape[0] == 0


def single_items(model, catalogue, rng):
    ids = [*some(catalogue, rng, 3), *rng.choice(ODD_IDS, 2).tolist()]
    described = model("describe_items", {"item_id": np.array(ids, object)})
    assert described["known"].tolist() == [item_id in catalogue for item_id in ids]
    similar = model("similar_items", {"item_id": np.array(ids, object)})
    for row, item_id in enumerate(ids):
        neighbours = [i.decode() for i in similar["item_ids"][row]]
        assert item_id == "" or item_id not in neighbours
        assert (neighbours[0] == "") == (item_id not in catalogue)


def wrong_rank(model, catalogue, rng):
    history = np.array("item 1", object).reshape([1] * [0, 1, 3, 4][rng.integers(4)])
    refused(model, "serving_default", {"history": history})
    refused(model, "recommend_text", {"history_text": np.array([["item 1"]], object)})


def wrong_type(model, catalogue, rng):
    array = [np.ones((1, 2), np.int64), np.ones((1, 2), np.float32), np.ones((1, 2), bool)][rng.integers(3)]
    refused(model, "serving_default", {"history": array})


def wrong_inputs(model, catalogue, rng):
    refused(model, "serving_default", {})
    refused(model, "score_items", {"history": np.array([["item 1"]], object)})
    candidates = np.array([["item 1"]] * 3, object)
    refused(model, "score_items", {"history": np.array([["item 1"]] * 2, object), "candidates": candidates})


def refused(model, signature, inputs):
    with pytest.raises(NativeError) as error:
        model(signature, inputs)
    assert error.value.code == INVALID_ARGUMENT, error.value


KINDS = [
    known_unknown_and_repeated,
    unicode_and_unknown_only,
    text,
    empty,
    ten_thousand_ids,
    all_or_nearly_all_items_seen,
    excluded,
    no_users,
    single_items,
    wrong_rank,
    wrong_type,
    wrong_inputs,
]

if __name__ == "__main__":
    main(*sys.argv[1:])
