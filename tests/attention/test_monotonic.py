import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import MonotonicAttention
from s2s_zoo.decoders import RecurrentDecoder
from s2s_zoo.protocol import EncoderOutput

LENGTHS = np.array([6, 4, 1, 0])
MASK = np.arange(6) < LENGTHS[:, None]
RNG = np.random.default_rng(0)
MEMORY = RNG.normal(size=(4, 6, 2)).astype("float32")
QUERIES = RNG.normal(size=(3, 4, 2)).astype("float32")


def built(**options):
    layer = MonotonicAttention({"name": "luong", "score": "dot"}, **options)
    layer.build((None, 2), (None, None, 2))
    return layer


def walk(layer, queries=QUERIES, memory=MEMORY, mask=MASK, **options):
    """The weights of every step (T, N, S), each told those of the step before."""
    before, steps = layer.initial_alignment(mask), []
    for query in queries:
        context, before = layer(query, memory, mask=mask, history=before, **options)
        steps.append(ops.convert_to_numpy(before))
        expected = np.einsum("ns,nsd->nd", steps[-1], memory)
        np.testing.assert_allclose(ops.convert_to_numpy(context), expected, atol=1e-4)
    return np.array(steps)


def probabilities(queries, bias):
    energies = np.einsum("tnd,nsd->tns", queries, MEMORY) + bias
    return energies, np.where(MASK, 1 / (1 + np.exp(-energies)), 0)


def test_expected_weights_equal_the_recurrence():
    _, p = probabilities(QUERIES, -1.0)
    found = walk(built())
    for row in range(4):
        before = np.eye(6)[0] * MASK[row]
        for step in range(3):
            arrived, weights = 0.0, []
            for s in range(6):
                going_on = 1 - p[step, row, s - 1] if s else 0.0
                arrived = going_on * arrived + before[s]
                weights.append(p[step, row, s] * arrived)
            np.testing.assert_allclose(found[step, row], weights, atol=1e-5)
            before = weights


def test_the_probability_that_walked_off_the_end_is_lost():
    sums = walk(built()).sum(axis=-1)
    assert (np.diff(np.concatenate([[(LENGTHS > 0).astype(float)], sums]), axis=0) <= 1e-6).all()
    assert sums[-1, 0] < 0.95 and sums[:, 3].max() == 0


def test_hard_weights_stop_at_the_first_position_that_says_so():
    energies, _ = probabilities(QUERIES, 0.0)
    found = walk(built(hard=True, initial_bias=0.0))
    stops = 0
    for row, length in enumerate(LENGTHS):
        place = 0
        for step in range(3):
            while place < length and energies[step, row, place] <= 0:
                place += 1
            expected = np.zeros(6)
            if place < length:
                expected[place] = 1
                stops += 1
            np.testing.assert_array_equal(found[step, row], expected)
    assert 3 < stops < 9


def test_hard_is_the_limit_of_sharp_probabilities_and_training_stays_soft():
    sharp = QUERIES * 1e4
    hard = built(hard=True, initial_bias=0.0)
    soft = walk(built(initial_bias=0.0), sharp)
    np.testing.assert_allclose(soft, walk(hard, sharp), atol=1e-5)
    np.testing.assert_allclose(walk(hard, training=True), walk(built(initial_bias=0.0)), atol=1e-6)


def test_long_sources_do_not_underflow():
    # Every position is passed with probability 1e-9, so each step stays where the last one was.
    memory = np.full((1, 200, 2), 2.25, "float32")
    weights = walk(built(), np.full((40, 1, 2), 5.0, "float32"), memory, np.full((1, 200), True))
    np.testing.assert_allclose(weights[-1, 0], np.eye(200)[0], atol=1e-5)
    # Or all but the first are passed, and mass arrives at the last.
    memory[:, :-1] = -5.0
    weights = walk(built(), np.full((1, 1, 2), 5.0, "float32"), memory, np.full((1, 200), True))
    np.testing.assert_allclose(weights[-1, 0], np.eye(200)[-1], atol=1e-5)


def test_noise_is_drawn_for_every_step_of_training_and_only_there():
    decoder = RecurrentDecoder(
        7, 3, 4, attention={"name": "monotonic", "noise": 3.0}, bridge="dense"
    )
    encoded = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), dtype="bool"), ops.ones((1, 4)))
    target = np.array([[1, 4, 5]])
    quiet, again = (ops.convert_to_numpy(decoder(target, encoded)) for _ in range(2))
    np.testing.assert_array_equal(quiet, again)
    loud, louder = (ops.convert_to_numpy(decoder(target, encoded, training=True)) for _ in range(2))
    assert abs(loud - quiet).max() > 1e-4 and abs(loud - louder).max() > 1e-4
    noise = ops.convert_to_numpy(decoder.attention.draw_noise(np.ones((50, 9)), 8))
    assert noise.shape == (50, 8, 9)
    np.testing.assert_allclose(noise.std(axis=(0, 2)), 3.0, rtol=0.2)
    assert abs(noise[:, 0] - noise[:, 1]).min() > 0
    np.testing.assert_array_equal(
        walk(built(noise=0.0)), walk(built(noise=2.0), noise=np.zeros((4, 6), "float32"))
    )


def test_bad_options_are_refused_by_name():
    with pytest.raises(ValueError, match="noise of at least 0"):
        MonotonicAttention(noise=-1.0)
    with pytest.raises(ValueError, match="alignment='sparsemax'. Leave it out"):
        MonotonicAttention({"name": "luong", "alignment": "sparsemax"})
    with pytest.raises(ValueError, match="Did you mean 'luong'"):
        MonotonicAttention("loung")
