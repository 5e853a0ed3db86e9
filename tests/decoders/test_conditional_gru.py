import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import ConditionalGRUDecoder
from tests.decoders.random_weights import built
from tests.decoders.test_recurrent import random_source, sigmoid, softmax

SIZES = {"vocabulary_size": 7, "embedding_dim": 3, "units": 4}


def gru(x, h, kernel, recurrent, bias):
    """One step; gates z, r and candidate, the reset after the product."""
    from_input = np.split(x @ kernel + bias[0], 3)
    from_state = np.split(h @ recurrent + bias[1], 3)
    z, r = (sigmoid(from_input[i] + from_state[i]) for i in range(2))
    return z * h + (1 - z) * np.tanh(from_input[2] + r * from_state[2])


def test_equals_the_equations_step_by_step():
    decoder = ConditionalGRUDecoder(**SIZES, attention={"name": "bahdanau", "units": 5})
    w = built(decoder)
    first, second = (
        [w[f"{name}/gru_cell/{part}"] for part in ("kernel", "recurrent_kernel", "bias")]
        for name in ("first", "second")
    )
    encoded = random_source()
    memory = encoded.memory[0, :2]
    s = np.tanh(memory.mean(0) @ w["bridge/kernel"] + w["bridge/bias"])
    expected = []
    for token in (1, 5, 3):
        x = w["embedding/embeddings"][token] * 3**0.5
        proposal = gru(x, s, *first)
        query = proposal @ w["attention/query/kernel"]
        hidden = np.tanh(query + memory @ w["attention/key/kernel"])
        context = softmax(hidden @ w["attention/vector"]) @ memory
        s = gru(context, proposal, *second)
        readout = np.tanh(np.concatenate([s, context, x]) @ w["readout/kernel"])
        expected.append(readout @ w["output/kernel"] + w["output/bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)


def test_an_attention_is_needed():
    with pytest.raises(ValueError, match="use RecurrentDecoder"):
        ConditionalGRUDecoder(**SIZES, attention=None)
