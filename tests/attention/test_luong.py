import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import BahdanauAttention, LuongAttention


def attend(layer, query, memory, mask=None):
    keys = layer.project(memory)
    return [ops.convert_to_numpy(x) for x in layer(query, memory, keys=keys, mask=mask)]


def built(layer, query_dim=2, memory_dim=2, weights=()):
    layer.build((None, query_dim), (None, None, memory_dim))
    layer.set_weights(list(weights))
    return layer


QUERY = np.array([[1.0, 2.0]], "float32")
MEMORY = np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]], "float32")


def test_dot_scores_worked_by_hand():
    # Scores 1, 2, 3: softmax 1/(1 + e + e^2) (1, e, e^2) = .09003, .24473, .66524.
    context, weights = attend(built(LuongAttention("dot")), QUERY, MEMORY)
    np.testing.assert_allclose(weights, [[0.09003057, 0.24472847, 0.66524096]], atol=1e-6)
    np.testing.assert_allclose(context, [[0.75527153, 0.90996943]], atol=1e-6)


def test_general_scores_worked_by_hand():
    # keys = memory W with W = [[2, 0], [0, -1]]: (2, 0), (0, -1), (2, -1); scores 2, -2, 0.
    layer = built(LuongAttention("general"), weights=[np.diag([2.0, -1.0])])
    _, weights = attend(layer, QUERY, MEMORY)
    np.testing.assert_allclose(weights, [[0.86681333, 0.01587624, 0.11731043]], atol=1e-6)


def test_scaled_scores_start_at_the_square_root_of_the_width_and_follow_the_gain():
    layer = LuongAttention("dot", scaled=True)
    layer.build((None, 2), (None, None, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(layer.gain), 2**-0.5, rtol=1e-6)
    layer.gain.assign(2.0)
    _, weights = attend(layer, QUERY / 2, MEMORY)
    np.testing.assert_allclose(weights, [[0.09003057, 0.24472847, 0.66524096]], atol=1e-6)


def test_concat_with_shared_weights_equals_additive():
    rng = np.random.default_rng(0)
    weights = {"query": rng.normal(size=(3, 5)), "key": rng.normal(size=(4, 5))}
    vector = rng.normal(size=5)
    results = []
    for layer in (LuongAttention("concat", units=5), BahdanauAttention(5)):
        layer.build((None, 3), (None, None, 4))
        layer.query_projection.set_weights([weights["query"]])
        layer.key_projection.set_weights([weights["key"]])
        layer.vector.assign(vector)
        query = np.full((2, 3), 0.3, "float32")
        memory = np.linspace(-1, 1, 40).reshape(2, 5, 4).astype("float32")
        results.append(attend(layer, query, memory))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_all_positions_at_once_equal_one_by_one(score):
    rng = np.random.default_rng(1)
    layer = LuongAttention(score, units=3 if score == "concat" else None)
    layer.build((None, 4), (None, None, 4))
    queries = rng.normal(size=(2, 5, 4)).astype("float32")
    memory = rng.normal(size=(2, 6, 4)).astype("float32")
    mask = np.arange(6) < np.array([[6], [2]])
    contexts, weights = attend(layer, queries, memory, mask)
    for step in range(5):
        context, weight = attend(layer, queries[:, step], memory, mask)
        np.testing.assert_allclose(contexts[:, step], context, atol=1e-6)
        np.testing.assert_allclose(weights[:, step], weight, atol=1e-6)


def test_a_row_without_a_real_position_has_no_weight_and_no_context():
    mask = np.array([[False, False, False]])
    context, weights = attend(built(LuongAttention("dot")), QUERY, MEMORY, mask)
    assert not weights.any() and not context.any()


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="one of"):
        LuongAttention("dott")
    with pytest.raises(ValueError, match="units with score='concat'"):
        LuongAttention("concat")
    with pytest.raises(ValueError, match="units with score='concat'"):
        LuongAttention("dot", units=3)
    with pytest.raises(ValueError, match="normalized=True"):
        LuongAttention("concat", units=3, scaled=True)
    with pytest.raises(ValueError, match="query width 3, memory width 4"):
        LuongAttention("dot").build((None, 3), (None, None, 4))
