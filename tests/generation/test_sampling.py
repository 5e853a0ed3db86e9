import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import greedy_search, sample
from s2s_zoo.generation.truncation import RULES as CUTS
from s2s_zoo.generation.truncation import truncated
from s2s_zoo.protocol import END
from tests.generation.toy import RULES, Toy, next_scores, texts

LENGTH = 7
PROBS = np.array([0.0, 0.0, 0.0, 0.1, 0.5, 0.25, 0.1, 0.05])


def draw(count, **options):
    """The frequencies of the first token in `count` texts drawn from PROBS at every step."""

    def step(tokens, index, state, memory):
        with np.errstate(divide="ignore"):
            logits = ops.convert_to_tensor(np.log(PROBS).astype("float32"))
        return ops.broadcast_to(logits, (ops.shape(tokens)[0], len(PROBS))), state

    result = sample(step, {"x": ops.zeros((count, 1))}, {}, count, 2, **{"seed": 1, **options})
    first = ops.convert_to_numpy(result.tokens)[:, 0, 0]
    return np.bincount(first, minlength=len(PROBS)) / count


def test_frequencies():
    np.testing.assert_allclose(draw(20000), PROBS, atol=0.015)


def test_temperature():
    expected = PROBS**2 / np.sum(PROBS**2)
    np.testing.assert_allclose(draw(20000, temperature=0.5), expected, atol=0.015)


def test_top_k_keeps_the_best_in_proportion():
    expected = np.where(PROBS >= 0.25, PROBS, 0) / 0.75
    np.testing.assert_allclose(draw(20000, top_k=2), expected, atol=0.015)
    np.testing.assert_allclose(draw(20000, top_k=100), PROBS, atol=0.015)


@pytest.mark.parametrize(("top_p", "kept"), [(0.45, 0.5), (0.7, 0.25), (0.9, 0.1), (1.0, 0.05)])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p, kept):
    expected = np.where(kept <= PROBS, PROBS, 0)
    np.testing.assert_allclose(draw(20000, top_p=top_p), expected / expected.sum(), atol=0.015)


def test_top_p_looks_at_what_top_k_left():
    # Of 0.5 and 0.25, renormalised, the first alone has 2/3.
    assert draw(500, top_k=2, top_p=0.6)[4] == 1
    assert draw(500, top_k=2, top_p=0.7)[5] > 0


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"min_p": 0.3}, [4, 5]),
        ({"min_p": 0.15}, [3, 4, 5, 6]),
        ({"min_p": 0.0}, [3, 4, 5, 6, 7]),
        ({"min_p": 1.0}, [4]),
        # The entropy is 1.30, the information of the tokens 2.30, 0.69, 1.39, 2.30, 3.00.
        ({"typical_p": 0.2}, [5]),
        ({"typical_p": 0.6}, [4, 5]),
        ({"typical_p": 0.8}, [3, 4, 5, 6]),
        ({"typical_p": 1.0}, [3, 4, 5, 6, 7]),
        ({"epsilon_cutoff": 0.12}, [4, 5]),
        ({"epsilon_cutoff": 0.9}, [4]),
        # The square root of 0.12 times exp(-1.30) is 0.094.
        ({"eta_cutoff": 0.12}, [3, 4, 5, 6]),
        ({"eta_cutoff": 0.9}, [4]),
        # Of 0.5, 0.25 and 0.1, renormalised, the last is less than 0.12.
        ({"top_k": 3, "epsilon_cutoff": 0.12}, [4, 5]),
        ({"top_p": 0.7, "min_p": 0.6, "typical_p": 0.9}, [4]),
    ],
)
def test_what_is_cut_off(options, kept):
    expected = np.where(np.isin(np.arange(len(PROBS)), kept), PROBS, 0)
    np.testing.assert_allclose(draw(20000, **options), expected / expected.sum(), atol=0.015)


def test_what_is_cut_off_is_what_transformers_cuts_off():
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("transformers.generation.logits_process")
    logits = 2 * np.random.default_rng(1).normal(size=(40, 30)).astype("float32")
    cuts = {
        "top_p": (theirs.TopPLogitsWarper, (0.3, 0.9)),
        "min_p": (theirs.MinPLogitsWarper, (0.05, 0.4)),
        "typical_p": (theirs.TypicalLogitsWarper, (0.2, 0.9)),
        "epsilon_cutoff": (theirs.EpsilonLogitsWarper, (0.01, 0.3)),
        "eta_cutoff": (theirs.EtaLogitsWarper, (0.01, 0.3)),
    }
    assert cuts.keys() == CUTS.keys()
    several = [{name: values[-1] for name, (_, values) in cuts.items()}]
    alone = [{name: value} for name, (_, values) in cuts.items() for value in values]
    for chosen in alone + several:
        scores = torch.tensor(logits)
        for name, value in chosen.items():
            scores = cuts[name][0](value)(None, scores)
        order = np.argsort(-logits, axis=-1)
        probs = ops.softmax(ops.convert_to_tensor(np.take_along_axis(logits, order, axis=-1)))
        found = ops.convert_to_numpy(truncated(probs, **chosen)) > 0
        expected = np.take_along_axis(np.isfinite(scores.numpy()), order, axis=-1)
        np.testing.assert_array_equal(found, expected, err_msg=str(chosen))
        assert 0 < found.sum() < found.size


def test_only_one_choice_is_greedy_search():
    toy = Toy(rows=8, seed=1)
    greedy = toy.search(greedy_search, LENGTH)
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-3}):
        drawn = toy.search(sample, LENGTH, seed=1, **options)
        assert texts(drawn) == texts(greedy)
        np.testing.assert_allclose(drawn.scores, greedy.scores, atol=1e-5)


def test_seeds():
    toy = Toy(rows=16)

    def run(seed):
        return texts(toy.search(sample, LENGTH, seed=seed))

    assert run(5) == run(5)
    assert run(5) != run(6)
    generator = keras.random.SeedGenerator(5)
    assert run(generator) != run(generator)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_rules_hold_and_scores_are_those_of_the_model(rules):
    options = {"top_k": 4, "top_p": 0.95, "min_p": 0.01, "temperature": 2.0}
    toy = Toy(seed=7, scale=0.7)
    result = toy.search(sample, LENGTH, seed=3, num_return=5, **options, **rules)
    assert result.tokens.shape == (toy.rows, 5, LENGTH)
    assert np.all(np.diff(result.scores, axis=1) <= 0)
    for row, hypotheses in enumerate(texts(result)):
        for found, tokens in zip(result.scores[row], hypotheses, strict=True):
            assert tokens[-1] == END and END not in tokens[:-1]
            expected = sum(
                next_scores(toy, row, tokens[:i], LENGTH, **rules)[token]
                for i, token in enumerate(tokens)
            )
            assert expected > -np.inf
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_samples_of_a_row_keep_their_alignments():
    toy = Toy(seed=1, scale=0.4)
    result = toy.search(sample, LENGTH, seed=2, num_return=4, return_alignments=True)
    assert len({tuple(tokens) for row in texts(result) for tokens in row}) > 4
    for row, hypotheses in enumerate(texts(result)):
        for found, tokens in zip(result.alignments[row], hypotheses, strict=True):
            expected = np.zeros((LENGTH, toy.source))
            expected[: len(tokens)] = toy.follow(row, tokens[:-1])[1]
            np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        *({"temperature": 0.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}, {"num_return": 0}),
        *({"min_p": -0.1}, {"min_p": 1.1}, {"typical_p": 0.0}, {"typical_p": 1.1}),
        *({"epsilon_cutoff": -0.1}, {"epsilon_cutoff": 1.1}, {"eta_cutoff": 1.1}),
    ],
)
def test_refuses(options):
    [(name, value)] = options.items()
    with pytest.raises(ValueError, match=f"{name}.*Received: {name}={value}"):
        Toy().search(sample, LENGTH, seed=1, **options)
