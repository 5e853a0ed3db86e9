import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation.scores import largest, log_normaliser, log_normaliser_by


def compare(scores, count):
    best, tokens = map(ops.convert_to_numpy, largest(ops.convert_to_tensor(scores), count))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    expected = np.take_along_axis(scores, order, axis=1)
    np.testing.assert_array_equal(best, expected)
    assert best.dtype == "float32"
    assert tokens.dtype == "int32"
    return tokens, order


@pytest.mark.parametrize("size", [7, 1999, 2000, 2001, 8000])
@pytest.mark.parametrize("count", [1, 7])
def test_the_largest_of_a_sorted_vocabulary(size, count):
    scores = np.random.default_rng(size).permuted(np.tile(np.arange(size), (3, 1)), axis=1)
    tokens, order = compare(scores.astype("float32"), count)
    np.testing.assert_array_equal(tokens, order)


def test_the_largest_side_by_side_and_equal():
    scores = np.zeros((2, 3000), "float32")
    scores[0, 1200:1209] = np.arange(9) + 1  # all in one block
    scores[1, [5, 333, 2999]] = 2.5
    tokens, order = compare(scores, 6)
    if keras.backend.backend() != "torch":  # which orders ties as it likes
        np.testing.assert_array_equal(tokens[0], order[0])
        np.testing.assert_array_equal(tokens[1, :3], order[1, :3])


def test_places_stay_in_the_vocabulary_where_next_to_nothing_is_allowed():
    scores = np.full((2, 2010), -np.inf, "float32")  # 41 blocks, the last one of 10
    scores[0, 2009] = 1
    tokens, _ = compare(scores, 10)
    assert tokens[0, 0] == 2009
    assert tokens.max() < 2010


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_normalisers_equal_a_sum_in_double_precision(scale):
    logits = scale * np.random.default_rng(0).normal(size=(5, 4000)).astype("float32")
    tensor = ops.convert_to_tensor(logits)
    best, tokens = largest(tensor, 1)
    high = logits.max(axis=1, keepdims=True).astype("float64")
    expected = np.log(np.exp(logits - high).sum(axis=1, keepdims=True)) + high
    for found in (log_normaliser(tensor), log_normaliser_by(tensor, best, tokens)):
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=2e-7, atol=1e-5)
