"""Attention in windows, to summaries and in blocks, against loops of the definitions."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention.block_sparse import BlockSparseAttention
from s2s_zoo.attention.summaries import SummaryAttention
from s2s_zoo.attention.window import WindowAttention
from s2s_zoo.encoders import TransformerEncoder
from s2s_zoo.layers.positions import RelativeBias
from tests.compilations import one_program

WIDTH, HEADS, DEPTH = 6, 2, 3
MASK = np.array([[True] * 11, [True] * 7 + [False] * 4])


def made(layer_class, **options):
    layer = layer_class(HEADS, **options)
    layer.build((None, None, WIDTH))
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    x = rng.normal(size=(2, 11, WIDTH)).astype("float32")
    return layer, x


def called(layer, x, mask, **biases):
    call = one_program(lambda x, mask: layer(x, mask=mask, **biases))
    return ops.convert_to_numpy(call(x, mask))


def heads(dense, x):
    """(S, E) to (H, S, d)."""
    kernel, bias = (ops.convert_to_numpy(w) for w in dense.weights)
    return (x @ kernel + bias).reshape(-1, HEADS, DEPTH).transpose(1, 0, 2)


def mixed(query, keys, values, bias=0):
    scores = keys @ query / DEPTH**0.5 + bias
    weights = np.exp(scores - scores.max())
    return weights / weights.sum() @ values


def finished(layer, context):
    kernel, bias = (ops.convert_to_numpy(w) for w in layer.output_projection.weights)
    return np.stack(context).reshape(len(context), -1) @ kernel + bias


@pytest.mark.parametrize(("size", "first"), [(4, 1), (2, 0), (40, 3), (6, 2)])
def test_a_window_and_the_first(size, first):
    layer, x = made(WindowAttention, size=size, first=first)
    found = called(layer, x, MASK)
    for row, real in zip(range(2), MASK.sum(axis=1), strict=True):
        here, context = x[row, :real], []
        q, k, v = (heads(dense, here) for dense in layer.projections)
        for i in range(real):
            seen = [j for j in range(real) if abs(i - j) <= size // 2 or j < first]
            parts = [mixed(q[h, i], k[h, seen], v[h, seen]) for h in range(HEADS)]
            if i < first:
                own = [heads(dense, here) for dense in layer.global_projections]
                parts = [mixed(own[0][h, i], own[1][h], own[2][h]) for h in range(HEADS)]
            context.append(np.concatenate(parts))
        np.testing.assert_allclose(found[row, :real], finished(layer, context), atol=1e-4)


@pytest.mark.parametrize(("size", "block"), [(4, 3), (2, 16), (30, 1)])
def test_summaries(size, block):
    layer, x = made(SummaryAttention, size=size, block=block)
    near, far = (RelativeBias(HEADS, 6, 5, name=name) for name in ("near", "far"))
    for i, bias in enumerate((near, far)):
        bias.build()
        bias.embeddings.assign(np.random.default_rng(i).normal(size=(6, HEADS)))
    found = called(layer, x, MASK, bias=near, summary_bias=far.of)
    scale = ops.convert_to_numpy(layer.summary_norm.scale)
    for row, real in zip(range(2), MASK.sum(axis=1), strict=True):
        here, whole = x[row, :real], real // block
        own = np.minimum(np.arange(real) // block, whole - 1)
        sums = np.array([here[own == b].sum(axis=0) for b in range(whole)]).reshape(-1, WIDTH)
        summaries = sums / np.sqrt((sums**2).mean(axis=1, keepdims=True) + 1e-6) * scale
        q, k, v = (heads(dense, here) for dense in layer.projections)
        keys, values = (heads(dense, summaries) for dense in layer.projections[1:])
        context = []
        for i in range(real):
            seen = np.array([j for j in range(real) if abs(i - j) <= size // 2])
            added = ops.convert_to_numpy(near.of(seen - i))
            blocks = ops.convert_to_numpy(far.of(np.arange(whole) - own[i]))
            added = np.concatenate([added, blocks.reshape(-1, HEADS)])
            context.append(
                np.concatenate(
                    [
                        mixed(
                            q[h, i],
                            np.concatenate([k[h, seen], keys[h]]),
                            np.concatenate([v[h, seen], values[h]]),
                            added[:, h],
                        )
                        for h in range(HEADS)
                    ]
                )
            )
        np.testing.assert_allclose(found[row, :real], finished(layer, context), atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads the graph of TensorFlow")
def test_memory_is_linear_in_the_length():
    """The largest tensor of an LED at 16,384 tokens is 16 times that at 1,024, not 256 times."""
    import tensorflow as tf

    layer, _ = made(WindowAttention, size=512, first=1)
    sparse, _ = made(BlockSparseAttention, block=64)

    def largest(layer, length):
        shapes = tf.TensorSpec((1, length, WIDTH)), tf.TensorSpec((1, length), tf.bool)
        graph = tf.function(lambda x, mask: layer(x, mask=mask)).get_concrete_function(*shapes)
        sizes = (x.shape.num_elements() for op in graph.graph.get_operations() for x in op.outputs)
        return max(size or 0 for size in sizes)

    few = largest(layer, 1024)
    assert few == 1024 * HEADS * (3 * 256 + 1)  # the scores of the windows, and of the first
    assert largest(layer, 16384) == 16 * few
    few = largest(sparse, 2048)
    assert few == 2048 * HEADS * 5 * 64
    assert largest(sparse, 16384) == 8 * few


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": {"size": 3}}, "an even size of at least 2.*size=3"),
        ({"window": {"first": -1}}, "first=-1"),
        ({"window": {"sizes": 8}}, "Did you mean 'size'"),
        ({"window": {"size": [2]}}, "a size of the window for each of 2 layers"),
        ({"window": {"block": 0}}, "at least one position.*block=0"),
        ({"window": {"block": 2, "first": 1}}, "with first or with block"),
        ({"window": {}, "lsh": {}}, "Use one"),
        ({"sparse": {"block": 0}}, "at least one position.*block=0"),
        ({"sparse": {}, "window": {}}, "Use one"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerEncoder(9, 4, layers=2, heads=2, hidden_dim=5, **options)


@pytest.mark.parametrize(("block", "random"), [(1, 0), (2, 0), (1, 2), (30, 1)])
def test_blocks(block, random):
    layer, x = made(BlockSparseAttention, block=block, random=random)
    found = called(layer, x, MASK)
    for row, real in zip(range(2), MASK.sum(axis=1), strict=True):
        here, context = x[row, :real], []
        q, k, v = (heads(dense, here) for dense in layer.projections)
        places, last = np.arange(real) // block, (real - 1) // block
        for i in range(real):
            own = places[i]
            seen = np.isin(places, [0, own - 1, own, own + 1, last])
            times = np.where(places == 0, np.log(1 + random), 0.0)
            if real <= (5 + 2 * random) * block or own in (0, last):
                seen, times = places >= 0, np.zeros(real)
            parts = [mixed(q[h, i], k[h, seen], v[h, seen], times[seen]) for h in range(HEADS)]
            context.append(np.concatenate(parts))
        np.testing.assert_allclose(found[row, :real], finished(layer, context), atol=1e-4)
