import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import ShowAttendTellDecoder
from tests.decoders.random_weights import built
from tests.decoders.test_recurrent import SIZES, lstm, random_source, sigmoid, softmax

GATED = {"name": "gated", "attention": {"name": "bahdanau", "units": 5}}


def decoder_with_random_weights(**options):
    decoder = ShowAttendTellDecoder(**SIZES, attention=GATED, **options)
    return decoder, built(decoder)


def test_logits_equal_the_equations():
    decoder, w = decoder_with_random_weights()
    encoded = random_source()
    memory = encoded.memory[0, :2]
    h = np.tanh(encoded.state[0] @ w["bridge_0_0/kernel"] + w["bridge_0_0/bias"])
    c = np.tanh(encoded.state[0] @ w["bridge_0_1/kernel"] + w["bridge_0_1/bias"])
    keys = memory @ w["attention/inner/key/kernel"]
    hidden_rows = decoder.units
    expected = []
    for token in (1, 5, 3):
        word = w["embedding/embeddings"][token] * 3**0.5
        scores = np.tanh(h @ w["attention/inner/query/kernel"] + keys)
        alpha = softmax(scores @ w["attention/inner/vector"])
        beta = sigmoid(h @ w["attention/gate/kernel"] + w["attention/gate/bias"])
        context = beta * (alpha @ memory)
        cell = [w[f"layer_0/lstm_cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
        h, c = lstm(np.concatenate([word, context]), h, c, *cell)
        of_h, of_z = np.split(w["readout/projection/kernel"], [hidden_rows])
        readout = np.tanh(word + h @ of_h + context @ of_z)
        expected.append(readout @ w["output/kernel"] + w["output_bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-5)


ALIGNMENT = np.array([[[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]], [[1.0, 0.0], [0.4, 0.6], [0.4, 0.6]]])
REAL = np.array([[True, True, True], [True, False, False]])
# Summed over the real steps: 1.4, 1.6 and 1, 0; squared distance from 1: .16, .36 and 0, 1.


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 0.5 * 1.52 / 2), ("mean", 0.5 * 0.38)])
def test_penalty_by_hand(reduction, expected):
    decoder = ShowAttendTellDecoder(**SIZES, doubly_stochastic=0.5, reduction=reduction)
    found = decoder.penalty(ops.convert_to_tensor(ALIGNMENT.astype("float32")), REAL)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_the_penalty_joins_the_loss_in_training_alone():
    decoder, _ = decoder_with_random_weights(doubly_stochastic=2.0)
    encoded, target = random_source(), np.array([[1, 5, 0]])
    decoder(target, encoded)
    assert decoder.losses == []
    decoder(target, encoded, training=True)
    memory, state = decoder.init(encoded)
    total = np.zeros(3)
    for index in range(2):
        _, state = decoder.step(target[:, index], index, state, memory)
        total += ops.convert_to_numpy(state["alignment"])[0]
    (loss,) = decoder.losses
    assert float(ops.convert_to_numpy(loss)) == pytest.approx(
        2 * np.mean((1 - total) ** 2), abs=1e-4
    )
    silent, _ = decoder_with_random_weights(doubly_stochastic=0.0)
    silent(target, encoded, training=True)
    assert silent.losses == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "max"}, "reduction of"),
        ({"doubly_stochastic": -1.0}, "doubly_stochastic >= 0"),
        ({"attention": None}, "Give an attention"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        ShowAttendTellDecoder(**SIZES, **options)
