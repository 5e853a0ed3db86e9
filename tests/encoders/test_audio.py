"""Encoders of sound: by hand, and what they say of padding and of wrong inputs."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders import PyramidalEncoder, WhisperEncoder
from s2s_zoo.layers.spec_augment import SpecAugment

RNG = np.random.default_rng(0)
SOUND = RNG.normal(size=(2, 7, 4)).astype("float32")
SOUND[1, 5:] = 0


def filled(layer):
    layer.build(layer.source_shape)
    for weight in layer.weights:
        weight.assign(0.4 * RNG.normal(size=weight.shape))
    return layer


def test_the_convolutions_of_whisper_by_hand():
    encoder = filled(WhisperEncoder(6, 4, layers=1, heads=2, hidden_dim=5, positions=None))
    seen = []
    encoder.stack.embed = lambda x, training: seen.append(ops.convert_to_numpy(x)) or x
    memory, mask, state = map(ops.convert_to_numpy, encoder(SOUND))
    assert memory.shape == (2, 4, 6) and mask.tolist() == [[True] * 4, [True] * 3 + [False]]

    def convolved(x, layer, stride):
        kernel, bias = map(ops.convert_to_numpy, layer.weights)
        x = np.pad(x, [(1, 1), (0, 0)])
        steps = range(0, len(x) - 2, stride)
        y = np.stack([np.einsum("kc,kco->o", x[i : i + 3], kernel) + bias for i in steps])
        return ops.convert_to_numpy(keras.activations.gelu(y, approximate=False))

    for row, frames in ((0, 7), (1, 5)):
        expected = convolved(convolved(SOUND[row, :frames], encoder.conv1, 1), encoder.conv2, 2)
        np.testing.assert_allclose(seen[0][row, : len(expected)], expected, atol=1e-5)
        np.testing.assert_allclose(state[row], memory[row, mask[row]].mean(0), atol=1e-5)


def test_without_a_mask_zeros_are_attended_to():
    options = {"layers": 1, "heads": 2, "hidden_dim": 5}
    encoder = filled(WhisperEncoder(6, 4, **options))
    all_real = WhisperEncoder(6, 4, **options, masked=False)
    all_real.build(None)
    all_real.set_weights(encoder.get_weights())
    (masked, _, _), (memory, mask, _) = encoder(SOUND), all_real(SOUND)
    assert ops.convert_to_numpy(mask).all()
    difference = np.abs(ops.convert_to_numpy(masked) - ops.convert_to_numpy(memory))
    assert difference[0].max() < 1e-5 < 1e-3 < difference[1, :3].max()


def test_a_pyramid_reads_pairs():
    encoder = filled(PyramidalEncoder(3, 4, layers=2))
    memory, mask, _ = map(ops.convert_to_numpy, encoder(SOUND))
    assert memory.shape == (2, 2, 6) and mask.tolist() == [[True, True], [True, True]]
    x = SOUND[:1]  # without padding Keras' own layers say the same
    for i, (forward, backward) in enumerate(encoder.stack):
        if i:
            x = np.pad(x, [(0, 0), (0, x.shape[1] % 2), (0, 0)])
            x = x.reshape(1, -1, 2 * x.shape[2])
        ahead, back = (ops.convert_to_numpy(layer(x)[0]) for layer in (forward, backward))
        x = np.concatenate([ahead, back[:, ::-1]], axis=-1)
    np.testing.assert_allclose(memory[:1], x, atol=1e-5)


def test_parts_are_hidden_in_training_alone():
    keras.utils.set_random_seed(1)
    layer = SpecAugment(1, 2, 1, 30, 0.5)
    features = RNG.normal(size=(64, 10, 6)).astype("float32") + 3
    features[:, 8:] = 0
    mask = features.any(-1)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(features, mask)), features)
    found = ops.convert_to_numpy(layer(features, mask, training=True))
    changed = found != features
    assert not changed[:, 8:].any()
    mean = features[:, :8].mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, np.where(changed, mean, features), atol=1e-4)
    times, bands = changed.all(axis=2).sum(1), changed[:, :8].all(axis=1).sum(1)
    assert set(times) == {0, 1, 2, 3, 4} and set(bands) == {0, 1, 2}


def test_a_pyramid_hides_parts_in_training():
    encoder = filled(PyramidalEncoder(3, 4, layers=1, spec_augment={"time_width": 3}))
    calm, trained = (ops.convert_to_numpy(encoder(SOUND, training=x)[0]) for x in (False, True))
    np.testing.assert_array_equal(calm, ops.convert_to_numpy(encoder(SOUND)[0]))
    assert np.abs(calm - trained).max() > 1e-3
    again = PyramidalEncoder.from_config(encoder.get_config())
    assert again.augment.time_width == 3


@pytest.mark.parametrize("encoder", [WhisperEncoder(6, 4, heads=2), PyramidalEncoder(3, 4)])
def test_what_is_no_features_is_refused(encoder):
    for wrong in (SOUND[..., :3], SOUND[0], np.zeros((2, 7, 4), "int32")):
        with pytest.raises(ValueError, match=r"features of sound \(B, T, 4\).*LogMelFeatures"):
            encoder(wrong)


def test_options_out_of_range_are_refused():
    positions = {"name": "learned", "length": 3}
    with pytest.raises(ValueError, match="at most 6 frames.*Received: 7"):
        WhisperEncoder(6, 4, layers=1, heads=2, positions=positions)(SOUND)
    with pytest.raises(ValueError, match="layers from 0 to 8.*layers=9"):
        PyramidalEncoder(3, 4, layers=9)
    with pytest.raises(ValueError, match="time_share from 0 to 1.*time_share=2"):
        SpecAugment(time_share=2)
    with pytest.raises(ValueError, match="time_mask.*Did you mean 'time_masks'"):
        PyramidalEncoder(3, 4, spec_augment={"time_mask": 2})
