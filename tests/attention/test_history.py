import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention.history import attend, initial_history, is_sequential

MASK = np.array([[True, True, True], [True, False, False]])
MEMORY = {"keys": "keys", "values": "values", "mask": MASK}


class Probe:
    """An attention whose weights are 1, and which remembers what it was told."""

    def __init__(self, history):
        self.history = history
        self.told = []

    def __call__(self, query, value, mask=None, keys=None, training=False, **told):
        self.told.append(told)
        return "context", ops.ones((2, 3))


class Start(Probe):
    def initial_alignment(self, mask):
        return ops.cast(mask, "float32") / 2


def steps(probe):
    state = initial_history(probe, MASK)
    for index in range(3):
        context, state = attend(probe, "query", MEMORY, state, index)
        assert context == "context"
    return state


def told_of(probe):
    return [
        {k: np.asarray(ops.convert_to_numpy(v)).max() for k, v in x.items()} for x in probe.told
    ]


@pytest.mark.parametrize(
    ("history", "told", "keeps"),
    [
        (None, [{}, {}, {}], {"alignment"}),
        ("alignment", [{"history": n} for n in (0, 1, 1)], {"alignment"}),
        ("coverage", [{"history": n} for n in (0, 1, 2)], {"alignment", "coverage"}),
        ("index", [{"history": n} for n in (0, 1, 2)], {"alignment"}),
    ],
)
def test_an_attention_is_told_what_it_asks_for(history, told, keeps):
    probe = Probe(history)
    state = steps(probe)
    assert told_of(probe) == told
    assert set(state) == keeps
    assert is_sequential(probe) == (history in ("alignment", "coverage"))
    if history == "coverage":
        np.testing.assert_array_equal(ops.convert_to_numpy(state["coverage"]), 3)


def test_an_attention_may_begin_with_an_alignment():
    probe = Start("alignment")
    assert ops.convert_to_numpy(initial_history(probe, MASK)["alignment"]).tolist() == [
        [0.5, 0.5, 0.5],
        [0.5, 0.0, 0.0],
    ]
    steps(probe)
    assert told_of(probe)[0] == {"history": 0.5}


def test_without_attention_nothing_is_kept():
    assert initial_history(None, MASK) == {}
    assert not is_sequential(None)
