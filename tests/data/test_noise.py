"""Noise in training batches: the schedules by hand, what may be replaced, and the same again."""

import math

import numpy as np
import pytest

from s2s_zoo.data import TokenBatches, batches
from s2s_zoo.data.noise import schedule_of
from s2s_zoo.protocol import END, PAD, START, UNK

LINEAR = {"name": "linear", "slope": 0.01, "least": 0.2}


@pytest.mark.parametrize(
    "config, step, share",
    [
        (LINEAR, 30, 0.7),
        (LINEAR, 500, 0.2),
        ({**LINEAR, "start": 0.9}, 10, 0.8),
        ({"name": "exponential", "base": 0.9}, 2, 0.81),
        ({"name": "inverse_sigmoid", "scale": 10}, 0, 10 / 11),
        ({"name": "inverse_sigmoid", "scale": 10}, 30, 10 / (10 + math.e**3)),
        ({"name": "inverse_sigmoid", "scale": 10}, 10**9, 0.0),
    ],
)
def test_schedules_by_hand(config, step, share):
    assert schedule_of(config)(step) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"name": "linaer", "slope": 1}, "Did you mean 'linear'"),
        ({"name": "linear"}, "needs slope"),
        ({"name": "exponential", "bse": 1}, "Did you mean 'base'"),
        (0.5, "expected a dict"),
    ],
)
def test_a_bad_schedule_is_refused_by_name(config, message):
    with pytest.raises(ValueError, match=message):
        schedule_of(config)


def test_words_are_dropped_at_random_and_nothing_else(processor, pairs):
    plain = TokenBatches(processor, pairs, 128)
    noisy = TokenBatches(processor, pairs, 128, word_dropout=0.3)
    again = TokenBatches(processor, pairs, 128, word_dropout=0.3)
    dropped, words, epochs = 0, 0, []
    for _ in range(6):
        epochs.append([])
        for usual, found, same in zip(plain, noisy, again, strict=True):
            source, changed = usual[0]["source"], found[0]["source"]
            assert changed.dtype == source.dtype
            np.testing.assert_array_equal(changed, same[0]["source"])
            np.testing.assert_array_equal(usual[0]["target"], found[0]["target"])
            free = (source != PAD) & (source != END)
            assert ((changed == source) | ((changed == UNK) & free)).all()
            dropped += (changed != source).sum()
            words += (free & (source != UNK)).sum()
            epochs[-1].append(changed)
    assert 0.25 < dropped / words < 0.35
    assert any((a != b).any() for a, b in zip(*epochs[:2], strict=True) if a.shape == b.shape)
    with pytest.raises(ValueError, match="0 <= word_dropout < 1"):
        TokenBatches(processor, pairs, 128, word_dropout=1.0)


def test_less_and_less_of_the_target_is_given(processor, pairs):
    schedule = {"name": "exponential", "base": 0.97}
    made = TokenBatches(processor, pairs, 64, scheduled_sampling=schedule)
    shares = []
    for _ in range(3):
        for inputs, _, _ in made:
            assert inputs["gold"].dtype == bool and inputs["gold"][:, 0].all()
            assert (inputs["target"][:, 0] == START).all()
            shares.append(inputs["gold"][:, 1:].mean())
    expected = 0.97 ** np.arange(len(shares))
    np.testing.assert_allclose(np.mean(shares), expected.mean(), atol=0.05)
    assert shares[0] == 1.0 and shares[-1] < 0.5 + expected[-1]
    third = TokenBatches(processor, pairs, 64, scheduled_sampling=schedule, start_epoch=2)
    resumed = [inputs["gold"][:, 1:].mean() for inputs, _, _ in third]
    assert resumed == shares[-len(resumed) :]


def test_a_data_set_has_the_same_noise(processor, pairs):
    options = {"word_dropout": 0.2, "scheduled_sampling": LINEAR}
    expected = list(TokenBatches(processor, pairs, 128, **options))
    found = list(batches(processor, pairs, 128, **options))
    assert len(found) == len(expected)
    for (inputs, *_), (same, *_) in zip(found, expected, strict=True):
        assert set(inputs) == {"source", "target", "gold"}
        for key in inputs:
            np.testing.assert_array_equal(np.asarray(inputs[key]), same[key])
