"""What a server does to requests that it merges changes nobody's answer."""

import numpy as np
import pytest

from multvae_tf.serving.recommender import id_matrix
from serving.exports import ITEM_IDS, ask_natively, random_histories


def merge(requests):
    """One request out of many, as `pad_variable_length_inputs` makes it.

    Every request's matrix is filled up on the right with the request's own first element.
    """
    merged = {}
    for name in requests[0]:
        matrices = [request[name] for request in requests]
        width = max(matrix.shape[1] for matrix in matrices)
        filled = []
        for matrix in matrices:
            padding = np.full((len(matrix), width - matrix.shape[1]), matrix[0, 0], object)
            filled.append(np.concatenate([matrix, padding], axis=1))
        merged[name] = np.concatenate(filled)
    return merged


def requests_of(signature, rng):
    """Requests of 1 to 4 users whose lengths differ, an empty and an unknown history among them."""
    requests = []
    for number in range(12):
        users = 1 if number % 2 else int(rng.integers(2, 5))
        histories = random_histories(users, seed=number, longest=1 + 5 * number)
        if number % 5 == 0:
            histories[-1] = [] if number else ["unknown"]
        request = {"history": id_matrix(histories)}
        if signature == "recommend_excluding":
            request["exclude"] = id_matrix(random_histories(users, seed=100 + number, longest=9))
        if signature == "score_items":
            request["candidates"] = id_matrix([rng.choice(ITEM_IDS, number + 1).tolist()] * users)
        requests.append(request)
    return requests


@pytest.mark.parametrize("kind", ["multvae", "recvae"])
@pytest.mark.parametrize("signature", ["serving_default", "recommend_excluding", "score_items", "embed_user"])
def test_merged_requests_are_answered_as_single_ones(signature, kind, export_of, tmp_path):
    _, folder = export_of(kind)
    requests = requests_of(signature, np.random.default_rng(0))
    calls = [(signature, request) for request in [*requests, merge(requests)]]
    *alone, together = ask_natively(folder, calls, tmp_path)
    start = 0
    for answer in alone:
        for name, expected in answer.items():
            found = together[name][start : start + len(expected)]
            if name in ("scores", "known"):
                # Of candidates, the columns after a request's own are the padding's.
                found = found[:, : expected.shape[1]]
            if expected.dtype == np.float32:
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            else:
                np.testing.assert_array_equal(found, expected)
        start += len(expected)
    assert start == len(together["num_known_items"])


def test_a_lone_history_needs_no_padding_of_its_own(export_of, tmp_path):
    """A request of one user is safe without '': what fills it up is an id that it has already."""
    _, folder = export_of("multvae")
    requests = [{"history": np.array([history], object)} for history in random_histories(5, seed=9)]
    *alone, together = ask_natively(
        folder, [("serving_default", request) for request in [*requests, merge(requests)]], tmp_path
    )
    for row, answer in enumerate(alone):
        np.testing.assert_array_equal(answer["item_ids"][0], together["item_ids"][row])


def test_without_a_leading_empty_id_a_second_user_would_get_the_first_ones_item():
    """The hazard is real: this is why clients put '' first in a request of many users."""
    unsafe = np.array([["item 1", "item 2"], ["item 5", "item 6"]], object)
    longer = np.array([["item 7", "item 8", "item 10"]], object)
    merged = merge([{"history": unsafe}, {"history": longer}])["history"]
    assert merged[1].tolist() == ["item 5", "item 6", "item 1"]
    safe = merge([{"history": id_matrix(unsafe.tolist())}, {"history": longer}])["history"]
    assert safe[1].tolist() == ["", "item 5", "item 6"]
