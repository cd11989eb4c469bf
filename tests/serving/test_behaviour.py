"""What each signature answers, worked out from the Keras model and plain Python."""

import numpy as np
import pytest
import tensorflow as tf

from interactions import single_user
from multvae_tf.layers import l2_normalize
from multvae_tf.serving.module import NO_ITEM_SCORE
from serving.exports import (
    ITEM_IDS,
    MODELS,
    NUM_ITEMS,
    POPULARITY,
    TITLES,
    TOP_K,
    ask_reloaded,
    export_small,
    random_histories,
    rows,
    text,
)

LOG_POPULARITY = np.log((POPULARITY + 1) / (POPULARITY + 1).sum())


def numbers(ids):
    return [ITEM_IDS.index(item_id) for item_id in ids]


def best(scores, hidden):
    """Ids and scores of the K best items, ties in item order."""
    order = sorted(set(range(NUM_ITEMS)) - set(hidden), key=lambda i: (-scores[i], i))[:TOP_K]
    return [ITEM_IDS[i] for i in order], [scores[i] for i in order]


@pytest.fixture(params=["multvae", "multdae", "recvae"])
def model_and_ask(request, export_of):
    model, folder = export_of(request.param)
    return model, lambda signature, **inputs: ask_reloaded(folder, [(signature, inputs)])[0]


def test_unknown_repeated_and_empty_ids_do_not_count_nor_does_the_order(model_and_ask):
    _, ask = model_and_ask
    clean, noisy, turned = (
        ask("serving_default", history=rows(history))
        for history in (
            ["item 1", "фильм-3", "item 50"],
            ["", "item 1", "??", "фильм-3", "item 1", "", "item 50", "Item 1", " item 1"],
            ["item 50", "item 1", "фильм-3"],
        )
    )
    assert clean["num_known_items"] == noisy["num_known_items"] == [3]
    for other in (noisy, turned):
        np.testing.assert_array_equal(clean["item_ids"], other["item_ids"])
        np.testing.assert_array_equal(clean["scores"], other["scores"])
    assert not {"item 1", "фильм-3", "item 50"} & set(text(clean["item_ids"])[0])


def test_without_a_known_item_the_answer_is_the_popularity_ranking(model_and_ask):
    _, ask = model_and_ask
    answer = ask("serving_default", history=rows(["??"], [""]))
    ids, scores = best(LOG_POPULARITY, [])
    assert answer["num_known_items"].tolist() == [0, 0]
    assert text(answer["item_ids"]) == [ids, ids]
    np.testing.assert_allclose(answer["scores"], [scores, scores], rtol=1e-6)
    without_columns = ask("serving_default", history=np.zeros([2, 0], object))
    np.testing.assert_array_equal(without_columns["item_ids"], answer["item_ids"])
    scored = ask("score_items", history=rows([""]), candidates=rows(["item 4"]))
    np.testing.assert_allclose(scored["scores"], [[LOG_POPULARITY[4]]], rtol=1e-6)


def test_excluded_items_are_not_returned_and_do_not_change_the_scores(model_and_ask):
    model, ask = model_and_ask
    history = ["item 1", "item 2"]
    first = text(ask("serving_default", history=rows(history))["item_ids"])[0]
    exclude = [*first[:5], "unknown", ""]
    answer = ask("recommend_excluding", history=rows(history, []), exclude=rows(exclude, exclude))
    scores = model(single_user(numbers(history))).numpy()[0]
    ids, values = best(scores, numbers(history + first[:5]))
    assert text(answer["item_ids"])[0] == ids
    np.testing.assert_allclose(answer["scores"][0], values, rtol=1e-5, atol=1e-6)
    assert text(answer["item_ids"])[1] == best(LOG_POPULARITY, numbers(first[:5]))[0]
    assert answer["num_known_items"].tolist() == [2, 0]


def test_places_without_an_item_are_empty_with_a_finite_score(model_and_ask):
    _, ask = model_and_ask
    answer = ask("serving_default", history=rows(ITEM_IDS, ITEM_IDS[:-3], ["item 1"]))
    ids, scores = text(answer["item_ids"]), answer["scores"]
    assert ids[0] == [""] * TOP_K
    assert set(ids[1][:3]) == set(ITEM_IDS[-3:])
    assert ids[1][3:] == [""] * (TOP_K - 3)
    assert "" not in ids[2]
    np.testing.assert_array_equal(scores[0], np.float32(NO_ITEM_SCORE))
    np.testing.assert_array_equal(scores[1, 3:], np.float32(NO_ITEM_SCORE))
    assert np.all(np.isfinite(scores))


def test_text_is_the_same_as_a_list(model_and_ask):
    _, ask = model_and_ask
    histories = [*random_histories(4, seed=1), [], ["??"]]
    as_list = ask("serving_default", history=rows(*histories))
    as_text = ask("recommend_text", history_text=np.array([",".join(h) for h in histories], object))
    for name in as_list:
        np.testing.assert_array_equal(as_list[name], as_text[name])


def test_candidates_are_scored_seen_or_not(model_and_ask):
    model, ask = model_and_ask
    histories = random_histories(3, seed=2)
    candidates = rows(["item 1", "??", *histories[0][:1]], ["item 7", ""], ["item 7", "item 7", "item 7"])
    answer = ask("score_items", history=rows(*histories), candidates=candidates)
    for row, history in enumerate(histories):
        scores = model(single_user(sorted(numbers(history)))).numpy()[0]
        for column, candidate in enumerate(candidates[row]):
            is_known = candidate in ITEM_IDS
            assert answer["known"][row, column] == is_known
            expected = scores[ITEM_IDS.index(candidate)] if is_known else np.float32(NO_ITEM_SCORE)
            np.testing.assert_allclose(answer["scores"][row, column], expected, rtol=1e-5, atol=1e-6)


def test_the_embedding_is_the_mean_of_z(model_and_ask):
    model, ask = model_and_ask
    histories = random_histories(3, seed=3)
    answer = ask("embed_user", history=rows(*histories))
    for row, history in enumerate(histories):
        mean, _ = model.encode(l2_normalize(single_user(sorted(numbers(history)))))
        np.testing.assert_allclose(answer["embedding"][row], mean[0], rtol=1e-5, atol=1e-6)
    assert answer["num_known_items"].tolist() == [len(history) for history in histories]


def test_similar_items_are_ranked_by_the_cosine_of_the_output_weights(model_and_ask):
    model, ask = model_and_ask
    layer = model.decoder if hasattr(model, "decoder") else model.decoder_layers[-1]
    vectors = layer.kernel.numpy().T.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    answer = ask("similar_items", item_id=np.array(["item 1", "??", "фильм-297"], object))
    for row, item in ((0, 1), (2, 297)):
        ids, scores = best(vectors @ vectors[item], [item])
        assert text(answer["item_ids"])[row] == ids
        np.testing.assert_allclose(answer["scores"][row], scores, rtol=1e-4, atol=1e-6)
    assert text(answer["item_ids"])[1] == [""] * TOP_K
    assert np.all(answer["scores"][1] == np.float32(NO_ITEM_SCORE))


def test_items_are_described_by_their_titles(model_and_ask):
    _, ask = model_and_ask
    answer = ask("describe_items", item_id=np.array(["item 1", "фильм-0", "??", ""], object))
    assert text(answer["title"]) == [TITLES[1], "", "", ""]
    assert answer["known"].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("serving_default", {"history": np.array(["item 1"], object)}),
        ("serving_default", {"history": np.array([[["item 1"]]], object)}),
        ("score_items", {"history": rows(["item 1"]), "candidates": rows(["item 1"], ["item 2"])}),
    ],
)
def test_inputs_of_another_rank_or_number_of_rows_are_refused(signature, inputs, export_of):
    _, folder = export_of("multvae")
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError, ValueError)):
        ask_reloaded(folder, [(signature, inputs)])


def test_k_is_at_most_the_number_of_items(tmp_path):
    folder = export_small(MODELS["multvae"](), tmp_path, top_k=1_000)
    (answer,) = ask_reloaded(folder, [("serving_default", {"history": rows(["item 1"])})])
    assert answer["item_ids"].shape == (1, NUM_ITEMS)
    assert text(answer["item_ids"])[0][-1] == ""
