"""What every attention of the table must do, whatever its mechanism."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.apps.explaining.gradients import gradient
from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.attention.history import attend, initial_history
from s2s_zoo.layers.config import build_from, config_of
from tests.variants import ATTENTION_VARIANTS

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(3, 6)).astype("float32")
MEMORY = RNG.normal(size=(3, 5, 6)).astype("float32")
MASK = np.arange(5) < np.array([[5], [2], [0]])


@pytest.fixture(params=[name for name, options in ATTENTION_VARIANTS.items() if options])
def options(request):
    return ATTENTION_VARIANTS[request.param]


def built(options):
    attention = build_from(ATTENTIONS, options, "attention")
    attention.build((None, 6), (None, None, 6))
    rng = np.random.default_rng(1)
    for weight in attention.weights:
        weight.assign(0.4 * rng.normal(size=weight.shape))
    return attention


def steps(attention, query, memory, dtype="float32", count=2):
    """The contexts and states of a few steps with one query."""
    query, memory, mask = ops.cast(query, dtype), ops.cast(memory, dtype), ops.cast(MASK, "bool")
    held = {"keys": attention.project(memory), "values": memory, "mask": mask}
    state, contexts = initial_history(attention, mask), []
    for index in range(count):
        context, state = attend(attention, query, held, state, index)
        contexts.append(context)
    return contexts, state


def test_a_row_without_a_real_position_gets_nothing(options):
    attention = built(options)
    contexts, state = steps(attention, QUERY, MEMORY)
    weights = ops.convert_to_numpy(state["alignment"])
    assert weights.shape == (3, 5) and not weights[~MASK].any()
    assert (weights[:2].sum(axis=-1) > 0).all() and weights.min() >= 0
    assert weights.sum(axis=-1).max() <= 1 + 1e-5
    for context in contexts:
        context = ops.convert_to_numpy(context)
        assert np.isfinite(context).all()
        if options["name"] == "multi_head":
            # The output projection of nothing.
            bias = ops.convert_to_numpy(attention.output_projection.bias)
            np.testing.assert_allclose(context[2], bias, atol=1e-6)
        else:
            assert not context[2].any()


def test_gradients_are_finite_and_none_reaches_such_a_row(options):
    attention = built(options)
    upstream = np.random.default_rng(2).normal(size=(3, 6)).astype("float32")

    def of_query(query):
        return ops.sum(ops.multiply(steps(attention, query, MEMORY)[0][-1], upstream))

    def of_memory(memory):
        return ops.sum(ops.multiply(steps(attention, QUERY, memory)[0][-1], upstream))

    for function, x in ((of_query, QUERY), (of_memory, MEMORY)):
        slopes = gradient(function, x)
        assert np.isfinite(slopes).all() and slopes[:2].any()
        assert not slopes[2].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near(options, dtype):
    attention = built(options)
    contexts, _ = steps(attention, QUERY, MEMORY)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    try:
        half = built(options)
    finally:
        keras.config.set_dtype_policy(before)
    half.set_weights(attention.get_weights())
    rough_contexts, rough_state = steps(half, QUERY, MEMORY, dtype)
    assert keras.backend.standardize_dtype(rough_contexts[-1].dtype) == dtype
    assert keras.backend.standardize_dtype(rough_state["alignment"].dtype) == "float32"
    assert not ops.convert_to_numpy(rough_state["alignment"])[~MASK].any()
    for rough, exact in zip(rough_contexts, contexts, strict=True):
        rough = ops.convert_to_numpy(ops.cast(rough, "float32"))
        assert np.isfinite(rough).all()
        if "k" not in str(options.get("alignment")):  # the k best may be others
            np.testing.assert_allclose(rough, ops.convert_to_numpy(exact), atol=0.25)


def test_the_config_rebuilds_it(options):
    attention = built(options)
    config = json.loads(json.dumps(config_of(ATTENTIONS, attention)))
    again = built(config)
    assert config_of(ATTENTIONS, again) == config
    again.set_weights(attention.get_weights())
    np.testing.assert_array_equal(
        ops.convert_to_numpy(steps(again, QUERY, MEMORY)[0][-1]),
        ops.convert_to_numpy(steps(attention, QUERY, MEMORY)[0][-1]),
    )
