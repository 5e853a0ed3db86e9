import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo import Seq2Seq
from s2s_zoo.decoders import ConvDecoder
from s2s_zoo.protocol import ConvEncoderOutput, EncoderOutput
from tests.decoders.random_weights import built
from tests.decoders.test_recurrent import sigmoid, softmax

SIZES = {"vocabulary_size": 7, "embedding_dim": 4, "units": 3}
HALF = 0.5**0.5


def test_equals_the_equations_position_by_position():
    decoder = ConvDecoder(**SIZES, layers=2, kernel_size=3)
    rng = np.random.default_rng(5)
    w = built(decoder, rng)

    def dense(x, name):
        return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    z, e = rng.normal(size=(2, 1, 3, 4)).astype("float32")
    mask = np.array([[True, True, False]])
    encoded = ConvEncoderOutput(
        z, mask, rng.normal(size=(1, 4)).astype("float32"), np.zeros((1, 3), "int32"), e
    )
    tokens = (1, 5, 3, 6)
    g = [w["embedding/embeddings"][y] + w["positions/embeddings"][t] for t, y in enumerate(tokens)]
    h, alignments = [dense(x, "enter") for x in g], []
    for layer in range(2):
        h = [np.zeros(3), np.zeros(3), *h]
        out = []
        for t in range(4):
            y = sum(h[t + j] @ w[f"layer_{layer}/convolution/kernel"][j] for j in range(3))
            y = y + w[f"layer_{layer}/convolution/bias"]
            u = y[:3] * sigmoid(y[3:])
            d = (dense(u, f"query_{layer}") + g[t]) * HALF
            a = softmax(z[0, :2] @ d)
            c = 2**0.5 * (a @ (z[0, :2] + e[0, :2])) * HALF
            out.append(((u + dense(c, f"context_{layer}")) * HALF + h[t + 2]) * HALF)
            alignments.append(a)
        h = out
    expected = [dense(dense(x, "leave"), "output") for x in h]
    logits = ops.convert_to_numpy(decoder(np.array([tokens]), encoded))
    np.testing.assert_allclose(logits[0], expected, atol=1e-4)

    memory, state = decoder.init(encoded)
    for t, token in enumerate(tokens):
        logits, state = decoder.step(np.array([token]), t, state, memory)
        np.testing.assert_allclose(ops.convert_to_numpy(logits)[0], expected[t], atol=1e-4)
        mean = (alignments[t] + alignments[4 + t]) / 2
        alignment = ops.convert_to_numpy(state["alignment"])[0]
        np.testing.assert_allclose(alignment, [*mean, 0], atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="asks TensorFlow for gradients")
def test_the_gradient_of_the_memory_is_divided_by_the_number_of_attentions():
    import tensorflow as tf

    decoder = ConvDecoder(**SIZES, layers=3)
    decoder.build((None, None), EncoderOutput((None, None, 4), (None, None), (None, 4)))
    memory = tf.random.stateless_normal((1, 3, 4), (1, 2))
    mask, target = tf.ones((1, 3), tf.bool), np.array([[1, 5, 3]])

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(memory)
        encoded = EncoderOutput(memory, mask, memory[:, 0])
        loss = tf.reduce_sum(decoder(target, encoded) ** 2)
        fixed, state = decoder.init(encoded)
        whole = 0.0
        for t in range(3):
            logits, state = decoder.step(target[:, t], t, state, fixed)
            whole += tf.reduce_sum(logits**2)
    np.testing.assert_allclose(loss, whole, rtol=1e-5)
    ours, plain = tape.gradient(loss, memory), tape.gradient(whole, memory)
    np.testing.assert_allclose(ours * 3, plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 1}, "kernel_size >= 2"),
        ({"layers": 0}, "at least one layer"),
        ({"dropout": -0.1}, "dropout=-0.1"),
        ({"positions": "sinusodial"}, "Did you mean 'sinusoidal'"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ConvDecoder(**SIZES, **options)


def test_a_memory_of_another_width_is_refused():
    encoder = {"name": "recurrent", "vocabulary_size": 7, "embedding_dim": 4, "units": 3}
    with pytest.raises(ValueError, match="memory width 6. Use embedding_dim=6"):
        Seq2Seq(encoder, {"name": "conv", **SIZES})
