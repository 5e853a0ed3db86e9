"""Few shapes, few compilations, and the options of a call."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import Generator
from s2s_zoo.generation import searcher as searching
from s2s_zoo.generation.options import PIPELINE_DEFAULTS as DEFAULTS
from s2s_zoo.generation.searcher import Searcher, pad
from s2s_zoo.protocol import END, PAD, UNK

SOURCES = [np.array(row, "int32") for row in ([5, 6, END], [7, END], [8, 9, 10, 11, END])]


@pytest.fixture
def searcher(tiny_pipeline):
    return Searcher(tiny_pipeline.model, lambda source: 2 * source + 10, 100)


@pytest.fixture
def made(monkeypatch):
    """The (max_length, run_eagerly) of every Generator that is made."""
    made = []

    class Recorded(Generator):
        def __init__(self, model, strategy, max_length, run_eagerly=False, **options):
            made.append((max_length, run_eagerly))
            super().__init__(model, strategy, max_length, run_eagerly=run_eagerly, **options)

    monkeypatch.setattr(searching, "Generator", Recorded)
    return made


@pytest.mark.parametrize("count, rows", [(1, 1), (2, 2), (3, 4), (5, 8), (64, 64)])
def test_padding_to_few_shapes(count, rows):
    padded = pad([np.array([4, END], "int32")] * (count - 1) + [np.arange(4, 13, dtype="int32")])
    assert (padded.shape, padded.dtype) == ((rows, 16), "int32")
    assert padded[count - 1].tolist() == [*range(4, 13), *[PAD] * 7]
    assert (padded[count:, 0] == END).all() and (padded[count:, 1:] == PAD).all()


def test_a_row_is_searched_as_if_it_were_alone(searcher):
    search = searcher.plan({"num_beams": 3}, DEFAULTS, return_alignments=True)
    together = searcher.run(search, SOURCES)
    for row, source in enumerate(SOURCES):
        alone = searcher.run(search, [source])
        assert alone.tokens.shape[0] == 1
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[row])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5)


def test_unk_start_and_pad_are_not_generated(searcher):
    for options in ({"num_beams": 1}, {"num_beams": 4}, {"strategy": "sample", "seed": 0}):
        tokens = searcher.run(searcher.plan(options, DEFAULTS), SOURCES * 8).tokens
        text = tokens[np.cumsum(tokens == END, axis=-1) == 0]
        assert text.min() > UNK


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others are not traced so")
def test_first_short_text_is_not_compiled(searcher, made):
    search = searcher.plan({}, DEFAULTS)
    eager = searcher.run(search, SOURCES[:1])
    compiled = searcher.run(search, SOURCES[:1])
    searcher.run(search, SOURCES[1:2])
    assert made == [(32, True), (32, False)]
    np.testing.assert_array_equal(eager.tokens, compiled.tokens)


def test_batches_and_long_texts_are_compiled_at_once(searcher, made):
    searcher.run(searcher.plan({}, DEFAULTS), SOURCES)
    long = np.append(np.full(30, 5, "int32"), np.int32(END))
    searcher.run(searcher.plan({}, DEFAULTS), [long])
    assert made == [(32, False), (100, False)]


def test_options_are_compiled_once_each(searcher, made):
    for _ in range(2):
        for beams in (1, 2):
            searcher.run(searcher.plan({"num_beams": beams}, DEFAULTS), SOURCES)
    assert len(made) == 2


def test_the_oldest_search_is_forgotten(searcher, made, monkeypatch):
    monkeypatch.setattr(searching, "KEPT", 2)
    for max_length in (3, 4, 3, 5, 3, 4):
        searcher.run(searcher.plan({"max_length": max_length}, DEFAULTS), SOURCES)
    assert [length for length, _ in made] == [3, 4, 5, 4]


@pytest.mark.parametrize(
    "options, defaults, strategy",
    [
        ({}, {}, "greedy"),
        ({}, {"num_beams": 4}, "beam"),
        ({"num_beams": 4}, {}, "beam"),
        ({"num_beams": 1}, {"num_beams": 4}, "greedy"),
        ({"num_beams": 2}, {"strategy": "sample", "temperature": 0.5}, "beam"),
        ({"strategy": "sample"}, {"num_beams": 4, "length_penalty": 0.6}, "sample"),
        ({"strategy": "greedy"}, {"num_beams": 4}, "greedy"),
        ({"top_k": 5}, {"strategy": "sample"}, "sample"),
    ],
)
def test_strategy_of_a_call(searcher, options, defaults, strategy):
    search = searcher.plan(options, {**DEFAULTS, **defaults})
    assert search.strategy == strategy
    chosen = dict(search.options)
    assert ("length_penalty" in chosen) == (strategy == "beam" and "length_penalty" in defaults)
    assert chosen["suppress_tokens"] == (UNK,)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"min_length": 100}, "min_length from 0 to max_length - 1 .*max_length=100"),
        ({"max_length": 9, "min_length": 9}, "min_length=9, max_length=9"),
        ({"num_beams": 2, "num_return": 3}, "Use num_beams=3"),
        ({"num_beams": 2, "coverage_penalty": -1}, "coverage_penalty of at least 0"),
        ({"num_beams": 20000}, "num_beams of at most 1000.*num_beams=20000"),
        ({"num_beams": 2, "length_penalty": float("nan")}, "no infinite one.*length_penalty=nan"),
        ({"strategy": "sample", "temperature": float("inf")}, "temperature=inf"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty=nan"),
        ({"max_length": (1 << 30) + 1}, "max_length of at most 1073741824"),
        ({"suppress_tokens": [-1]}, "suppress_tokens"),
        ({"suppress_tokens": [3, [4, 1000]]}, "below the vocabulary size"),
    ],
)
def test_what_a_search_would_refuse_is_refused_before(searcher, options, message):
    with pytest.raises(ValueError, match=message):
        searcher.plan(options, DEFAULTS)


def test_coverage_needs_attention():
    without = SimpleNamespace(decoder=SimpleNamespace(attention=None))
    searcher = Searcher(without, lambda length: length, 20)
    with pytest.raises(ValueError, match="needs a model with attention"):
        searcher.plan({"num_beams": 2, "coverage_penalty": 0.5}, DEFAULTS)


def test_a_text_may_have_to_be_longer_than_the_loop_of_its_source(searcher, made):
    plan = searcher.plan({"min_length": 40}, DEFAULTS)
    tokens = searcher.run(plan, SOURCES).tokens
    assert made == [(64, False)]
    assert ((tokens != PAD).sum(axis=-1)[:, 0] == 41).all()  # of their own accord 20 at most
    alone = searcher.run(plan, SOURCES[:1]).tokens
    np.testing.assert_array_equal(alone[0], tokens[0])


def test_beam_search_without_a_number_has_the_default(searcher):
    found = searcher.run(searcher.plan({"strategy": "beam", "num_return": 4}, DEFAULTS), SOURCES)
    assert found.tokens.shape[:2] == (3, 4)


def test_seed_starts_the_same_sequence_again(searcher):
    def draw(seed=None):
        search = searcher.plan({"strategy": "sample", "seed": seed}, DEFAULTS)
        return searcher.run(search, SOURCES).tokens

    first, second = draw(1), draw()
    assert (first != second).any()
    np.testing.assert_array_equal(draw(1), first)
    np.testing.assert_array_equal(draw(), second)


def test_a_seed_draws_the_same_in_any_thread_whatever_was_planned_meanwhile(searcher):
    options = {"strategy": "sample", "max_length": 4}
    plans = [searcher.plan({**options, "seed": seed}, DEFAULTS) for seed in range(8)]

    def draw(number):
        search = plans[number % 8]
        searcher.plan({**options, "seed": 100 + number}, DEFAULTS)
        return [searcher.run(search, SOURCES, turn).tokens for turn in range(2)]

    alone = [draw(number) for number in range(8)]
    assert (alone[0][0] != alone[0][1]).any()  # each batch of a call has its own numbers
    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(draw, range(32))):
            np.testing.assert_array_equal(found, alone[number % 8])


def test_a_plan_leaves_nothing_behind(searcher):
    def draw():
        return searcher.run(searcher.plan({"strategy": "sample"}, DEFAULTS), SOURCES).tokens

    def begin():
        searcher.run(searcher.plan({"strategy": "sample", "seed": 1}, DEFAULTS), SOURCES)

    begin()
    expected = draw()
    begin()
    searcher.plan({"strategy": "sample", "seed": 2}, DEFAULTS)
    np.testing.assert_array_equal(draw(), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 1},
        {"num_beams": 3, "num_return": 2, "length_penalty": 2.0},
        {"strategy": "sample", "seed": 1, "num_return": 2},
    ],
    ids=["greedy", "beam", "sample"],
)
def test_a_text_is_the_same_whatever_room_its_search_began_with(
    searcher, made, options, monkeypatch
):
    options = {**options, "min_length": 6, "max_length": 12}
    plan = searcher.plan(options, DEFAULTS, return_scores=True)
    expected = searcher.run(plan, SOURCES)
    monkeypatch.setattr(searcher, "_room", lambda rows, most: 4)
    made.clear()
    found = searcher.run(plan, SOURCES)
    assert [length for length, _ in made] == [4, 8]  # that of 12 is there
    length = min(found.tokens.shape[-1], expected.tokens.shape[-1])
    for tokens in (found.tokens, expected.tokens):
        assert (tokens[..., length:] == PAD).all()
    np.testing.assert_array_equal(found.tokens[..., :length], expected.tokens[..., :length])
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_what_may_be_written_costs_nothing(searcher, made, monkeypatch):
    """Neither time nor memory: a row of a hundred million places would take 400 MB a beam."""
    step = searcher.model.decoder.step
    likes_to_end = np.where(np.arange(searcher.model.decoder.vocabulary_size) == END, 4.0, 0.0)

    def soon_over(*arguments):
        logits, state = step(*arguments)
        return logits + ops.convert_to_tensor(likes_to_end, dtype="float32"), state

    monkeypatch.setattr(searcher.model.decoder, "step", soon_over)
    plan = searcher.plan({"num_beams": 3, "max_length": 100_000_000}, DEFAULTS)
    tokens = searcher.run(plan, SOURCES).tokens
    assert tokens.shape[-1] == 64 and (tokens == END).any(axis=-1).all()
    assert [length for length, _ in made] == [64]


@pytest.mark.parametrize(("most", "length"), [(None, 16), (12, 12), (9, 9), (300, 16)])
def test_frames_of_sound_are_padded_to_few_lengths(most, length):
    rows = [np.ones((count, 2), "float32") for count in (5, 9, 1)]
    found = pad(rows, most)
    assert found.shape == (4, length, 2)
    assert found.any(-1).sum(1).tolist() == [5, 9, 1, 0]
