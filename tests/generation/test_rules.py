import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation.rules import Rules
from s2s_zoo.protocol import END, PAD, START
from tests.generation.toy import padded

LENGTH = 6


def history(*rows):
    """Token records (N, T) as the loop keeps them: what is not written yet is END."""
    filled = [[*row, *[END] * (LENGTH - len(row))] for row in rows]
    return ops.convert_to_tensor(np.array(filled, "int32"))


def restrict(rules, index, tokens, vocabulary=8):
    scores = ops.zeros((len(tokens), vocabulary))
    return ops.convert_to_numpy(rules.restrict(scores, np.int32(index), tokens))


def banned(rules, index, *rows):
    """The tokens that get -inf in each row, apart from PAD and START, which always do."""
    scores = restrict(rules, index, history(*rows))
    assert np.all(scores[:, [PAD, START]] == -np.inf)
    assert np.all((scores == 0) | (scores == -np.inf))
    return [
        [int(i) for i in np.flatnonzero(row == -np.inf) if i not in (PAD, START)] for row in scores
    ]


def force(rules, index, tokens):
    return ops.convert_to_numpy(rules.force(np.array(tokens, "int32"), np.int32(index))).tolist()


def test_repetition_penalty_by_hand():
    log_probs = ops.full((2, 8), np.log(1 / 8), dtype="float32")
    tokens = history([4, 5, 4], [6, 6, 6])
    penalised = Rules(LENGTH, repetition_penalty=2.0).penalise(log_probs, 3, tokens)
    scores = ops.convert_to_numpy(penalised)
    # Once for each token the text has, however often; END is not there yet.
    expected = np.ones((2, 8))
    expected[0, [4, 5]] = expected[1, 6] = 2
    np.testing.assert_allclose(scores, np.log(1 / 8) * expected, rtol=1e-6)


def test_min_length_counts_the_tokens_before_end():
    rules = Rules(LENGTH, min_length=2)
    assert banned(rules, 0, [], []) == [[END], [END]]
    assert banned(rules, 1, [4], [5]) == [[END], [END]]
    assert banned(rules, 2, [4, 4], [5, 5]) == [[], []]


def test_suppress_tokens():
    assert banned(Rules(LENGTH, suppress_tokens=(7, 3)), 0, [], []) == [[3, 7], [3, 7]]


def test_suppressed_sequences_ban_their_last_token_after_the_others():
    rules = Rules(LENGTH, suppress_tokens=(7, (4, 5), (4, 6), (3, 4, 5), (6,)))
    assert banned(rules, 0, [], []) == [[6, 7], [6, 7]]
    assert banned(rules, 1, [4], [3]) == [[5, 6, 7], [6, 7]]
    assert banned(rules, 2, [3, 4], [4, 3]) == [[5, 6, 7], [6, 7]]
    only = Rules(LENGTH, suppress_tokens=((3, 4, 5),))
    assert banned(only, 1, [4], [3]) == [[], []]
    assert banned(only, 3, [4, 3, 4], [3, 4, 4]) == [[5], []]
    with pytest.raises(ValueError, match="below the vocabulary size 8"):
        banned(Rules(LENGTH, suppress_tokens=((3, 9),)), 0, [])
    with pytest.raises(ValueError, match="no empty tuple"):
        Rules(LENGTH, suppress_tokens=((),))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_no_repeat_ngram_against_sets(size):
    rng = np.random.default_rng(size)
    rules = Rules(LENGTH, no_repeat_ngram_size=size)
    for index in range(LENGTH):
        rows = rng.integers(4, 6, (20, index)).tolist()
        expected = []
        for row in rows:
            there = {tuple(row[i : i + size]) for i in range(index - size + 1)}
            context = row[index - size + 1 :] if index >= size - 1 else None
            expected.append([t for t in (4, 5) if context is not None and (*context, t) in there])
        assert banned(rules, index, *rows) == expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"min_length": 4},
        {"suppress_tokens": (4, 6, (3, 5)), "min_length": 2},
        {"no_repeat_ngram_size": 2},
        {"suppress_tokens": tuple(range(3, 14))},  # more than are left out one by one
    ],
)
@pytest.mark.parametrize("index", [0, 3])
def test_the_best_are_those_of_the_restricted_scores(options, index):
    rules = Rules(8, **options)
    scores = np.random.default_rng(index).normal(size=(5, 16)).astype("float32")
    scores[0] = np.arange(16) // 5  # ties
    scores[1, [END, PAD, START]] = 9
    tokens = history([3, 4, 3], [4, 5, 4], [3, 3, 3], [5, 6, 7], [7, 6, 7])
    allowed = ops.convert_to_numpy(rules.restrict(ops.convert_to_tensor(scores), index, tokens))
    found = rules.best(ops.convert_to_tensor(scores), index, tokens, 6)
    best, chosen, norm = map(ops.convert_to_numpy, found)
    order = np.argsort(-allowed, axis=1, kind="stable")[:, :6]
    np.testing.assert_array_equal(best, np.take_along_axis(allowed, order, axis=1))
    real = best > -np.inf
    assert real.any(axis=1).all()
    np.testing.assert_array_equal(np.take_along_axis(allowed, chosen, axis=1)[real], best[real])
    if keras.backend.backend() != "torch":  # which orders ties as it likes
        np.testing.assert_array_equal(chosen[real], order[real])
    np.testing.assert_allclose(norm[:, 0], np.log(np.exp(scores).sum(axis=1)), rtol=1e-6)


def test_an_ngram_longer_than_the_text_bans_nothing():
    assert banned(Rules(LENGTH, no_repeat_ngram_size=LENGTH + 1), 5, [4] * 5) == [[]]


def test_forced_prefixes_of_different_lengths():
    rules = Rules(LENGTH, forced_prefix=padded([[4, 5, 6], [7], []], width=3))
    assert force(rules, 0, [3, 3, 3]) == [4, 7, 3]
    assert force(rules, 1, [3, 3, 3]) == [5, 3, 3]
    assert force(rules, 2, [3, 3, 3]) == [6, 3, 3]
    assert force(rules, 3, [3, 3, 3]) == [3, 3, 3]


def test_the_last_position_is_end():
    assert force(Rules(LENGTH), 4, [3, 3]) == [3, 3]
    assert force(Rules(LENGTH), 5, [3, 3]) == [END, END]
    limited = Rules(LENGTH, max_lengths=[2, 9, 0])
    assert force(limited, 0, [3, 3, 3]) == [3, 3, END]
    assert force(limited, 1, [3, 3, 3]) == [END, 3, END]
    assert force(limited, 5, [3, 3, 3]) == [END, END, END]


def test_the_last_position_wins_over_the_prefix():
    rules = Rules(2, forced_prefix=[[4, 5, 6]])
    assert [force(rules, index, [3]) for index in (0, 1)] == [[4], [END]]


@pytest.mark.parametrize("size", [1, 2, 3, 12])
def test_no_ngram_of_the_source_against_sets(size):
    rng = np.random.default_rng(size)
    source = np.concatenate([rng.integers(3, 8, (4, 9)), [[END]] * 4, [[PAD]] * 4], axis=1)
    rules = Rules(LENGTH, encoder_no_repeat_ngram_size=size, source=source)
    rows = rng.integers(3, 8, (4, LENGTH)).tolist()
    for index in range(LENGTH - 1):
        expected = []
        for row, text in zip(rows, source[:, :-1].tolist(), strict=True):
            ngrams = {tuple(text[i : i + size]) for i in range(len(text) - size + 1)}
            recent = tuple(row[max(0, index - size + 1) : index])
            banned_here = {ngram[-1] for ngram in ngrams if ngram[:-1] == recent}
            expected.append(sorted(banned_here if index >= size - 1 else ()))
        assert banned(rules, index, *(row[:index] for row in rows)) == expected
    twice = Rules(LENGTH, 2, encoder_no_repeat_ngram_size=size, source=source)
    np.testing.assert_array_equal(twice.rows["source"], np.repeat(source, 2, axis=0))


def test_the_rule_about_the_source_needs_one():
    with pytest.raises(ValueError, match="a source of ids .B, S. for encoder_no_repeat_ngram"):
        Rules(LENGTH, encoder_no_repeat_ngram_size=2)


def test_rows_are_repeated_for_beams():
    rules = Rules(LENGTH, 2, max_lengths=[1, 4], forced_prefix=[[4], [5]])
    assert force(rules, 0, [3, 3, 3, 3]) == [END, END, 5, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_length": LENGTH}, "min_length from 0 to max_length - 1"),
        ({"min_length": -1}, "min_length from 0"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size of at least 0"),
        ({"repetition_penalty": 0.0}, "repetition_penalty above 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Rules(LENGTH, **options)


def test_refuses_what_is_not_in_the_vocabulary():
    with pytest.raises(ValueError, match="vocabulary size 8"):
        restrict(Rules(LENGTH, suppress_tokens=(8,)), 0, history([]))
    with pytest.raises(ValueError, match="max_length of at least 1"):
        Rules(0)
