"""Log-mel features: those of transformers, of NumPy and of the layer are the same."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.log_mel import LogMelFeatures
from s2s_zoo.layers.mel import log_mel, log_power, log_powers, mel_filters

RNG = np.random.default_rng(0)


def sound(seconds, rate=16000):
    """Tones of several pitches, each with its own beginning, in noise."""
    time = np.arange(int(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * f * time) * (time > f / 9000) for f in (130, 440, 1700, 5100))
    return (0.1 * tones + 0.02 * RNG.normal(size=time.shape)).astype("float32")


@pytest.mark.parametrize("mels", [80, 128])
def test_features_are_those_of_transformers(mels):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.WhisperFeatureExtractor(feature_size=mels, chunk_length=2)
    found = mel_filters(mels, 16000, 400)
    np.testing.assert_allclose(found, theirs.mel_filters, atol=1e-9)
    for samples in (sound(2), RNG.uniform(-1, 1, 32000).astype("float32"), sound(0.7)):
        padded = np.pad(samples, (0, 32000 - len(samples)))
        exact = theirs._np_extract_fbank_features(padded[None], "cpu")[0]
        np.testing.assert_allclose(log_mel(padded, mels), exact.T, atol=1e-5)
        # With torch theirs is in float32, as our layer is.
        rounded = theirs(samples, sampling_rate=16000, return_tensors="np")["input_features"][0]
        layer = ops.convert_to_numpy(LogMelFeatures(mels)(padded[None]))[0]
        for found in (rounded.T, layer):
            np.testing.assert_allclose(found, exact.T, atol=1e-4)


def test_a_triangle_by_hand():
    """Three bands up to 1000 Hz, where the scale is linear: corners every 250 Hz."""
    filters = mel_filters(3, 2000, 16)  # frequencies every 125 Hz
    rising = np.array([0, 0.5, 1, 0.5, 0, 0, 0, 0, 0])
    expected = np.stack([np.roll(rising, 2 * i) for i in range(3)], axis=1) * 2 / 500
    np.testing.assert_allclose(filters, expected, atol=1e-12)


def test_padding_behind_a_row_changes_nothing_and_is_zero():
    layer = LogMelFeatures(20)
    short, long = sound(0.3), sound(0.5)
    batch = np.stack([np.pad(short, (0, len(long) - len(short)), constant_values=3.0), long])
    found = ops.convert_to_numpy(layer(batch, lengths=np.array([len(short), len(long)])))
    assert found.shape == (2, 50, 20)
    np.testing.assert_allclose(found[0, :30], log_mel(short, 20), atol=1e-4)
    np.testing.assert_allclose(found[1], log_mel(long, 20), atol=1e-4)
    assert (found[0, 30:] == 0).all() and (found[:, :30] != 0).any(-1).all()


def test_what_is_no_sound_is_refused():
    with pytest.raises(ValueError, match="floats from -1 to 1.*int16.*32768"):
        LogMelFeatures()(np.zeros((1, 400), "int16"))
    with pytest.raises(ValueError, match="hop to be a whole number.*hop=0"):
        LogMelFeatures(hop=0)


def test_nothing_and_silence_are_finite():
    assert log_mel(np.zeros(100)).shape == (0, 80)
    np.testing.assert_allclose(log_mel(np.zeros(1600)), -1.5)


@pytest.mark.parametrize("cuts", [[], [100, 150, 800], [200, 201, 30_000], range(0, 48_000, 700)])
@pytest.mark.parametrize("count", [130, 48_000 + 159])
def test_blocks_give_what_the_whole_gives(monkeypatch, cuts, count):
    monkeypatch.setattr("s2s_zoo.layers.mel.BLOCK", 16)
    samples = sound(4)[:count]
    found = list(log_powers(np.split(samples, [x for x in cuts if x < count]), 20))
    expected = log_power(samples, 20)
    np.testing.assert_allclose(np.concatenate([np.zeros((0, 20)), *found]), expected, atol=1e-9)
