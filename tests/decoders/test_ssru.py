import numpy as np
import pytest
from keras import ops

from s2s_zoo import Seq2Seq
from s2s_zoo.decoders import SSRUDecoder, TransformerDecoder
from s2s_zoo.decoders.ssru import SSRU
from s2s_zoo.protocol import EncoderOutput
from tests.decoders.test_recurrent import sigmoid

SIZES = {"vocabulary_size": 9, "embedding_dim": 4, "layers": 2, "heads": 2, "hidden_dim": 5}


def test_the_recurrence_equals_a_loop():
    layer = SSRU()
    layer.build((None, None, 3))
    rng = np.random.default_rng(0)
    gate, bias, value = (rng.normal(size=shape) for shape in ((3, 3), (3,), (3, 3)))
    layer.gate.set_weights([gate, bias])
    layer.value.set_weights([value])
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    c, expected = np.zeros((2, 3)), []
    for t in range(5):
        f = sigmoid(x[:, t] @ gate + bias)
        c = f * c + (1 - f) * (x[:, t] @ value)
        expected.append(np.maximum(c, 0))
    expected = np.stack(expected, axis=1)
    assert 0.2 < (expected > 0).mean() < 0.8
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, atol=1e-5)


def test_the_rest_is_a_transformer():
    """With f = 1 nothing enters the cell, and with no query and value nothing self-attention."""
    ssru, plain = SSRUDecoder(**SIZES), TransformerDecoder(**SIZES)
    shapes = EncoderOutput((None, None, 4), (None, None), (None, 4))
    rng = np.random.default_rng(1)
    for decoder in (ssru, plain):
        decoder.build((None, None), shapes)
    common = {}
    for weight in plain.weights:
        common[weight.path.split("/", 1)[1].replace("self_attention_norm", "ssru_norm")] = weight
        weight.assign(rng.normal(size=weight.shape) * ("self_attention/" not in weight.path))
    for weight in ssru.weights:
        if "/ssru/" in weight.path:
            weight.assign(np.full(weight.shape, 1e4 if "bias" in weight.path else 0.0))
        else:
            weight.assign(common[weight.path.split("/", 1)[1]])
    memory = rng.normal(size=(1, 3, 4)).astype("float32")
    encoded = EncoderOutput(memory, np.ones((1, 3), bool), memory[:, 0])
    target = np.array([[1, 5, 3]])
    np.testing.assert_allclose(
        ops.convert_to_numpy(ssru(target, encoded)),
        ops.convert_to_numpy(plain(target, encoded)),
        atol=1e-4,
    )


def test_a_position_knows_nothing_of_later_ones_and_everything_of_earlier():
    part = {**SIZES, "name": "transformer"}
    model = Seq2Seq(part, {**part, "name": "ssru", "positions": None})
    source, target = np.array([[4, 5, 2]], "int32"), np.array([[1, 5, 6, 7]], "int32")

    def logits(target):
        return ops.convert_to_numpy(model({"source": source, "target": target}))[0]

    before, after = logits(target), logits(np.array([[1, 5, 3, 7]], "int32"))
    np.testing.assert_allclose(before[:2], after[:2], atol=1e-5)
    assert np.abs(before[3] - after[3]).max() > 1e-4


def test_relative_positions_are_refused():
    decoder = SSRUDecoder(**SIZES, relative_positions={"buckets": 4, "max_distance": 4})
    with pytest.raises(ValueError, match="Use positions instead"):
        decoder.build((None, None), EncoderOutput((None, None, 4), (None, None), (None, 4)))
