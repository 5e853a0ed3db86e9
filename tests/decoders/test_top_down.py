import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import TopDownDecoder
from s2s_zoo.protocol import EncoderOutput
from tests.decoders.random_weights import built
from tests.decoders.test_recurrent import lstm, random_source, sigmoid, softmax

SIZES = {"vocabulary_size": 7, "embedding_dim": 3, "units": 4}
BAHDANAU = {"name": "bahdanau", "units": 5}


@pytest.mark.parametrize("tied", [False, True])
def test_one_lstm_looks_and_another_says_what_is_there(tied):
    decoder = TopDownDecoder(**SIZES, attention=BAHDANAU, tie_embeddings=tied)
    w = built(decoder)

    def cell(name):
        kinds = ("kernel", "recurrent_kernel", "bias")
        return [w[f"{name}/lstm_cell/{kind}"] for kind in kinds]

    encoded = random_source()
    regions = encoded.memory[0, :2]  # the third is padding
    looking, saying = [np.zeros(4)] * 2, [np.zeros(4)] * 2
    expected, looked = [], []
    for token in (1, 5, 3):
        word = w["embedding/embeddings"][token] * 3**0.5
        x = np.concatenate([saying[0], regions.mean(axis=0), word])
        looking = lstm(x, *looking, *cell("attention_cell"))
        query = looking[0] @ w["attention/query/kernel"]
        hidden = np.tanh(query + regions @ w["attention/key/kernel"])
        looked.append(softmax(hidden @ w["attention/vector"]))
        context = looked[-1] @ regions
        saying = lstm(np.concatenate([context, looking[0]]), *saying, *cell("language_cell"))
        if tied:
            logits = saying[0] @ w["readout/kernel"] @ w["embedding/embeddings"].T
        else:
            logits = saying[0] @ w["output/kernel"]
        expected.append(logits + w["output/bias"])
    assert np.ptp(looked) > 0.1  # or the attention could be anything
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)


def test_a_step_by_hand():
    """One unit, ones for weights and zeros for biases: numbers a reader can check."""
    decoder = TopDownDecoder(3, 1, 1, attention={"name": "bahdanau", "units": 1})
    decoder.build((None, None), EncoderOutput((None, None, 1), (None, None), (None, 1)))
    for weight in decoder.weights:
        zero = "bias" in weight.path
        weight.assign(np.zeros(weight.shape) if zero else np.ones(weight.shape))
    memory = np.array([[[1.0], [3.0]]], "float32")
    encoded = EncoderOutput(memory, np.ones((1, 2), bool), np.zeros((1, 1), "float32"))
    # x_1 = [h^2 = 0 ; mean = 2 ; word = 1], so every gate of LSTM_1 reads 3.
    h1 = sigmoid(3) * np.tanh(sigmoid(3) * np.tanh(3))
    assert h1 == pytest.approx(0.7038, abs=1e-4)
    weights = softmax(np.tanh(h1 + np.array([1.0, 3.0])))
    context = weights @ [1.0, 3.0]
    gates = context + h1  # x_2 = [c ; h^1]
    h2 = sigmoid(gates) * np.tanh(sigmoid(gates) * np.tanh(gates))
    found = ops.convert_to_numpy(decoder(np.array([[1]]), encoded))
    np.testing.assert_allclose(found[0, 0], [h2] * 3, atol=1e-5)


def test_an_attention_is_needed():
    with pytest.raises(ValueError, match="use RecurrentDecoder"):
        TopDownDecoder(**SIZES, attention=None)
