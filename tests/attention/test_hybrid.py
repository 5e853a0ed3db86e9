import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import HybridAttention

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 4)).astype("float32")
MEMORY = RNG.normal(size=(2, 6, 5)).astype("float32")
MASK = np.arange(6) < np.array([[6], [3]])


def filled(**options):
    layer = HybridAttention(**options)
    layer.build((None, 4), (None, None, 5))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def numbers(found):
    return [ops.convert_to_numpy(x) for x in found]


def parts(layer):
    """What the two attentions give by themselves."""
    whole = layer.whole(QUERY, MEMORY, mask=MASK)
    local = layer.local(QUERY, MEMORY, mask=MASK)
    return numbers(whole), numbers(local)


def test_the_gate_weighs_contexts_and_weights():
    layer = filled(local={"name": "local", "window": 1})
    (far, far_weights), (near, near_weights) = parts(layer)
    kernel, bias = (ops.convert_to_numpy(w) for w in layer.gate.weights)
    gate = np.concatenate([QUERY, far, near], axis=-1) @ kernel + bias
    gate = 1 / (1 + np.exp(-gate))
    assert gate.std() > 0.1
    context, weights = numbers(layer(QUERY, MEMORY, mask=MASK))
    np.testing.assert_allclose(context, gate * far + (1 - gate) * near, atol=1e-5)
    np.testing.assert_allclose(weights, gate * far_weights + (1 - gate) * near_weights, atol=1e-5)


@pytest.mark.parametrize(("bias", "which"), [(50.0, 0), (-50.0, 1)])
def test_an_open_gate_is_global_and_a_closed_one_local(bias, which):
    layer = filled()
    layer.gate.set_weights([np.zeros((14, 1)), np.array([bias])])
    found = numbers(layer(QUERY, MEMORY, mask=MASK))
    for ours, theirs in zip(found, parts(layer)[which], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_it_asks_for_the_position_if_its_local_attention_does():
    assert filled().history is None
    assert filled(local={"name": "local", "position": "monotonic"}).history == "index"


def test_bad_options_are_refused_by_name():
    with pytest.raises(ValueError, match="Unknown local attention.*Known: local"):
        HybridAttention(local="luong")
    with pytest.raises(ValueError, match="window of at least 1"):
        HybridAttention(local={"name": "local", "window": 0})
    with pytest.raises(ValueError, match="HybridAttention takes scores.*needs the coverage"):
        HybridAttention(whole={"name": "bahdanau", "units": 2, "coverage": True})
