import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders import RecurrentEncoder

SOURCE = np.array([[4, 5, 6, 2], [7, 2, 0, 0]])
SIZES = {"vocabulary_size": 9, "embedding_dim": 3, "units": 2}


def run_rnn(x, kernel, recurrent, bias):
    h, out = np.zeros(2), []
    for step in x:
        h = np.tanh(step @ kernel + h @ recurrent + bias)
        out.append(h)
    return np.array(out)


@pytest.mark.parametrize("direction", ["bidirectional", "forward", "reversed"])
def test_every_direction_equals_a_loop_over_the_real_tokens(direction):
    encoder = RecurrentEncoder(**SIZES, cell="simple_rnn", direction=direction)
    encoder.build()
    rng = np.random.default_rng(0)
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    weights = [ops.convert_to_numpy(w) for w in encoder.weights]
    memory, mask, state = (ops.convert_to_numpy(x) for x in encoder(SOURCE)[:3])
    np.testing.assert_array_equal(mask, SOURCE != 0)
    for row, length in ((0, 4), (1, 2)):
        x = weights[0][SOURCE[row, :length]] * 3**0.5
        parts, last = [], []
        cells = [weights[1:4], weights[4:7]]
        if direction in ("bidirectional", "forward"):
            parts.append(run_rnn(x, *cells[0]))
            last.append(parts[-1][-1])
        if direction in ("bidirectional", "reversed"):
            parts.append(run_rnn(x[::-1], *cells[len(parts)])[::-1])
            last.append(parts[-1][0])
        np.testing.assert_allclose(memory[row, :length], np.concatenate(parts, -1), atol=1e-6)
        np.testing.assert_allclose(state[row], np.concatenate(last), atol=1e-6)


def test_residual_adds_the_input_of_every_layer_but_the_first():
    plain = RecurrentEncoder(**SIZES, layers=2)
    residual = RecurrentEncoder(**SIZES, layers=2, residual=True)
    below = RecurrentEncoder(**SIZES)
    for encoder in (plain, residual, below):
        encoder.build()
    residual.set_weights(plain.get_weights())
    below.set_weights(plain.get_weights()[:7])
    np.testing.assert_allclose(
        ops.convert_to_numpy(residual(SOURCE).memory),
        ops.convert_to_numpy(plain(SOURCE).memory) + ops.convert_to_numpy(below(SOURCE).memory),
        atol=1e-6,
    )


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="direction to be one of"):
        RecurrentEncoder(**SIZES, direction="backward")
    with pytest.raises(ValueError, match="Did you mean 'gru'"):
        RecurrentEncoder(**SIZES, cell="grru")
    with pytest.raises(ValueError, match="at least one layer"):
        RecurrentEncoder(**SIZES, layers=0)


def test_above_a_bidirectional_bottom_everything_reads_forward():
    """GNMT: the sum begins with the third layer, where input and output have one width."""
    encoder = RecurrentEncoder(
        **SIZES, cell="simple_rnn", layers=3, direction="bidirectional_bottom", residual=True
    )
    encoder.build()
    assert [len(layers) for layers in encoder.stack] == [2, 1, 1]
    rng = np.random.default_rng(0)
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    embeddings, *weights = [ops.convert_to_numpy(w) for w in encoder.weights]
    forward, backward, second, third = (weights[3 * i : 3 * i + 3] for i in range(4))
    memory, _, state = (ops.convert_to_numpy(x) for x in encoder(SOURCE)[:3])
    for row, length in ((0, 4), (1, 2)):
        x = embeddings[SOURCE[row, :length]] * 3**0.5
        x = np.concatenate([run_rnn(x, *forward), run_rnn(x[::-1], *backward)[::-1]], axis=-1)
        x = run_rnn(x, *second)
        top = run_rnn(x, *third)
        np.testing.assert_allclose(memory[row, :length], top + x, atol=1e-5)
        np.testing.assert_allclose(state[row], top[-1], atol=1e-5)
