"""`context, weights = attention(query, value, mask=None, keys=None)`, as a Keras user calls it."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import (
    ATTENTIONS,
    BahdanauAttention,
    LuongAttention,
    MultiHeadAttention,
)
from s2s_zoo.attention.history import attend, initial_history
from s2s_zoo.layers.config import build_from
from tests.variants import ATTENTION_VARIANTS

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 6)).astype("float32")
VALUE = RNG.normal(size=(2, 5, 6)).astype("float32")
MASK = np.arange(5) < np.array([[5], [3]])


@pytest.fixture(params=[name for name, options in ATTENTION_VARIANTS.items() if options])
def attention(request):
    return build_from(ATTENTIONS, ATTENTION_VARIANTS[request.param], "attention")


def numbers(outputs):
    return [ops.convert_to_numpy(x) for x in outputs]


def assert_equal(found, expected):
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_it_builds_itself_wherever_it_is_called(attention):
    expected = numbers(attention(QUERY, VALUE, mask=MASK))
    assert attention.built and expected[0].shape == (2, 3, 6) and expected[1].shape == (2, 3, 5)
    assert attention.compute_output_shape((2, 3, 6), (2, 5, 6)) == ((2, 3, 6), (2, 3, 5))
    # Keys that were made before.
    keys = attention.project(ops.convert_to_tensor(VALUE))
    assert_equal(numbers(attention(QUERY, VALUE, mask=MASK, keys=keys)), expected)

    inputs = [keras.Input((None, 6)), keras.Input((None, 6)), keras.Input((None,), dtype="bool")]
    again = type(attention).from_config(attention.get_config())
    model = keras.Model(inputs, again(inputs[0], inputs[1], mask=inputs[2]))
    assert [x.shape for x in model.outputs] == [(None, None, 6), (None, None, None)]
    again.set_weights(attention.get_weights())
    assert_equal(numbers(model([QUERY, VALUE, MASK])), expected)

    class Asking(keras.Model):
        def __init__(self):
            super().__init__()
            self.attention = type(attention).from_config(attention.get_config())

        def call(self, inputs):
            return self.attention(inputs["query"], inputs["value"], mask=inputs["mask"])

    model = Asking()
    inputs = {"query": QUERY, "value": VALUE, "mask": MASK}
    model(inputs)
    model.set_weights(attention.get_weights())
    assert_equal(model.predict_on_batch(inputs), expected)


def test_all_steps_at_once_are_the_steps_one_by_one(attention):
    contexts, weights = numbers(attention(QUERY, VALUE, mask=MASK))
    held = {"keys": attention.project(ops.convert_to_tensor(VALUE)), "values": VALUE, "mask": MASK}
    state = initial_history(attention, ops.convert_to_tensor(MASK))
    for index in range(3):
        context, state = attend(attention, QUERY[:, index], held, state, index)
        assert_equal(
            numbers([context, state["alignment"]]), [contexts[:, index], weights[:, index]]
        )
    # Without a history a single query is the first.
    first = numbers(attention(QUERY[:, 0], VALUE, mask=MASK))
    assert_equal(first, [contexts[:, 0], weights[:, 0]])


def test_the_mask_that_keras_carries_is_that_of_the_memory(attention):
    ids = np.array([[3, 4, 5, 6, 7], [3, 4, 5, 0, 0]])
    value = keras.layers.Embedding(8, 6, mask_zero=True)(ids)
    query = keras.layers.Embedding(8, 6, mask_zero=True)(ids[:, :3])
    context, weights = attention(query, value)
    given = attention(query, ops.convert_to_numpy(value), mask=ids != 0)
    assert_equal(numbers([context, weights]), numbers(given))
    assert not ops.convert_to_numpy(weights)[1, :, 3:].any()
    np.testing.assert_array_equal(ops.convert_to_numpy(context._keras_mask), ids[:, :3] != 0)
    assert getattr(weights, "_keras_mask", None) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ask: ask(QUERY[:, :, :4], VALUE), "a query of width 6.*query \\(2, 3, 4\\)"),
        (lambda ask: ask(QUERY, VALUE[:, :, :4]), "a value of width 6.*value \\(2, 5, 4\\)"),
        (lambda ask: ask(QUERY, VALUE[:1]), "one batch size.*value \\(1, 5, 6\\).*repeat"),
        (lambda ask: ask(QUERY, VALUE[:, 0]), "value \\(N, S, D\\).*value \\(2, 6\\)"),
        (
            lambda ask: ask(QUERY, VALUE, mask=MASK.astype("float32")),
            "bool mask.*float32 \\(2, 5\\)",
        ),
        (lambda ask: ask(QUERY, VALUE, mask=MASK[:, :4]), "\\(2, 5\\), True.*bool \\(2, 4\\)"),
        (lambda ask: ask(QUERY, VALUE, VALUE), "Keys are given by name"),
    ],
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_bad_input_is_named(call, message, symbolic):
    ask = BahdanauAttention(4)
    ask(QUERY, VALUE)

    def of_symbols(query, value, mask=None):
        tensors = [
            x if x is None else keras.KerasTensor(x.shape, str(x.dtype))
            for x in (query, value, mask)
        ]
        return ask(*tensors)

    with pytest.raises(ValueError, match=message):
        call(of_symbols if symbolic else ask)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ask: ask([QUERY, VALUE]), "A list of inputs is not taken"),
        (lambda ask: ask(QUERY), r"a value \(N, S, D\) or keys.*Received: 1 without"),
        (lambda ask: ask(QUERY, memory=VALUE), "1 without a name, and memory by name"),
        (lambda ask: ask(QUERY, VALUE, mask=MASK.tolist()), "bool mask.*a mask of list"),
        (lambda ask: ask(QUERY, VALUE.astype("int32")), "floats, not of int32.*Embed ids"),
    ],
)
def test_calls_of_other_libraries_are_named(call, message, attention):
    with pytest.raises(ValueError, match=message):
        call(attention)


def test_keys_of_another_memory_or_layer_are_named(attention):
    attention(QUERY, VALUE)
    for value, query in ((VALUE[:, :4], QUERY), (VALUE[:1], QUERY), (VALUE, QUERY[:1])):
        keys = attention.project(ops.convert_to_tensor(value))
        with pytest.raises(
            ValueError, match=r"expected keys of .*\(\d, .*Received: keys of .*project"
        ):
            attention(query, VALUE[: len(query)], keys=keys)
    for other in (VALUE[:, 0], [*keras.tree.flatten(keys), VALUE]):
        with pytest.raises(ValueError, match="expected keys of .*Received: keys of"):
            attention(QUERY, VALUE, keys=other)


def test_keys_of_another_width_are_named_with_both_shapes():
    ask = BahdanauAttention(4)
    ask(QUERY, VALUE)
    message = r"expected keys of \[\(2, 5, 4\)\].*Received: keys of \[\(2, 5, 6\)\].*leave keys out"
    with pytest.raises(ValueError, match=message):
        ask(QUERY, VALUE, keys=VALUE)


def test_keys_need_a_layer_that_knows_its_query():
    for layer in (BahdanauAttention(4), LuongAttention(), MultiHeadAttention(2)):
        with pytest.raises(ValueError, match="Call it once, or .*build"):
            layer.project(VALUE)
    layer(QUERY, VALUE)
    with pytest.raises(ValueError, match="expected a value .* or keys"):
        layer(QUERY)
