"""The rules of timestamps: by hand, and as transformers has them on random histories."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation.speech_rules import SpeechRules
from s2s_zoo.protocol import END, PAD, START

TEXT, TIMES, SIZE = 8, (10, 15), 16  # 3 to 7 are text, 8 and 9 special, 10 to 15 times
RULES = SpeechRules(suppress=(8, 9), timestamps=TIMES, latest_begin=12, text=TEXT)


def allowed(rules, history, logits=None):
    """The ids that may come after a history."""
    logits = np.zeros((1, SIZE), "float32") if logits is None else logits[None]
    past, tokens = rules.init(logits), [START, *history]
    for index, token in enumerate(tokens):
        now = np.array([token], "int32")
        found, past = rules.restrict(logits, now, np.int32(index), past)
    found = ops.convert_to_numpy(found)[0]
    return {i for i in range(SIZE) if np.isfinite(found[i])}


TEXT_FIRST = np.where(np.arange(SIZE) < TEXT, 9.0, 0.0).astype("float32")
WORDS, ALL_TIMES = {END, 3, 4, 5, 6, 7}, set(range(10, 16))


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], {10, 11, 12}),  # a timestamp, not too late
        ([10], WORDS),  # no pair at the beginning
        ([10, 5], WORDS | ALL_TIMES - {10}),
        ([10, 5, 12], {END, 12, 13, 14, 15}),  # the same again, a later one or the end
        ([10, 5, 12, 12], WORDS),
        ([10, 5, 12, 12, 4], WORDS | {13, 14, 15}),  # not 12 once more
    ],
)
def test_timestamps_by_hand(history, expected):
    assert allowed(RULES, history, TEXT_FIRST) == expected


def test_a_time_comes_where_all_times_are_more_probable_than_any_word():
    logits = np.zeros(SIZE, "float32")
    assert allowed(RULES, [10, 5], logits) == ALL_TIMES - {10}
    logits[3] = 1.7  # more than log 5
    assert allowed(RULES, [10, 5], logits) == WORDS | ALL_TIMES - {10}


def test_what_is_not_written_first_is_written_later():
    rules = SpeechRules(suppress=(9,), begin_suppress=(3, END))
    assert allowed(rules, []) == set(range(4, SIZE)) - {9}
    assert allowed(rules, [5]) == set(range(2, SIZE)) - {9}


def test_mass_that_is_kept_is_missing_from_the_others():
    logits = np.random.default_rng(0).normal(size=(2, SIZE)).astype("float32")
    for rules in (SpeechRules(suppress=(4, 5), keeps_mass=True), SpeechRules(suppress=(4, 5))):
        found, _ = rules.restrict(logits, np.array([1, 1]), np.int32(0), rules.init(logits))
        found = ops.convert_to_numpy(ops.log_softmax(found))
        whole = ops.convert_to_numpy(ops.log_softmax(logits))
        others = [i for i in range(SIZE) if i not in (PAD, START, 4, 5)]
        same = np.allclose(found[:, others], whole[:, others], atol=1e-5)
        assert same == rules.keeps_mass


def test_histories_of_transformers():
    processors = pytest.importorskip("transformers").generation.logits_process
    torch = pytest.importorskip("torch")
    from types import SimpleNamespace

    config = SimpleNamespace(
        no_timestamps_token_id=9, eos_token_id=8, bos_token_id=8, max_initial_timestamp_index=2
    )
    theirs = processors.WhisperTimeStampLogitsProcessor(config, begin_index=1)
    # Theirs: text below 8, the end is 8. Ours: the end is 2, so nothing there is text.
    rules = SpeechRules(suppress=(8, 9), timestamps=TIMES, latest_begin=12, text=TEXT)
    rng = np.random.default_rng(1)
    for _ in range(60):
        history, logits = [], rng.normal(size=SIZE).astype("float32") * 3
        for _ in range(rng.integers(0, 7)):
            choices = sorted(allowed(rules, history, rng.normal(size=SIZE).astype("float32")))
            choices = [x for x in choices if x != END]
            if not choices:
                break
            history.append(int(rng.choice(choices)))
        logits[[PAD, START, END, 8, 9]] = -50.0
        found = theirs(torch.tensor([[START, *history]]), torch.tensor(logits[None]))[0].numpy()
        expected = {i for i in range(3, SIZE) if np.isfinite(found[i]) and i not in (8, 9)}
        assert allowed(rules, history, logits) - {END} == expected, history
