"""Beams of a source share what is read of it, and find what they would find without."""

import keras
import numpy as np
import pytest

from s2s_zoo.generation import Generator
from s2s_zoo.layers.encoded import encoder_output
from s2s_zoo.layers.sequences import repeat_rows
from s2s_zoo.protocol import END, PAD
from tests.variants import VOCABULARY, build

EAGER = keras.backend.backend() != "jax"  # which compiles every operation of an eager call
COPIES, LENGTH = 3, 5
SOURCE = np.array([[4, 5, 6, 7, END], [8, 9, END, PAD, PAD], [10, END, PAD, PAD, PAD]], "int32")
SHARED = [
    ("bilstm", "luong-general", "lstm"),
    ("bilstm", "luong-concat", "summary"),
    ("bilstm", "bahdanau", "pointer"),
    ("bilstm", "multi-head", "previous"),
    ("bilstm", "gated", "show-attend-tell"),
    ("transformer", "none", "transformer"),
    ("transformer", "none", "transformer-pre"),
    ("transformer", "none", "ssru"),
    ("transformer", "none", "two-stream"),
]
REPEATED = [
    ("bilstm", "none", "summary"),
    ("bilstm", "bahdanau-coverage", "lstm"),
    ("bilstm", "local-m", "lstm"),
    ("transformer", "none", "prefix"),
]


def numbers(nest):
    return [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(nest)]


def size(nest):
    return sum(x.size for x in numbers(nest))


def begun(model, source):
    return model.decoder.init(encoder_output(model.encode(source)), LENGTH)


@pytest.mark.parametrize("names", SHARED + REPEATED, ids=" x ".join)
def test_a_step_of_copies_is_that_of_repeated_rows(names):
    model = build(*names)
    memory, state = begun(model, SOURCE)
    given = model.decoder.for_copies(memory, COPIES)
    repeated = repeat_rows(memory, COPIES)
    assert (size(given) < size(repeated)) == (names in SHARED)
    states = [repeat_rows(state, COPIES)] * 2
    generator = np.random.default_rng(0)
    for index in range(3):
        tokens = generator.integers(4, VOCABULARY, len(SOURCE) * COPIES).astype("int32")
        found = [
            model.decoder.step(tokens, index, state, memory)
            for state, memory in zip(states, (given, repeated), strict=True)
        ]
        for one, other in zip(*map(numbers, found), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        states = [state for _, state in found]


def test_keys_and_values_of_a_source_are_there_once():
    model = build("bilstm", "luong-general", "lstm")
    memory, _ = begun(model, SOURCE)
    given = model.decoder.for_copies(memory, COPIES)
    assert size(given) == size(memory)
    assert given["mask"].shape == (3, 1, 5)


OPTIONS = {
    "groups": {"num_beam_groups": 2},
    "coverage": {"coverage_penalty": 0.4, "return_alignments": True},
    "n-grams of the source": {"encoder_no_repeat_ngram_size": 1},
}


def search(model, source, **options):
    length = options.pop("length", LENGTH)
    limits = options.pop("max_lengths", None)
    generator = Generator(model, "beam", length, run_eagerly=EAGER, **options)
    return generator.generate(source, max_lengths=limits)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_beams_that_share_find_what_others_find(options, monkeypatch):
    model = build(*SHARED[0 if "num_beam_groups" in options else 5])
    options = {"num_beams": 4, "num_return": 2, **options}
    found = search(model, SOURCE, **options)
    monkeypatch.setattr(model.decoder, "for_copies", repeat_rows)
    expected = search(model, SOURCE, **options)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
    assert (found.alignments is None) == ("return_alignments" not in options)
    if found.alignments is not None:
        np.testing.assert_allclose(found.alignments, expected.alignments, atol=1e-5)


def test_a_generator_gives_a_step_the_memory_of_each_source_once(monkeypatch):
    model = build("bilstm", "luong-general", "lstm")
    rows = []
    step = model.decoder.step

    def watched(tokens, index, state, memory, output=None):
        rows.append((tokens.shape[0], memory["keys"].shape[0], memory["values"].shape[0]))
        return step(tokens, index, state, memory, output)

    monkeypatch.setattr(model.decoder, "step", watched)
    for strategy, options in {"beam": {"num_beams": 4}, "sample": {"num_return": 4}}.items():
        Generator(model, strategy, LENGTH, run_eagerly=EAGER, **options).generate(SOURCE)
        assert set(rows) == {(12, 3, 3)}
        rows.clear()
    Generator(model, "greedy", LENGTH, run_eagerly=EAGER).generate(SOURCE)
    assert set(rows) == {(3, 3, 3)}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow")
def test_rows_that_leave_a_batch_take_their_memory_along(monkeypatch):
    model = build("bilstm", "luong-general", "lstm")
    source = np.random.default_rng(3).integers(4, VOCABULARY, (11, 5)).astype("int32")
    source[:, -1] = END
    limits = np.array([12, 1, 2, 9, 1, 3, 4, 1, 7, 2, 5])
    options = {"num_beams": 3, "num_return": 2, "min_length": 1}
    found = Generator(model, "beam", 12, **options).generate(source, max_lengths=limits)
    monkeypatch.setattr(model.decoder, "for_copies", repeat_rows)
    expected = search(model, source, length=12, max_lengths=limits, **options)
    np.testing.assert_array_equal(found.tokens, expected.tokens)


def test_a_shortlist_is_of_the_source_of_each_beam():
    model = build("bilstm", "luong-general", "lstm")
    ids = np.arange(8, dtype="int32")
    allowed = np.ones((3, 8), bool)
    allowed[0, 4:6] = allowed[1, 6:] = allowed[2, 5:7] = False
    generator = Generator(model, "beam", LENGTH, run_eagerly=EAGER, num_beams=3, num_return=3)
    found = generator.generate(SOURCE, ids=ids, allowed=allowed)
    alone = [
        generator.generate(SOURCE[[row]], ids=ids, allowed=allowed[[row]]).tokens[0]
        for row in range(3)
    ]
    np.testing.assert_array_equal(found.tokens, alone)
    assert all(allowed[row, found.tokens[row]].all() for row in range(3))
