import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import MultiHeadAttention


def filled(layer, *shapes):
    layer.build(*shapes)
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer, [ops.convert_to_numpy(weight) for weight in layer.weights]


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


@pytest.mark.parametrize("scaled", [True, False])
def test_every_head_attends_on_its_own(scaled):
    layer, weights = filled(
        MultiHeadAttention(2, head_dim=3, output_dim=5, scaled=scaled), (None, 4), (None, None, 7)
    )
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    rng = np.random.default_rng(1)
    query, memory = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 6, 7))
    mask = np.array([[True] * 6, [True] * 2 + [False] * 4])
    bias = rng.normal(size=(2, 3, 6))
    context, mean = layer(
        ops.cast(query, "float32"),
        ops.cast(memory, "float32"),
        mask=ops.convert_to_tensor(mask),
        bias=ops.cast(bias, "float32"),
    )
    for row in range(2):
        heads, shares = [], []
        for head in range(2):
            part = slice(3 * head, 3 * head + 3)
            q = query[row] @ wq[:, part] + bq[part]
            k = memory[row] @ wk[:, part] + bk[part]
            v = memory[row] @ wv[:, part] + bv[part]
            scores = q @ k.T / (3**0.5 if scaled else 1) + bias[head]
            shares.append(softmax(np.where(mask[row], scores, -np.inf)))
            heads.append(shares[-1] @ v)
        expected = np.concatenate(heads, axis=-1) @ wo + bo
        np.testing.assert_allclose(ops.convert_to_numpy(context)[row], expected, atol=1e-4)
        np.testing.assert_allclose(ops.convert_to_numpy(mean)[row], np.mean(shares, 0), atol=1e-5)


def test_one_query_is_the_first_of_many():
    layer, _ = filled(MultiHeadAttention(2), (None, 4), (None, None, 6))
    rng = np.random.default_rng(2)
    query = ops.convert_to_tensor(rng.normal(size=(2, 3, 4)).astype("float32"))
    keys = layer.project(ops.convert_to_tensor(rng.normal(size=(2, 5, 6)).astype("float32")))
    many, weights = layer(query, keys=keys)
    one, weight = layer(query[:, 0], keys=keys)
    np.testing.assert_allclose(
        ops.convert_to_numpy(one), ops.convert_to_numpy(many)[:, 0], atol=1e-6
    )
    assert tuple(one.shape) == (2, 6) and tuple(weight.shape) == (2, 5)


def test_a_row_without_a_real_position_has_no_weights():
    layer, _ = filled(MultiHeadAttention(2), (None, 4), (None, None, 4))
    x = ops.ones((1, 3, 4))
    _, weights = layer(x, x, mask=ops.zeros((1, 3), dtype="bool"))
    np.testing.assert_array_equal(ops.convert_to_numpy(weights), 0)


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="width 4, heads=3.*give head_dim"):
        MultiHeadAttention(3).build((None, 4), (None, None, 4))
