import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders import ConvEncoder

SOURCE = np.array([[4, 5, 6, 2], [7, 2, 0, 0]], "int32")
SIZES = {"vocabulary_size": 9, "embedding_dim": 4, "units": 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_equals_a_loop_over_the_windows_of_the_real_tokens():
    encoder = ConvEncoder(**SIZES, layers=2, kernel_size=3)
    encoder.build()
    rng = np.random.default_rng(0)
    w = {}
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
        w["/".join(weight.path.split("/")[1:])] = ops.convert_to_numpy(weight)
    memory, mask, state, _, embedded = map(ops.convert_to_numpy, encoder(SOURCE))
    np.testing.assert_array_equal(mask, SOURCE != 0)
    for row, length in ((0, 4), (1, 2)):
        e = w["embedding/embeddings"][SOURCE[row, :length]]
        e = e + w["positions/embeddings"][:length]
        x = e @ w["enter/kernel"] + w["enter/bias"]
        for layer in ("layer_0/convolution", "layer_1/convolution"):
            around = np.concatenate([np.zeros((1, 3)), x, np.zeros((1, 3))])
            out = np.zeros_like(x)
            for s in range(length):
                y = sum(around[s + j] @ w[f"{layer}/kernel"][j] for j in range(3))
                y = y + w[f"{layer}/bias"]
                out[s] = (y[:3] * sigmoid(y[3:]) + x[s]) * 0.5**0.5
            x = out
        z = x @ w["leave/kernel"] + w["leave/bias"]
        np.testing.assert_allclose(memory[row, :length], z, atol=1e-4)
        np.testing.assert_allclose(embedded[row, :length], e, atol=1e-5)
        np.testing.assert_allclose(state[row], ((z + e) * 0.5**0.5).mean(0), atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_first_weights_keep_the_variance_of_the_stack(dropout):
    """Section 3.5: gates shrink the signal, dropout widens it, the weights allow for both."""
    keras.utils.set_random_seed(0)
    encoder = ConvEncoder(40, 64, 64, layers=6, dropout=dropout)
    encoder.build()
    source = np.random.default_rng(0).integers(4, 40, (20, 30))
    variance = ops.convert_to_numpy(encoder(source, training=True).memory).var()
    assert 0.5 < variance * 64 < 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 4}, "odd kernel_size"),
        ({"layers": 0}, "at least one layer"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"positions": "learnt"}, "Did you mean 'learned'"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ConvEncoder(**SIZES, **options)
