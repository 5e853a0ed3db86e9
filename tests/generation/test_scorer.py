import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import Generator, Scorer, normalise
from s2s_zoo.protocol import END, PAD
from tests.generation.test_generator import SOURCE, small_model

TARGET = np.array([[4, 5, END], [6, END, PAD], [END, PAD, PAD]])


def test_by_hand():
    model = small_model()
    log_probs, lengths = Scorer(model).score(SOURCE, TARGET)
    inputs = np.array([[1, 4, 5], [1, 6, END], [1, END, PAD]])
    logits = ops.convert_to_numpy(model({"source": SOURCE, "target": inputs}))
    every = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [every[0, 0, 4] + every[0, 1, 5] + every[0, 2, END]]
    expected += [every[1, 0, 6] + every[1, 1, END], every[2, 0, END]]
    np.testing.assert_allclose(log_probs, expected, atol=1e-5)
    assert log_probs.dtype == np.float32
    assert lengths.tolist() == [3, 2, 1]


def test_padding_and_execution_change_nothing():
    model = small_model()
    log_probs, lengths = Scorer(model).score(SOURCE, TARGET)
    padded = np.pad(TARGET, [(0, 0), (0, 4)])
    for scorer in (Scorer(model), Scorer(model, run_eagerly=True)):
        again, same_lengths = scorer.score(SOURCE, padded)
        np.testing.assert_allclose(again, log_probs, atol=1e-5)
        np.testing.assert_array_equal(same_lengths, lengths)


@pytest.mark.parametrize("form", ["power", "gnmt"])
def test_scores_of_beams_are_the_normalised_scores_of_their_texts(form):
    model = small_model()
    penalty = {"length_penalty": 0.8, "length_penalty_form": form}
    result = Generator(model, "beam", 8, num_return=3, min_length=2, **penalty).generate(SOURCE)
    for place in range(3):
        log_probs, lengths = Scorer(model).score(SOURCE, result.tokens[:, place])
        scores = ops.convert_to_numpy(normalise(log_probs, lengths, **penalty))
        np.testing.assert_allclose(result.scores[:, place], scores, atol=1e-4)


@pytest.mark.parametrize("strategy", ["greedy", "sample"])
def test_scores_of_single_texts_are_those_of_the_scorer(strategy):
    model = small_model()
    result = Generator(model, strategy, 8, min_length=2).generate(SOURCE)
    log_probs, _ = Scorer(model).score(SOURCE, result.tokens[:, 0])
    np.testing.assert_allclose(result.scores[:, 0], log_probs, atol=1e-4)


def test_low_precision_models_are_scored_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_model()
    finally:
        keras.config.set_dtype_policy(policy)
    log_probs, _ = Scorer(model).score(SOURCE, TARGET)
    expected, _ = Scorer(small_model()).score(SOURCE, TARGET)
    assert log_probs.dtype == np.float32
    np.testing.assert_allclose(log_probs, expected, atol=0.1)
