import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import greedy_search
from s2s_zoo.protocol import END, PAD
from tests.generation.toy import RULES, Toy, slow_greedy, texts

LENGTH = 7


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_equals_slow_search(rules):
    toy = Toy(seed=1)
    result = toy.search(greedy_search, LENGTH, **rules)
    expected = [slow_greedy(toy, row, LENGTH, **rules) for row in range(toy.rows)]
    assert result.tokens.shape == (toy.rows, 1, LENGTH)
    assert texts(result) == [[tokens] for _, tokens in expected]
    np.testing.assert_allclose(result.scores[:, 0], [score for score, _ in expected], atol=1e-4)


@pytest.mark.parametrize("rules", ["none", "all"])
def test_without_scores_the_tokens_are_the_same(rules):
    toy = Toy(seed=4)
    fast = toy.search(greedy_search, LENGTH, return_scores=False, **RULES[rules])
    assert fast.scores is None
    assert texts(fast) == texts(toy.search(greedy_search, LENGTH, **RULES[rules]))


def test_without_scores_no_softmax_is_computed(monkeypatch):
    toy = Toy()
    monkeypatch.setattr(ops, "log_softmax", None)
    toy.search(greedy_search, LENGTH, return_scores=False, min_length=2, no_repeat_ngram_size=2)


def test_padding_follows_end():
    result = Toy(rows=8, seed=1).search(greedy_search, LENGTH)
    for tokens in result.tokens[:, 0].tolist():
        end = tokens.index(END)
        assert PAD not in tokens[:end] and set(tokens[end + 1 :]) <= {PAD}


def test_rows_are_independent():
    toy = Toy(rows=3, seed=2)
    rules = {"min_length": 2, "repetition_penalty": 1.2}
    together = toy.search(greedy_search, LENGTH, **rules)
    for row in range(toy.rows):
        alone = toy.search(greedy_search, LENGTH, rows=[row], **rules)
        assert texts(alone)[0] == texts(together)[row]
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-5)


def test_alignments_are_those_of_the_predicting_step():
    toy = Toy(seed=3)
    result = toy.search(greedy_search, LENGTH, return_alignments=True)
    assert result.alignments.shape == (toy.rows, 1, LENGTH, toy.source)
    for row, [tokens] in enumerate(texts(result)):
        expected = np.zeros((LENGTH, toy.source))
        expected[: len(tokens)] = toy.follow(row, tokens[:-1])[1]
        np.testing.assert_allclose(result.alignments[row, 0], expected, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces the step only once")
def test_stops_when_every_row_has_ended():
    toy, calls = Toy(seed=1), []

    def step(tokens, index, state, memory):
        calls.append(int(index))
        return toy.step(tokens, index, state, memory)

    state, memory = toy.start()
    result = greedy_search(step, state, memory, toy.rows, 40, max_lengths=[3, 3, 3])
    longest = int(ops.max(ops.sum(ops.cast(result.tokens != PAD, "int32"), axis=-1)))
    assert calls == list(range(longest)) and longest <= 3


@pytest.mark.parametrize(("dtype", "return_scores"), [("bfloat16", True), ("float16", False)])
def test_low_precision_logits(dtype, return_scores):
    toy = Toy(seed=5)

    def step(tokens, index, state, memory):
        logits, state = toy.step(tokens, index, state, memory)
        return ops.cast(logits, dtype), state

    state, memory = toy.start()
    result = greedy_search(
        step, state, memory, toy.rows, LENGTH, return_scores=return_scores, min_length=2
    )
    for row, [tokens] in enumerate(texts(result)):
        assert tokens[-1] == END
        if return_scores:
            log_probs = toy.follow(row, tokens[:-1])[0]
            expected = sum(log_probs[i, token] for i, token in enumerate(tokens))
            assert result.scores.dtype == ops.zeros(1, "float32").dtype
            np.testing.assert_allclose(float(result.scores[row, 0]), expected, atol=0.2)


def test_alignments_of_a_decoder_without_attention():
    toy = Toy()
    _, memory = toy.start()
    with pytest.raises(ValueError, match="alignment.*Use a decoder with attention"):
        greedy_search(toy.step, {"cells": []}, memory, 3, LENGTH, return_alignments=True)
