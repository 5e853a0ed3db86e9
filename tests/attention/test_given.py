"""Attentions of other makes in the layers that hold one."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from s2s_zoo.attention import GatedAttention, HybridAttention, LocalAttention, LuongAttention
from s2s_zoo.attention.layer import AttentionLayer
from s2s_zoo.decoders import (
    AttentionRNN,
    ConditionalGRUDecoder,
    GNMTDecoder,
    RecurrentDecoder,
    ShowAttendTellDecoder,
    TopDownDecoder,
)

SIZES = {"vocabulary_size": 9, "embedding_dim": 4, "units": 6}
HOLDERS = {
    "RecurrentDecoder": lambda attention: RecurrentDecoder(**SIZES, attention=attention),
    "TopDownDecoder": lambda attention: TopDownDecoder(**SIZES, attention=attention),
    "GNMTDecoder": lambda attention: GNMTDecoder(**SIZES, attention=attention),
    "ConditionalGRUDecoder": lambda attention: ConditionalGRUDecoder(**SIZES, attention=attention),
    "ShowAttendTellDecoder": lambda attention: ShowAttendTellDecoder(**SIZES, attention=attention),
    "AttentionRNN": lambda attention: AttentionRNN(layers.GRUCell(6), attention),
    "GatedAttention": GatedAttention,
}


class OfKeras(layers.Layer):
    """The adapter of docs/guides/layers.md."""

    def build(self, query_shape, value_shape):
        self.inner = layers.MultiHeadAttention(2, 3)
        self.inner.build((None, None, query_shape[-1]), value_shape)

    def project(self, value):
        return value  # Keras' makes its keys at every call

    def call(self, query, value, mask=None, keys=None):
        queries = ops.reshape(query, (ops.shape(query)[0], -1, query.shape[-1]))
        context, weights = self.inner(
            queries,
            value,
            attention_mask=None if mask is None else mask[:, None],
            return_attention_scores=True,
        )
        weights = ops.mean(weights, axis=1)  # over the heads
        return (context, weights) if len(query.shape) == 3 else (context[:, 0], weights[:, 0])


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(
    ("attention", "remedy"),
    [
        (layers.Attention, r"LuongAttention\('dot'\)"),
        (layers.AdditiveAttention, r"BahdanauAttention\(units\)"),
        (lambda: layers.MultiHeadAttention(2, 3), r"MultiHeadAttention\(heads, head_dim\)"),
        (lambda: layers.Dense(3), "one of s2s_zoo.attention"),
    ],
)
def test_layers_that_cannot_be_asked_are_refused_when_they_are_given(holder, attention, remedy):
    name = type(attention()).__name__
    message = f"{holder} expected an attention with build.*Received: {name}, which lacks .*project"
    with pytest.raises(ValueError, match=f"{message}.*Use {remedy}, or put it into"):
        HOLDERS[holder](attention())


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_class_in_place_of_a_layer_is_named(holder):
    with pytest.raises(ValueError, match=r"Received: the class LuongAttention. Make a layer of it"):
        HOLDERS[holder](LuongAttention)


def test_what_is_lacking_is_named():
    class Short(layers.Layer):
        def project(self, value):
            return value

        def call(self, query, value, mask=None):
            return query, value

    with pytest.raises(ValueError, match="Short, which lacks this build and keys of call"):
        RecurrentDecoder(**SIZES, attention=Short())


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_attention_of_other_make_is_asked_and_needs_no_word_of_masks(holder):
    attention = OfKeras()
    layer = HOLDERS[holder](attention)
    ids = np.array([[4, 5, 2, 0]], "int32")
    memory = layers.Embedding(9, 6, mask_zero=True)(ids)
    first = {"GatedAttention": memory, "AttentionRNN": memory}.get(holder, ids)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs = layer(first, memory)
    built = attention.inner.built and len(attention.trainable_weights) == 8
    assert built and ops.is_tensor(keras.tree.flatten(outputs)[0])
    if holder in ("GatedAttention", "AttentionRNN"):
        weights = ops.convert_to_numpy(outputs[1])[:, :3]  # of the queries that are real
        assert (weights[..., -1] == 0).all() and np.allclose(weights.sum(-1), 1)


def test_layers_that_do_not_score_are_refused():
    for make in (LocalAttention, HybridAttention):
        with pytest.raises(ValueError, match=f"{make.__name__} expected a layer with scores"):
            make(layers.Attention())
    with pytest.raises(ValueError, match="expected a LocalAttention.*Received: LuongAttention"):
        HybridAttention(local=LuongAttention())


def test_an_attention_layer_of_ones_own_need_not_say_the_shapes_of_its_keys():
    class Mean(AttentionLayer):
        def project(self, value):
            return ops.sum(value, axis=-1)

        def call(self, query, value, mask=None, keys=None, value_mask=None):
            keys, mask = self.keys_and_mask(query, value, mask, keys, value_mask)
            weights = ops.softmax(keys)
            return ops.einsum("bs,bsd->bd", weights, value), weights

    value = np.ones((2, 3, 4), "float32")
    context, _ = Mean()(value[:, 0], value, keys=value[:, :, 0])
    np.testing.assert_allclose(ops.convert_to_numpy(context), 1.0, rtol=1e-6)
