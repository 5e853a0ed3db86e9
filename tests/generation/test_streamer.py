"""Token by token: what is written is what greedy search writes."""

import keras
import numpy as np
import pytest

from s2s_zoo.generation import Generator, Streamer, greedy_search
from s2s_zoo.protocol import END, PAD
from tests.generation.test_generator import SOURCE, ToyModel, small_model, sources
from tests.generation.toy import RULES, Toy, texts

LENGTH = 7


def split(rules):
    """The rules of a whole call, and those of each row."""
    rules = dict(rules)
    return rules, {k: rules.pop(k) for k in ("max_lengths", "forced_prefix") if k in rules}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_the_last_result_is_that_of_greedy_search(rules):
    toy = Toy(seed=1)
    expected = toy.search(greedy_search, LENGTH, return_alignments=True, **rules)
    shared, per_row = split(rules)
    streamer = Streamer(ToyModel(toy), LENGTH, return_alignments=True, **shared)
    *_, last = streamer.stream(sources(0, 1, 2), **per_row)
    assert texts(last) == texts(expected)
    steps = last.tokens.shape[2]
    assert steps == max(len(text) for [text] in texts(expected))
    np.testing.assert_allclose(last.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(last.alignments, expected.alignments[:, :, :steps], atol=1e-5)


@pytest.mark.parametrize("eager", [False, True])
def test_every_result_is_the_beginning_of_the_last(eager):
    streamer = Streamer(
        ToyModel(Toy(seed=3)), LENGTH, run_eagerly=eager, return_alignments=True, min_length=4
    )
    results = list(streamer.stream(sources(0, 1, 2)))
    last = results[-1]
    assert len(results) == last.tokens.shape[2] >= 5
    for number, result in enumerate(results, 1):
        assert all(isinstance(array, np.ndarray) for array in result[:3])
        np.testing.assert_array_equal(result.tokens, last.tokens[:, :, :number])
        np.testing.assert_allclose(result.alignments, last.alignments[:, :, :number])
    scores = np.array([result.scores for result in results])
    assert (np.diff(scores, axis=0) <= 0).all() and (scores[-1] == last.scores).all()
    for row in last.tokens[:, 0].tolist():
        assert END in row and set(row[row.index(END) + 1 :]) <= {PAD}


def test_without_scores_and_alignments():
    [*_, last] = Streamer(ToyModel(Toy(seed=2)), LENGTH, return_scores=False).stream(sources(1))
    assert last.scores is None and last.alignments is None


def test_a_token_is_given_before_the_next_is_asked_for(monkeypatch):
    toy, calls = Toy(seed=3), []
    step = toy.step

    def counted(tokens, index, state, memory):
        calls.append(1)
        return step(tokens, index, state, memory)

    monkeypatch.setattr(toy, "step", counted)
    found = Streamer(ToyModel(toy), LENGTH, run_eagerly=True, min_length=4).stream(sources(0))
    assert not calls
    for number in (1, 2, 3):
        next(found)
        assert len(calls) == number
    found.close()
    assert len(calls) == 3


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch runs eagerly")
def test_a_step_is_compiled_once_for_a_shape():
    toy, traces = Toy(seed=3), []
    model = ToyModel(toy)
    step = model.decoder.step

    def counted(*arguments):
        traces.append(1)
        return step(*arguments)

    model.decoder.step = counted
    streamer = Streamer(model, LENGTH, min_length=5)
    for rows in ((0, 1), (2, 0)):
        list(streamer.stream(sources(*rows)))
    assert len(traces) == 1


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_of_a_model_in_any_precision(dtype):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = small_model()
    finally:
        keras.config.set_dtype_policy(before)
    expected = Generator(model, "greedy", 12, return_alignments=True).generate(SOURCE)
    *_, last = Streamer(model, 12, return_alignments=True).stream(SOURCE)
    assert texts(last) == texts(expected)
    close = {"atol": 1e-5 if dtype == "float32" else 2e-2}
    np.testing.assert_allclose(last.scores, expected.scores, **close)
    assert last.scores.dtype == last.alignments.dtype == "float32"


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'min_length'"):
        Streamer(ToyModel(Toy()), LENGTH, min_lenght=2)
    with pytest.raises(ValueError, match="num_beams"):
        Streamer(ToyModel(Toy()), LENGTH, num_beams=2)
