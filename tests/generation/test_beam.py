import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import beam_search, greedy_search
from s2s_zoo.protocol import END, PAD, START
from tests.generation.toy import (
    PENALTIES,
    RULES,
    Toy,
    every_text,
    library_names,
    padded,
    slow_beam,
    slow_diverse,
    slow_greedy,
    texts,
)

LENGTH = 7


def assert_same(toy, result, search, *args, **kwargs):
    """Every row of the result is the beginning of what the slow search finds for it."""
    num_return = result.scores.shape[1]
    for row in range(toy.rows):
        expected = search(toy, row, *args, **kwargs)[:num_return]
        found, scores = texts(result)[row], result.scores[row]
        assert found[: len(expected)] == [tokens for _, tokens in expected]
        np.testing.assert_allclose(
            scores[: len(expected)], [score for score, _ in expected], atol=1e-4
        )
        assert np.all(scores[len(expected) :] == -np.inf)
        assert not any(found[len(expected) :])


def ids(values):
    return ["-".join(map(str, value.values())) for value in values]


@pytest.mark.parametrize("penalties", PENALTIES, ids=ids(PENALTIES))
def test_exhaustive_beams_find_every_text_in_order(penalties):
    toy, length = Toy(rows=2, seed=1), 4
    result = toy.search(
        beam_search, length, num_beams=90, num_return=60, **library_names(penalties)
    )
    assert_same(toy, result, every_text, length, penalties)


SMALL_RULES = {
    "min_length": {"min_length": 2},
    "suppress": {"suppress_tokens": (4,)},
    "max_lengths": {"max_lengths": np.array([2, 4])},
    "prefix": {"forced_prefix": np.array([[3, 3], [5, 0]])},
    "bigrams": {"no_repeat_ngram_size": 2},
    "repetition": {"repetition_penalty": 1.5},
}


@pytest.mark.parametrize("rules", SMALL_RULES.values(), ids=SMALL_RULES)
def test_exhaustive_beams_under_rules(rules):
    toy, length = Toy(rows=2, seed=2), 4
    result = toy.search(beam_search, length, num_beams=90, num_return=60, **rules)
    assert_same(toy, result, every_text, length, **rules)


@pytest.mark.parametrize("penalties", PENALTIES, ids=ids(PENALTIES))
def test_narrow_beams_equal_the_slow_search_run_to_its_end(penalties):
    # The slow search never stops early, so this also shows that stopping changes nothing.
    toy = Toy(rows=12, seed=3)
    options = {"num_beams": 3, "num_return": 2, **library_names(penalties)}
    assert_same(toy, toy.search(beam_search, LENGTH, **options), slow_beam, LENGTH, 3, penalties)


@pytest.mark.parametrize("num_beams", [2, 4, 7])
def test_beams_of_other_widths(num_beams):
    toy = Toy(rows=12, seed=4)
    result = toy.search(beam_search, LENGTH, num_beams=num_beams)
    assert_same(toy, result, slow_beam, LENGTH, num_beams)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_narrow_beams_under_rules(rules):
    toy = Toy(seed=6)
    result = toy.search(beam_search, LENGTH, num_beams=3, num_return=3, **rules)
    assert_same(toy, result, slow_beam, LENGTH, 3, **rules)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 1.5), (1.0, 0.2), (-0.5, 0.2)])
def test_coverage_penalty(alpha, beta):
    toy, penalties = Toy(rows=8, seed=1), {"alpha": alpha, "beta": beta}
    options = {"num_beams": 3, "num_return": 2, **library_names(penalties)}
    assert_same(toy, toy.search(beam_search, LENGTH, **options), slow_beam, LENGTH, 3, penalties)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_one_beam_is_greedy_search(rules):
    toy = Toy(seed=1)  # of which greedy search writes what the slow one does, see test_greedy.py
    beam = toy.search(beam_search, LENGTH, num_beams=1, length_penalty=0.0, **rules)
    greedy = [slow_greedy(toy, row, LENGTH, **rules) for row in range(toy.rows)]
    assert texts(beam) == [[tokens] for _, tokens in greedy]
    np.testing.assert_allclose(beam.scores[:, 0], [score for score, _ in greedy], atol=1e-5)


def test_one_beam_ignores_the_length_penalty():
    toy = Toy(rows=8, seed=3)
    beam = toy.search(beam_search, LENGTH, num_beams=1, length_penalty=2.0)
    assert texts(beam) == texts(toy.search(greedy_search, LENGTH))


def chain(probs):
    """A step whose next token depends on the last one only, by a table (V, V)."""

    def step(tokens, index, state, memory):
        return ops.log(ops.take(np.array(probs, "float32"), tokens, axis=0)), state

    return step, {"count": ops.zeros((1, 1))}, {}, 1


def test_a_finished_hypothesis_is_never_extended():
    """P("a END") = 0.54 and P("b b b ...") = 0.40 from one first step: the answer is "a"."""
    a, b = 4, 5
    probs = np.full((6, 6), 1e-9)
    probs[START, [a, b]] = 0.6, 0.4
    probs[a, [END, b]] = 0.9, 0.1
    probs[b, b] = 1.0
    for alpha, log_prob in ((0.0, np.log(0.54)), (0.2, np.log(0.54) / 2**0.2)):
        result = beam_search(*chain(probs), 6, num_beams=2, length_penalty=alpha)
        assert texts(result) == [[[a, END]]]
        np.testing.assert_allclose(float(result.scores[0, 0]), log_prob, atol=1e-4)


@pytest.mark.parametrize("form", ["power", "gnmt"])
def test_a_negative_length_penalty_does_not_stop_too_soon(form):
    """log P("END") = log 0.3; "a END" has log 0.7, which is better even as a longer text."""
    probs = np.full((6, 6), 1e-9)
    probs[START, [END, 4]] = 0.3, 0.7
    probs[4, END] = 1.0
    options = {"length_penalty": -1.0, "length_penalty_form": form}
    result = beam_search(*chain(probs), 60, num_beams=2, **options)
    assert texts(result) == [[[4, END]]]


def test_an_end_outside_the_best_beams_is_dropped():
    """Of "a", "b" and END with 0.5, 0.3 and 0.2 two beams keep the first two."""
    probs = np.full((6, 6), 1e-9)
    probs[START, [4, 5, END]] = 0.5, 0.3, 0.2
    probs[4, 4] = probs[5, 5] = 1.0
    result = beam_search(*chain(probs), 3, num_beams=2, num_return=2, length_penalty=0.0)
    assert texts(result) == [[[4, 4, END], [5, 5, END]]]


def test_padding_follows_end():
    result = Toy(rows=8, seed=1).search(beam_search, LENGTH, num_beams=4, num_return=4)
    for tokens in result.tokens.reshape(-1, LENGTH).tolist():
        end = tokens.index(END)
        assert PAD not in tokens[:end] and set(tokens[end + 1 :]) <= {PAD}


def test_rows_are_independent():
    toy = Toy(rows=6, seed=2)
    options = {"num_beams": 3, "num_return": 2, "coverage_penalty": 0.4}
    options["no_repeat_ngram_size"] = 2
    limits = np.array([LENGTH, 2, 5, LENGTH, 3, 1])
    together = toy.search(beam_search, LENGTH, max_lengths=limits, **options)
    order = [3, 5, 0, 4, 1, 2]
    moved = toy.search(beam_search, LENGTH, rows=order, max_lengths=limits[order], **options)
    assert texts(moved) == [texts(together)[row] for row in order]
    for row in (0, 2, 4):
        alone = toy.search(beam_search, LENGTH, rows=[row], max_lengths=limits[[row]], **options)
        assert texts(alone)[0] == texts(together)[row]
        np.testing.assert_allclose(alone.scores[0], together.scores[row], atol=1e-5)


def test_a_limit_equals_a_shorter_max_length():
    toy = Toy(seed=8)
    limited = toy.search(beam_search, LENGTH, max_lengths=[3, 3, 3])
    short = toy.search(beam_search, 3)
    assert texts(limited) == texts(short)
    np.testing.assert_allclose(limited.scores, short.scores, atol=1e-6)


def test_alignments_follow_the_beams():
    toy = Toy(rows=6, seed=2)
    result = toy.search(beam_search, LENGTH, num_beams=4, num_return=3, return_alignments=True)
    assert result.alignments.shape == (toy.rows, 3, LENGTH, toy.source)
    for row, hypotheses in enumerate(texts(result)):
        for found, tokens in zip(result.alignments[row], hypotheses, strict=True):
            expected = np.zeros((LENGTH, toy.source))
            expected[: len(tokens)] = toy.follow(row, tokens[:-1])[1]
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_alignments_do_not_change_the_answer():
    toy = Toy(seed=5)
    plain = toy.search(beam_search, LENGTH, num_return=2)
    aligned = toy.search(beam_search, LENGTH, num_return=2, return_alignments=True)
    np.testing.assert_array_equal(plain.tokens, aligned.tokens)
    assert plain.alignments is None


def test_num_return_takes_the_best():
    toy = Toy(seed=9)
    three = toy.search(beam_search, LENGTH, num_beams=5, num_return=3)
    one = toy.search(beam_search, LENGTH, num_beams=5, num_return=1)
    np.testing.assert_array_equal(one.tokens, three.tokens[:, :1])
    assert np.all(np.diff(three.scores, axis=1) <= 0)


def test_fewer_hypotheses_than_asked_for():
    prefix = padded([[4, 5, END]] * 3)
    result = Toy().search(beam_search, 4, num_beams=3, num_return=3, forced_prefix=prefix)
    assert texts(result) == [[[4, 5, END], [], []]] * 3
    assert np.all(result.scores[:, 1:] == -np.inf) and np.all(result.scores[:, 0] > -np.inf)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces the step only once")
def test_stops_as_soon_as_no_live_beam_can_win():
    # "a" is certain, so after two steps nothing can beat it although 30 more are allowed.
    def step(tokens, index, state, memory):
        steps.append(0)
        likely = ops.where(index == 0, ops.one_hot(4, 6), ops.one_hot(END, 6))
        return 50 * ops.ones((ops.shape(tokens)[0], 1)) * likely, state

    steps = []
    result = beam_search(step, {"x": ops.zeros((1, 1))}, {}, 1, 32, num_beams=2)
    assert texts(result) == [[[4, END]]] and len(steps) == 2


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces the step only once")
@pytest.mark.parametrize("form", ["power", "gnmt"])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_bound_that_ends_a_row_could_not_be_lower(form, alpha):
    """A text of 8 tokens, all certain but the first, is the answer, and one of 7 would not be."""

    def divisor(length):
        return (length if form == "power" else (5 + length) / 6) ** alpha

    chances = np.linspace(0.5, 1, 100_000)[:-1]
    wanted = (divisor(7) + divisor(8)) / 2 / divisor(1)
    chance = chances[np.argmin(np.abs(np.log(1 - chances) / np.log(chances) - wanted))]

    def search(length):
        def step(tokens, index, state, memory):
            steps.append(0)
            first = np.full(6, 1e-9)
            first[[END, 4]] = chance, 1 - chance
            after = ops.where(index == length - 1, ops.one_hot(END, 6), ops.one_hot(4, 6))
            probs = ops.where(index == 0, first.astype("float32"), after)
            logits = ops.log(ops.maximum(probs, 1e-9))
            return ops.broadcast_to(logits, (ops.shape(tokens)[0], 6)), state

        options = {"length_penalty": alpha, "length_penalty_form": form, "num_beams": 2}
        return texts(beam_search(step, {"x": ops.zeros((1, 1))}, {}, 1, length, **options))

    steps = []
    assert search(8) == [[[4] * 7 + [END]]] and len(steps) == 8
    steps = []
    assert search(7) == [[[END]]] and len(steps) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_return": 5}, "num_return=5, num_beams=4. Use num_beams=5"),
        ({"num_beams": 0}, "num_beams of at least 1"),
        ({"coverage_penalty": -1.0}, "coverage_penalty of at least 0"),
        ({"length_penalty_form": "gnmmt"}, "Did you mean 'gnmt'"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        Toy().search(beam_search, LENGTH, **options)


def test_coverage_needs_a_mask():
    toy = Toy()
    state, memory = toy.start()
    del memory["mask"]
    with pytest.raises(ValueError, match=r"memory\['mask'\]"):
        beam_search(toy.step, state, memory, 3, LENGTH, coverage_penalty=0.1)


@pytest.mark.parametrize("name", ["suppress", "bigrams", "repetition", "prefix", "all"])
def test_what_the_rules_leave_may_share_all_probability(name):
    toy, rules = Toy(seed=3), RULES[name]
    result = toy.search(beam_search, LENGTH, num_beams=4, num_return=3, renormalize=True, **rules)
    assert_same(toy, result, slow_beam, LENGTH, 4, renormalize=True, **rules)
    usual = toy.search(beam_search, LENGTH, num_beams=4, num_return=3, **rules)
    assert not np.allclose(usual.scores, result.scores)


@pytest.mark.parametrize("alpha", [-0.5, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_early_stopping_as_in_transformers(early_stopping, alpha):
    toy, penalties = Toy(rows=12), {"alpha": alpha}
    options = {"num_beams": 3, "num_return": 2, "length_penalty": alpha}
    result = toy.search(beam_search, LENGTH, early_stopping=early_stopping, **options)
    assert_same(toy, result, slow_beam, LENGTH, 3, penalties, early_stopping)
    patient = [slow_beam(toy, row, LENGTH, 3, penalties)[:2] for row in range(toy.rows)]
    differs = texts(result) != [[tokens for _, tokens in row] for row in patient]
    assert differs == (early_stopping or alpha == 2)


GROUPS = [  # beams, groups, penalty, to return
    (6, 3, 0.7, 3),
    (6, 3, 0.7, 5),
    (4, 4, 2.0, 4),
    (6, 2, 50.0, 6),
    (4, 2, 0.0, 2),
    (6, 3, 0.7, 1),
]


@pytest.mark.parametrize(("beams", "groups", "penalty", "wanted"), GROUPS)
def test_diverse_beams_equal_the_slow_search(beams, groups, penalty, wanted):
    toy = Toy(rows=8, seed=3)
    options = {"num_beams": beams, "num_beam_groups": groups, "num_return": wanted}
    result = toy.search(beam_search, LENGTH, diversity_penalty=penalty, **options)
    for row in range(toy.rows):
        of_groups = slow_diverse(toy, row, LENGTH, beams, groups, penalty, -(-wanted // groups))
        turns = []
        for i in range(beams // groups):
            turns += sorted((of[i] for of in of_groups if i < len(of)), reverse=True)
        expected = sorted(turns[:wanted], reverse=True)
        assert texts(result)[row] == [tokens for _, tokens in expected]
        np.testing.assert_allclose(result.scores[row], [x for x, _ in expected], atol=1e-4)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_diverse_beams_under_rules(rules):
    toy = Toy(seed=6)
    options = {"num_beams": 4, "num_beam_groups": 2, "num_return": 2}
    result = toy.search(beam_search, LENGTH, diversity_penalty=1.0, **options, **rules)
    for row in range(toy.rows):
        of_groups = slow_diverse(toy, row, LENGTH, 4, 2, 1.0, 1, **rules)
        expected = sorted((of[0] for of in of_groups if of), reverse=True)
        assert texts(result)[row][: len(expected)] == [tokens for _, tokens in expected]


def test_groups_that_differ_for_nothing_are_the_same_search():
    toy = Toy(rows=8, seed=4)
    both = {"num_beams": 4, "num_return": 2, "num_beam_groups": 2, "diversity_penalty": 0.0}
    found = toy.search(beam_search, LENGTH, **both)
    alone = toy.search(beam_search, LENGTH, num_beams=2)
    for two, (one,) in zip(texts(found), texts(alone), strict=True):
        assert two == [one, one]


def test_groups_begin_with_other_tokens_where_that_is_dear():
    toy = Toy(rows=8, vocabulary=9, seed=5)
    options = {"num_beams": 4, "num_beam_groups": 4, "num_return": 4, "min_length": 1}
    for row in texts(toy.search(beam_search, LENGTH, diversity_penalty=99.0, **options)):
        assert len({text[0] for text in row}) == 4


def test_alignments_and_coverage_follow_diverse_beams():
    toy = Toy(rows=6, seed=7)
    options = {"num_beams": 4, "num_beam_groups": 2, "num_return": 3, "coverage_penalty": 0.2}
    result = toy.search(beam_search, LENGTH, return_alignments=True, **options)
    for row in range(toy.rows):
        for tokens, found in zip(texts(result)[row], result.alignments[row], strict=True):
            expected = toy.follow(row, tokens[:-1])[1]
            np.testing.assert_allclose(found[: len(tokens)], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 5, "num_beam_groups": 2}, "Use num_beams=4"),
        ({"num_beams": 2, "num_beam_groups": 3}, "Use num_beams=3"),
        ({"num_beams": 4, "diversity_penalty": 1.0}, "num_beam_groups=1. Use num_beam_groups=4"),
        ({"num_beam_groups": 0}, "num_beam_groups of at least 1"),
        ({"num_beam_groups": 2, "diversity_penalty": -1.0}, "diversity_penalty of at least 0"),
    ],
)
def test_refuses_groups(options, message):
    with pytest.raises(ValueError, match=message):
        Toy().search(beam_search, LENGTH, **options)
