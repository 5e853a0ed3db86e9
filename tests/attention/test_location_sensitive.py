import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import BahdanauAttention, LocationSensitiveAttention


def filled(layer):
    layer.build((None, 4), (None, None, 3))
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer, {w.path.split("/", 1)[1]: ops.convert_to_numpy(w) for w in layer.weights}


def test_the_scores_equal_the_equation_position_by_position():
    layer, w = filled(LocationSensitiveAttention(5, filters=2, width=3))
    rng = np.random.default_rng(1)
    query, memory = rng.normal(size=(2, 4)), rng.normal(size=(2, 6, 3))
    before = rng.dirichlet(np.ones(6), size=2)
    mask = np.arange(6) < np.array([[6], [4]])
    before = before * mask
    query, memory, before = (x.astype("float32") for x in (query, memory, before))
    context, weights = layer(query, memory, mask=mask, history=before)
    kernel = w["convolution/kernel"]
    for row, length in enumerate((6, 4)):
        scores = []
        for s in range(length):
            features = np.zeros(2)
            for offset in (-1, 0, 1):
                if 0 <= s + offset < 6:
                    features += before[row, s + offset] * kernel[offset + 1, 0]
            hidden = query[row] @ w["query/kernel"] + w["query/bias"]
            hidden = hidden + memory[row, s] @ w["key/kernel"] + features @ w["feature/kernel"]
            scores.append(w["vector"] @ np.tanh(hidden))
        expected = np.exp(scores) / np.exp(scores).sum()
        found = ops.convert_to_numpy(weights)[row]
        np.testing.assert_allclose(found[:length], expected, atol=1e-5)
        assert not found[length:].any()
        np.testing.assert_allclose(
            ops.convert_to_numpy(context)[row], expected @ memory[row, :length], atol=1e-5
        )


def test_before_the_first_step_it_is_additive_attention():
    layer, w = filled(LocationSensitiveAttention(5))
    layer.query_projection.bias.assign(np.zeros(5))
    additive, _ = filled(BahdanauAttention(5))
    additive.query_projection.set_weights([w["query/kernel"]])
    additive.key_projection.set_weights([w["key/kernel"]])
    additive.vector.assign(w["vector"])
    rng = np.random.default_rng(2)
    query = rng.normal(size=(2, 4)).astype("float32")
    memory = rng.normal(size=(2, 6, 3)).astype("float32")
    ours = layer(query, memory, history=np.zeros((2, 6), "float32"))
    theirs = additive(query, memory)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(one), ops.convert_to_numpy(other), atol=1e-6
        )


def test_an_even_width_has_no_middle():
    with pytest.raises(ValueError, match="odd width.*width=4. Use 5"):
        LocationSensitiveAttention(5, width=4)
