"""Scheduled sampling: what the decoder reads is what a loop of full passes writes."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.protocol import END, PAD
from s2s_zoo.training.losses import SmoothedCrossEntropy
from s2s_zoo.training.scheduled_sampling import with_own_words
from tests.variants import build

SOURCE = np.array([[5, 4, 6, END], [7, END, PAD, PAD]])
TARGET = np.array([[1, 4, 5, 6, 7], [1, 8, 4, PAD, PAD]])
GOLD = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], bool)
DECODERS = [
    ("luong-general", "lstm"),
    ("bahdanau", "previous"),
    ("multi-head", "transformer"),
    ("multi-head", "ssru"),
    ("multi-head", "conv"),
    ("luong-general", "gnmt"),
    ("luong-general", "conditional-gru"),
]


def model_of(attention, decoder):
    keras.utils.set_random_seed(5)
    model = build("conv" if decoder == "conv" else "bilstm", attention, decoder)
    for weight in model.weights:
        weight.assign(ops.convert_to_numpy(weight) * 2)
    return model


@pytest.mark.parametrize("attention, decoder", DECODERS)
def test_what_is_not_given_is_the_likeliest_after_what_was_read(attention, decoder):
    model = model_of(attention, decoder)
    encoded = model.encode(SOURCE)
    found = ops.convert_to_numpy(with_own_words(model.decoder, TARGET, GOLD, encoded))
    expected = TARGET.copy()
    for t in range(1, TARGET.shape[1]):
        guess = ops.convert_to_numpy(model.decoder(expected, encoded))[:, t - 1].argmax(-1)
        expected[:, t] = np.where(GOLD[:, t] | (TARGET[:, t] == PAD), TARGET[:, t], guess)
    np.testing.assert_array_equal(found, expected)
    assert (found != TARGET).any()
    given = with_own_words(model.decoder, TARGET, np.ones_like(GOLD), encoded)
    np.testing.assert_array_equal(ops.convert_to_numpy(given), TARGET)


def test_only_training_reads_its_own_words():
    model = model_of("luong-general", "lstm")
    inputs = {"source": SOURCE, "target": TARGET}
    plain = ops.convert_to_numpy(model(inputs))
    mixed = {**inputs, "gold": GOLD}
    np.testing.assert_array_equal(ops.convert_to_numpy(model(mixed)), plain)
    read = with_own_words(model.decoder, TARGET, GOLD, model.encode(SOURCE))
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(mixed, training=True)),
        ops.convert_to_numpy(model({**inputs, "target": read}, training=True)),
        atol=1e-5,
    )


def test_fit():
    model = model_of("luong-general", "lstm")
    model.compile(keras.optimizers.Adam(0.02), SmoothedCrossEntropy())
    labels = np.array([[4, 5, 6, 7, END], [8, 4, END, PAD, PAD]])
    inputs = {"source": SOURCE, "target": TARGET, "gold": GOLD}
    weights = (labels != PAD).astype("float32")
    losses = model.fit(inputs, labels, sample_weight=weights, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
