import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import LocationAttention

WEIGHTS = np.array([[1.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 3.0]])
QUERY = np.array([[1.0, 2.0]], "float32")


def layer():
    attention = LocationAttention(4)
    attention.build((None, 2), (None, None, 3))
    attention.set_weights([WEIGHTS])
    return attention


def attend(memory, query=QUERY, mask=None):
    attention = layer()
    found = attention(query, memory, mask=mask)
    return [ops.convert_to_numpy(x) for x in found]


def test_the_state_alone_decides():
    # q W = (1, 2, 2, 6), of which the source has three positions.
    memory = np.random.default_rng(0).normal(size=(1, 3, 3)).astype("float32")
    context, weights = attend(memory)
    expected = np.exp([1, 2, 2]) / np.exp([1, 2, 2]).sum()
    np.testing.assert_allclose(weights, [expected], atol=1e-6)
    np.testing.assert_allclose(context, [expected @ memory[0]], atol=1e-6)
    assert np.array_equal(attend(memory * 5)[1], weights)


def test_masked_positions_share_nothing():
    memory = np.ones((1, 4, 3), "float32")
    _, weights = attend(memory, mask=np.array([[True, True, False, False]]))
    np.testing.assert_allclose(weights, [[1 / (1 + np.e), np.e / (1 + np.e), 0, 0]], atol=1e-6)


def test_all_positions_at_once_equal_one_by_one():
    memory = np.ones((1, 3, 3), "float32")
    queries = np.array([[[1.0, 2.0], [0.5, -1.0]]], "float32")
    _, weights = attend(memory, queries)
    for step in range(2):
        np.testing.assert_allclose(weights[:, step], attend(memory, queries[:, step])[1], atol=1e-6)


def test_longer_sources_and_lengths_below_one_are_refused():
    with pytest.raises(ValueError, match="max_source_length=4.*Received: 5 positions"):
        attend(np.ones((1, 5, 3), "float32"))
    with pytest.raises(ValueError, match="at least 1"):
        LocationAttention(0)
