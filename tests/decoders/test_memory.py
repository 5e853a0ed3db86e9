import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import MemoryDecoder
from s2s_zoo.protocol import EncoderOutput
from tests.decoders.random_weights import built
from tests.decoders.test_conditional_gru import gru
from tests.decoders.test_recurrent import random_source, sigmoid, softmax

ATTENTION = {"name": "bahdanau", "units": 5}
SIZES = {"vocabulary_size": 7, "embedding_dim": 3, "units": 4, "cells": 3, "cell_dim": 2}


def random_decoder():
    decoder = MemoryDecoder(**SIZES, attention=ATTENTION)
    return decoder, built(decoder)


def test_equals_the_equations_step_by_step():
    decoder, w = random_decoder()
    encoded = random_source()
    source = encoded.memory[0, :2]

    def scores(name, query, keys):
        hidden = query @ w[f"{name}/query/kernel"] + keys @ w[f"{name}/key/kernel"]
        return softmax(np.tanh(hidden) @ w[f"{name}/vector"])

    def choose(name, gate, query, before):
        g = sigmoid(query @ w[f"{gate}_gate/kernel"])
        return g * before + (1 - g) * scores(name, query, cells)

    s = np.tanh(source.mean(0) @ w["bridge/kernel"] + w["bridge/bias"])
    cells = sigmoid(source.mean(0) @ w["cells/kernel"] + w["cell_bias"])
    read = write = np.full(3, 1 / 3)
    expected = []
    for token in (1, 5, 3):
        x = w["embedding/embeddings"][token] * 3**0.5
        read = choose("reader", "read", s, read)
        noted = read @ cells
        context = scores("attention", s, source) @ source
        layer = [w[f"layer/gru_cell/{part}"] for part in ("kernel", "recurrent_kernel", "bias")]
        s = gru(np.concatenate([x, context, noted]), s, *layer)
        write = choose("writer", "write", s, write)
        for k in range(3):
            cells[k] *= 1 - write[k] * sigmoid(s @ w["erase/kernel"])
            cells[k] += write[k] * sigmoid(s @ w["add/kernel"])
        readout = np.tanh(np.concatenate([s, context, noted, x]) @ w["readout/kernel"])
        expected.append(readout @ w["output/kernel"] + w["output/bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)


def test_each_cell_is_chosen_and_the_choices_sum_to_one():
    decoder, _ = random_decoder()
    encoded = EncoderOutput(*map(ops.convert_to_tensor, random_source()[:3]))
    memory, state = decoder.init(encoded)
    for index, token in enumerate((1, 5, 3, 2)):
        _, state = decoder.step(ops.convert_to_tensor([token], "int32"), index, state, memory)
        for name in ("read", "write"):
            weights = ops.convert_to_numpy(state[name])
            assert weights.min() > 0
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    cells = ops.convert_to_numpy(state["cells"])
    assert cells.shape == (1, 3, 2) and np.ptp(cells, axis=1).min() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [({"attention": None}, "MemoryDecoder needs an attention"), ({"cells": 0}, "cells >= 1")],
)
def test_bad_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MemoryDecoder(**{**SIZES, "attention": ATTENTION, **change})
