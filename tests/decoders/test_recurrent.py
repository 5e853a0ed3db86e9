import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import RecurrentDecoder
from s2s_zoo.protocol import EncoderOutput
from tests.decoders.random_weights import built

SIZES = {"vocabulary_size": 7, "embedding_dim": 3, "units": 4}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def lstm(x, h, c, kernel, recurrent, bias):
    """One LSTM step written out, gates in the order i, f, g, o."""
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def decoder_with_random_weights(**options):
    decoder = RecurrentDecoder(**SIZES, **options)
    return decoder, built(decoder)


def random_source():
    rng = np.random.default_rng(6)
    memory = rng.normal(size=(1, 3, 4)).astype("float32")
    mask = np.array([[True, True, False]])
    return EncoderOutput(memory, mask, rng.normal(size=(1, 4)).astype("float32"))


def test_luong_with_input_feeding_equals_the_equations():
    decoder, w = decoder_with_random_weights(
        attention={"name": "luong", "score": "dot"}, input_feeding=True
    )
    encoded = random_source()
    memory = encoded.memory[0, :2]
    h = np.tanh(encoded.state[0] @ w["bridge_0_0/kernel"] + w["bridge_0_0/bias"])
    c = np.tanh(encoded.state[0] @ w["bridge_0_1/kernel"] + w["bridge_0_1/bias"])
    readout, expected = np.zeros(4), []
    for token in (1, 5, 3):
        x = np.concatenate([w["embedding/embeddings"][token] * 3**0.5, readout])
        cell = [w[f"layer_0/lstm_cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
        h, c = lstm(x, h, c, *cell)
        context = softmax(memory @ h) @ memory
        readout = np.tanh(np.concatenate([h, context]) @ w["readout/kernel"])
        expected.append(readout @ w["output/kernel"] + w["output_bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-5)


def test_bahdanau_asks_with_the_state_before():
    decoder, w = decoder_with_random_weights(
        attention={"name": "bahdanau", "units": 5}, query="previous", cell="simple_rnn"
    )
    encoded = random_source()
    memory = encoded.memory[0, :2]
    h = np.tanh(encoded.state[0] @ w["bridge_0_0/kernel"] + w["bridge_0_0/bias"])
    expected = []
    for token in (1, 5, 3):
        hidden = np.tanh(h @ w["attention/query/kernel"] + memory @ w["attention/key/kernel"])
        context = softmax(hidden @ w["attention/vector"]) @ memory
        embedded = w["embedding/embeddings"][token] * 3**0.5
        h = np.tanh(
            np.concatenate([embedded, context]) @ w["layer_0/simple_rnn_cell/kernel"]
            + h @ w["layer_0/simple_rnn_cell/recurrent_kernel"]
            + w["layer_0/simple_rnn_cell/bias"]
        )
        readout = np.tanh(np.concatenate([h, context, embedded]) @ w["readout/kernel"])
        expected.append(readout @ w["output/kernel"] + w["output_bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-5)


def test_coverage_sums_the_weights_of_the_steps_before():
    decoder, w = decoder_with_random_weights(
        attention={"name": "bahdanau", "units": 5, "coverage": True}, cell="simple_rnn"
    )
    encoded = random_source()
    memory = encoded.memory[0, :2]
    h = np.tanh(encoded.state[0] @ w["bridge_0_0/kernel"] + w["bridge_0_0/bias"])
    used, expected = np.zeros(2), []
    for token in (1, 5, 3):
        h = np.tanh(
            w["embedding/embeddings"][token] * 3**0.5 @ w["layer_0/simple_rnn_cell/kernel"]
            + h @ w["layer_0/simple_rnn_cell/recurrent_kernel"]
            + w["layer_0/simple_rnn_cell/bias"]
        )
        hidden = h @ w["attention/query/kernel"] + memory @ w["attention/key/kernel"]
        hidden = np.tanh(hidden + np.outer(used, w["attention/coverage"]) + w["attention/bias"])
        weights = softmax(hidden @ w["attention/vector"])
        used = used + weights
        readout = np.tanh(np.concatenate([h, weights @ memory]) @ w["readout/kernel"])
        expected.append(readout @ w["output/kernel"] + w["output_bias"])
    logits = ops.convert_to_numpy(decoder(np.array([[1, 5, 3]]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-5)
    memory, state = decoder.init(encoded)
    for index, token in enumerate((1, 5, 3)):
        _, state = decoder.step(np.array([token]), index, state, memory)
    np.testing.assert_allclose(ops.convert_to_numpy(state["coverage"])[0, :2], used, atol=1e-5)


def test_alignment_of_a_step_is_the_one_that_predicts_its_token():
    decoder, _ = decoder_with_random_weights(attention="luong")
    encoded = random_source()
    memory, state = decoder.init(encoded)
    assert not ops.convert_to_numpy(state["alignment"]).any()
    _, state = decoder.step(np.array([1]), 0, state, memory)
    alignment = ops.convert_to_numpy(state["alignment"])[0]
    np.testing.assert_allclose(alignment.sum(), 1, atol=1e-6)
    assert alignment[2] == 0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="lengths are static there")
@pytest.mark.parametrize("position", ["monotonic", "predictive"])
def test_a_target_of_unknown_length_is_read_in_a_loop(position):
    import tensorflow as tf

    attention = {"name": "local", "position": position, "window": 1}
    decoder, _ = decoder_with_random_weights(attention=attention, input_feeding=True)
    signature = [tf.TensorSpec((None, None), tf.int32)]
    compiled = tf.function(lambda target: decoder(target, random_source()), signature)
    target = np.array([[1, 5, 3, 2]], "int32")
    np.testing.assert_allclose(compiled(target), decoder(target, random_source()), atol=1e-5)


def test_tied_embeddings_are_the_output_matrix():
    decoder, w = decoder_with_random_weights(attention=None, tie_embeddings=True)
    readout = np.array([[0.5, -1.0, 2.0]], "float32")
    expected = readout @ w["embedding/embeddings"].T + w["output_bias"]
    np.testing.assert_allclose(ops.convert_to_numpy(decoder.logits(readout)), expected, atol=1e-6)
    assert "output/kernel" not in w


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "next"}, "query to be one of"),
        ({"bridge": "copy"}, "bridge to be one of"),
        ({"attention": None, "query": "previous"}, "needs an attention"),
        ({"attention": None, "input_feeding": True}, "needs an attention"),
        ({"attention": None, "bridge": "zero"}, "know nothing of the source"),
        ({"layers": 0}, "at least one layer"),
        ({"cell": "lstmm"}, "Did you mean 'lstm'"),
        ({"attention": "loung"}, "Did you mean 'luong'"),
        ({"attention": {"name": "bahdanau", "unit": 3}}, "Did you mean 'units'"),
        ({"attention": {"name": "bahdanau"}}, "needs units"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        RecurrentDecoder(**SIZES, **options)
