import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention.hashing import LSHAttention
from s2s_zoo.encoders import TransformerEncoder
from tests.compilations import one_program

WIDTH, HEADS, DEPTH = 6, 2, 3


def attention(**options):
    layer = LSHAttention(HEADS, **options)
    layer.build((None, None, WIDTH))
    rng = np.random.default_rng(0)
    for weight in sorted(layer.weights, key=lambda weight: weight.name == "rotations"):
        weight.assign(rng.normal(size=weight.shape))
    return layer


def called(layer, x, mask):
    return ops.convert_to_numpy(one_program(lambda x, mask: layer(x, mask=mask))(x, mask))


def expected(layer, row, seen):
    """A row's output, where `seen(queries)` (H, S, S) says who attends to whom; a loop."""
    project, value, out = (
        [ops.convert_to_numpy(w) for w in dense.weights]
        for dense in (layer.query_projection, layer.value_projection, layer.output_projection)
    )
    length = len(row)
    q, v = (
        (row @ w[0] + w[1]).reshape(length, HEADS, DEPTH).transpose(1, 0, 2)
        for w in (project, value)
    )
    pairs, context = seen(q), np.zeros((length, HEADS, DEPTH))
    for head in range(HEADS):
        keys = q[head] / np.linalg.norm(q[head], axis=-1, keepdims=True)
        for i in range(length):
            others = [j for j in range(length) if pairs[head, i, j] and j != i] or [i]
            scores = np.exp(keys[others] @ q[head, i] / DEPTH**0.5)
            context[i, head] = scores / scores.sum() @ v[head][others]
    return context.reshape(length, -1) @ out[0] + out[1]


def hashed(layer):
    """Who shares a bucket in nearby chunks in some round, from the definition."""
    rotations = ops.convert_to_numpy(layer.rotations)

    def seen(q):
        pairs = np.zeros((HEADS, q.shape[1], q.shape[1]), bool)
        for head in range(HEADS):
            for rotation in rotations:
                turned = q[head] @ rotation
                buckets = np.argmax(np.concatenate([turned, -turned], axis=-1), axis=-1)
                order = sorted(range(len(buckets)), key=lambda i: (buckets[i], i))
                for slot_i, i in enumerate(order):
                    for slot_j, j in enumerate(order):
                        near = abs(slot_i // layer.chunk - slot_j // layer.chunk) <= 1
                        pairs[head, i, j] |= near and buckets[i] == buckets[j]
        return pairs

    return seen


def rows_and_mask():
    x = np.random.default_rng(1).normal(size=(2, 13, WIDTH)).astype("float32")
    lengths = (13, 8)
    return x, np.arange(13) < np.array(lengths)[:, None], lengths


@pytest.mark.parametrize(
    "options", [{"buckets": 1, "chunk": 13, "rounds": 1}, {"buckets": 1, "chunk": 20, "rounds": 3}]
)
def test_one_bucket_and_a_large_chunk_is_full_attention(options):
    layer = attention(**options)
    x, mask, lengths = rows_and_mask()
    found = called(layer, x, mask)
    for row, length in enumerate(lengths):
        everyone = expected(layer, x[row, :length], lambda q: np.ones((HEADS, *[q.shape[1]] * 2)))
        np.testing.assert_allclose(found[row, :length], everyone, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"buckets": 2, "chunk": 3, "rounds": 1},
        {"buckets": 4, "chunk": 2, "rounds": 3},
        {"buckets": 8, "chunk": 4, "rounds": 2},
    ],
)
def test_a_position_attends_once_to_all_that_any_round_finds(options):
    layer = attention(**options)
    x, mask, lengths = rows_and_mask()
    found = called(layer, x, mask)
    for row, length in enumerate(lengths):
        by_hand = expected(layer, x[row, :length], hashed(layer))
        np.testing.assert_allclose(found[row, :length], by_hand, atol=1e-4)


def test_more_rounds_come_closer_to_full_attention():
    rng = np.random.default_rng(2)
    x, mask = rng.normal(size=(1, 64, WIDTH)).astype("float32"), np.ones((1, 64), bool)
    whole = called(attention(buckets=1, chunk=64), x, mask)
    errors = []
    for rounds in (1, 4, 16):
        layer = attention(buckets=4, chunk=16, rounds=rounds)
        found = called(layer, x, mask)
        errors.append(np.abs(found - whole).mean())
    assert errors[0] > errors[1] > errors[2]


def test_a_row_of_padding_is_finite():
    layer = attention(buckets=4, chunk=2)
    x, mask, _ = rows_and_mask()
    found = called(layer, x, np.zeros_like(mask))
    bias = ops.convert_to_numpy(layer.output_projection.bias)
    np.testing.assert_allclose(found, np.broadcast_to(bias, found.shape), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lsh": {"buckets": 3}}, "buckets=3"),
        ({"lsh": {"rounds": 0}}, "rounds=0"),
        ({"lsh": {"chunks": 8}}, "Did you mean 'chunk'"),
        ({"lsh": {}, "relative_positions": {"buckets": 8}}, "Use one"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerEncoder(9, 4, layers=1, heads=2, hidden_dim=5, **options)


def test_heads_must_divide_the_width():
    encoder = TransformerEncoder(9, 4, layers=1, heads=3, hidden_dim=5, lsh={})
    with pytest.raises(ValueError, match="width 4, heads=3"):
        encoder.build()
