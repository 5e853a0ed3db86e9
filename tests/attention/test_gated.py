import numpy as np
from keras import ops

from s2s_zoo.attention import BahdanauAttention, GatedAttention

RNG = np.random.default_rng(0)
QUERY, MEMORY = RNG.normal(size=(2, 4)).astype("float32"), RNG.normal(size=(2, 3, 5))
MASK = np.array([[True, True, False], [True, True, True]])


def numbers(found):
    return [ops.convert_to_numpy(x) for x in found]


def test_the_context_is_gated_by_the_query_and_the_weights_are_not():
    gated = GatedAttention(BahdanauAttention(6))
    gated.build((None, 4), (None, None, 5))
    for weight in gated.weights:
        weight.assign(RNG.normal(size=weight.shape))
    keys = gated.project(MEMORY)
    context, weights = numbers(gated(QUERY, MEMORY, keys=keys, mask=MASK))
    inner, inner_weights = numbers(gated.attention(QUERY, MEMORY, keys=keys, mask=MASK))
    kernel, bias = map(ops.convert_to_numpy, gated.gate.weights)
    beta = 1 / (1 + np.exp(-(QUERY @ kernel + bias)))
    assert beta.shape == (2, 1) and 0.01 < beta.min() and beta.max() < 0.99
    np.testing.assert_allclose(context, beta * inner, atol=1e-5)
    np.testing.assert_array_equal(weights, inner_weights)


def test_what_the_attention_within_asks_for_is_passed_on():
    gated = GatedAttention({"name": "bahdanau", "units": 4, "coverage": True})
    assert gated.history == "coverage" and GatedAttention({"name": "luong"}).history is None
    np.testing.assert_array_equal(
        ops.convert_to_numpy(gated.initial_alignment(MASK)), np.zeros((2, 3))
    )
    gated.build((None, 4), (None, None, 5))
    for weight in gated.weights:
        weight.assign(RNG.normal(size=weight.shape))
    keys = gated.project(MEMORY)
    seen = np.array([[3.0, 0.0, 0.0]] * 2, "float32")
    fresh, used = (
        numbers(gated(QUERY, MEMORY, keys=keys, mask=MASK, history=history))[1]
        for history in (0 * seen, seen)
    )
    assert not np.allclose(used, fresh)


def test_training_reaches_the_attention_within():
    gated = GatedAttention({"name": "monotonic", "noise": 2.0, "hard": True})
    gated.build((None, 4), (None, None, 5))
    keys, first = gated.project(MEMORY), gated.initial_alignment(MASK)
    noise = gated.draw_noise(MASK, 6)
    assert tuple(noise.shape) == (2, 6, 3)
    asked = {"history": first, "noise": noise[:, 0], "training": True}
    soft = ops.convert_to_numpy(gated(QUERY, MEMORY, keys=keys, mask=MASK, **asked)[1])
    expected = gated.attention(QUERY, MEMORY, keys=keys, mask=MASK, **asked)[1]
    np.testing.assert_array_equal(soft, ops.convert_to_numpy(expected))
    assert ((soft > 0) & (soft < 1)).any()
    assert GatedAttention("luong").draw_noise(MASK, 6) is None
