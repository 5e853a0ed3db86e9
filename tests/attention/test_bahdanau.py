import numpy as np
from keras import ops

from s2s_zoo.attention import BahdanauAttention

QUERY = np.array([[0.5, -1.0]], "float32")
MEMORY = np.array([[[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]], "float32")
W = np.array([[1.0, 0.0], [0.0, 1.0]])
U = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
V = np.array([3.0, 4.0])


def layer(**options):
    attention = BahdanauAttention(2, **options)
    attention.build((None, 2), (None, None, 3))
    attention.query_projection.set_weights([W])
    attention.key_projection.set_weights([U])
    attention.vector.assign(V)
    return attention


def test_additive_scores_worked_by_hand():
    # keys (1, 1) and (0, .5); plus the query: (1.5, 0) and (.5, -.5).
    scores = np.array([3 * np.tanh(1.5), 3 * np.tanh(0.5) - 4 * np.tanh(0.5)])
    expected = np.exp(scores) / np.exp(scores).sum()
    attention = layer()
    context, weights = attention(QUERY, MEMORY)
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[0], expected, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(context)[0], expected @ MEMORY[0], atol=1e-6)


def test_normalized_scores_use_the_direction_of_the_vector():
    # |v| = 5, so g v / |v| = g (.6, .8); the bias moves the hidden layer.
    attention = layer(normalized=True)
    np.testing.assert_allclose(ops.convert_to_numpy(attention.gain), 2**-0.5, rtol=1e-6)
    assert not ops.convert_to_numpy(attention.bias).any()
    attention.gain.assign(2.0)
    attention.bias.assign([0.0, 0.5])
    scores = np.array(
        [
            1.2 * np.tanh(1.5) + 1.6 * np.tanh(0.5),
            1.2 * np.tanh(0.5),
        ]
    )
    expected = np.exp(scores) / np.exp(scores).sum()
    _, weights = attention(QUERY, MEMORY)
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[0], expected, atol=1e-6)


def test_coverage_enters_the_hidden_layer():
    # Keys (1, 1) and (0, .5); the query, b and c_s w = (.1, .2) c_s move the hidden layer.
    attention = layer(coverage=True)
    attention.bias.assign([0.0, 0.5])
    attention.coverage_vector.assign([0.1, 0.2])
    used = np.array([[2.0, 1.0]], "float32")
    scores = np.array(
        [
            3 * np.tanh(1.5 + 0.2) + 4 * np.tanh(0.5 + 0.4),
            3 * np.tanh(0.5 + 0.1) + 4 * np.tanh(0.0 + 0.2),
        ]
    )
    expected = np.exp(scores) / np.exp(scores).sum()
    _, weights = attention(QUERY, MEMORY, history=used)
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[0], expected, atol=1e-6)
