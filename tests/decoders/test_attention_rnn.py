"""Any cell and any attention: equal to the core of the recurrent decoder."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo import AttentionRNN, BahdanauAttention, RecurrentDecoder
from s2s_zoo.protocol import EncoderOutput

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(2, 4, 5)).astype("float32")
MEMORY = RNG.normal(size=(2, 6, 3)).astype("float32")
MASK = np.arange(6) < np.array([[6], [2]])
CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "simple_rnn": keras.layers.SimpleRNNCell,
}


def numbers(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("query", ["current", "previous"])
@pytest.mark.parametrize("feeding", [False, True])
@pytest.mark.parametrize("cell", list(CELLS))
def test_equals_the_core_of_the_recurrent_decoder(cell, feeding, query):
    options = {"query": query, "input_feeding": feeding}
    attention = {"name": "bahdanau", "units": 5}
    decoder = RecurrentDecoder(9, 5, 4, attention, cell=cell, layers=2, bridge="zero", **options)
    target = np.array([[1, 4, 5, 6], [1, 7, 8, 3]])
    logits = decoder(target, MEMORY, mask=MASK)
    for weight in decoder.weights:
        weight.assign(RNG.normal(size=weight.shape))
    expected = numbers(decoder(target, MEMORY, mask=MASK))

    rnn = AttentionRNN([CELLS[cell](4), CELLS[cell](4)], attention, **options)
    inputs = decoder.embedding(target)
    rnn(inputs, MEMORY, mask=MASK)
    for ours, theirs in zip(rnn.cells, decoder.stack, strict=True):
        ours.set_weights(theirs.cell.get_weights())
    rnn.attention.set_weights(decoder.attention.get_weights())
    rnn.readout.set_weights(decoder.readout.get_weights())
    outputs, weights = rnn(inputs, MEMORY, mask=MASK)
    logits = numbers(decoder.logits(outputs))
    np.testing.assert_allclose(logits, expected, atol=1e-4)

    held, state = rnn.init(*map(ops.convert_to_tensor, (MEMORY, MASK)))
    for index in range(4):
        output, state = rnn.step(inputs[:, index], index, state, held)
        np.testing.assert_allclose(numbers(output), numbers(outputs)[:, index], atol=1e-5)
        found = numbers(state["alignment"])
        np.testing.assert_allclose(found, numbers(weights)[:, index], atol=1e-5)


class Plain(keras.layers.Layer):
    """A cell as Keras' guide writes one."""

    state_size = 4

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

    def call(self, inputs, states):
        h = ops.tanh(ops.matmul(inputs, self.kernel) + states[0])
        return h, [h]


@pytest.mark.parametrize("attention", ["luong", "monotonic", "gated"])
@pytest.mark.parametrize("cell", [Plain, lambda: keras.layers.LSTMCell(4)])
def test_any_cell_and_any_attention(cell, attention):
    rnn = AttentionRNN(cell(), attention, units=7)
    outputs, weights = rnn(INPUTS, MEMORY, mask=MASK)
    assert outputs.shape == (2, 4, 7) and weights.shape == (2, 4, 6)
    assert not numbers(weights)[1, :, 2:].any()
    # The same memory with its mask, as an encoder gives it; a state of its own.
    encoded = EncoderOutput(MEMORY, MASK, MEMORY[:, 0])
    np.testing.assert_array_equal(numbers(rnn(INPUTS, encoded)[0]), numbers(outputs))
    state = [np.ones((2, 4), "float32")] * len(keras.tree.flatten(rnn.cells[0].state_size))
    other = numbers(rnn(INPUTS, MEMORY, mask=MASK, initial_state=state)[0])
    assert (other != numbers(outputs)).any()


@pytest.mark.parametrize("feeding", [False, True])
def test_a_cell_with_dropout_trains_compiled(feeding):
    cells = [keras.layers.LSTMCell(4, dropout=0.3), keras.layers.GRUCell(4, recurrent_dropout=0.3)]
    inputs, memory = keras.Input((4, 5)), keras.Input((6, 3))
    rnn = AttentionRNN(cells, BahdanauAttention(3), input_feeding=feeding)
    model = keras.Model([inputs, memory], rnn(inputs, memory)[0])
    model.compile("sgd", "mse")
    before = [numbers(x) for x in model.trainable_weights]
    model.train_on_batch([INPUTS, MEMORY], np.ones((2, 4, 4), "float32"))
    changed = [
        (numbers(x) != y).any() for x, y in zip(model.trainable_weights, before, strict=True)
    ]
    assert all(changed)
    again = numbers(model([INPUTS, MEMORY]))
    np.testing.assert_array_equal(numbers(model([INPUTS, MEMORY])), again)  # none outside training


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (keras.layers.LSTM(4, return_sequences=True), "LSTM, which runs a cell.*LSTMCell"),
        (keras.layers.Dense(4), "Dense, which has no state_size"),
        ([], "at least one cell"),
    ],
)
def test_what_is_no_cell_is_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        AttentionRNN(cell)


def test_states_of_another_width_are_refused():
    rnn = AttentionRNN([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)], "luong")
    with pytest.raises(ValueError, match=r"widths \[4, 4, 3\].*Received: \[4, 4\]"):
        rnn(INPUTS, MEMORY, initial_state=[np.ones((2, 4), "float32")] * 2)
    with pytest.raises(ValueError, match="attention=None"):
        AttentionRNN(keras.layers.LSTMCell(4), None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rnn: rnn(INPUTS), "a memory.*Received: inputs. A list"),
        (lambda rnn: rnn([INPUTS, MEMORY]), "Received: inputs. A list"),
        (lambda rnn: rnn(INPUTS[..., 0], MEMORY), r"inputs \(B, T, E\).*inputs \(2, 4\)"),
        (lambda rnn: rnn(INPUTS[..., :2], MEMORY), r"width 5, as.*inputs \(2, 4, 2\)"),
        (lambda rnn: rnn(INPUTS, MEMORY[:1]), r"one batch size.*memory \(1, 6, 3\).*repeat"),
        (
            lambda rnn: rnn(INPUTS, MEMORY, initial_state=np.ones((3, 4), "float32")),
            r"one batch size.*states \[\(3, 4\)\]",
        ),
        (lambda rnn: rnn(INPUTS, MEMORY[:, 0]), r"memory of floats.*float32 \(2, 3\)"),
    ],
)
def test_what_it_cannot_run_over_is_named(call, message):
    rnn = AttentionRNN(keras.layers.GRUCell(4), "luong")
    rnn(INPUTS, MEMORY)
    with pytest.raises(ValueError, match=message):
        call(rnn)
