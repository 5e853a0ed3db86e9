import numpy as np
import pytest
from keras import ops

from s2s_zoo.attention import BahdanauAttention, LocalAttention, LuongAttention

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(3, 4, 5)).astype("float32")
MEMORY = RNG.normal(size=(3, 9, 5)).astype("float32")
LENGTHS = np.array([9, 4, 1])
MASK = np.arange(9) < LENGTHS[:, None]


def filled(layer):
    layer.build((None, 5), (None, None, 5))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def attend(layer, query=QUERY, mask=MASK, **history):
    found = layer(query, MEMORY, mask=mask, **history)
    return [ops.convert_to_numpy(x) for x in found]


def test_monotonic_windows_worked_by_hand():
    # Dot scores of q = 1 with the memory: 1, 2, 3, 4; with D = 1 step t sees t - 1, t, t + 1.
    layer = LocalAttention({"name": "luong", "score": "dot"}, position="monotonic", window=1)
    layer.build((None, 1), (None, None, 1))
    memory = np.array([[[1.0], [2.0], [3.0], [4.0]]], "float32")
    query = np.ones((1, 6, 1), "float32")
    _, weights = layer(query, memory, history=np.arange(6))
    one, two, three = (np.exp(np.arange(n)) / np.exp(np.arange(n)).sum() for n in (1, 2, 3))
    expected = [
        [*two, 0, 0],
        [*three, 0],
        [0, *three],
        [0, 0, *two],
        [0, 0, 0, *one],
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[0], expected, atol=1e-6)


@pytest.mark.parametrize("renormalize", [False, True])
def test_predicted_windows_equal_the_equations(renormalize):
    layer = filled(LocalAttention(window=2, renormalize=renormalize))
    w = {x.path.split("/", 1)[1]: ops.convert_to_numpy(x) for x in layer.weights}
    contexts, weights = attend(layer)
    cut = 0
    for row, length in enumerate(LENGTHS):
        for step in range(4):
            q = QUERY[row, step]
            share = np.tanh(q @ w["position_hidden/kernel"]) @ w["position_vector/kernel"][:, 0]
            centre = length / (1 + np.exp(-share))
            inside = [s for s in range(length) if abs(s - centre) <= 2]
            cut += length - len(inside)
            scores = np.exp([MEMORY[row, s] @ w["scores/key/kernel"] @ q for s in inside])
            expected = np.zeros(9)
            expected[inside] = scores / scores.sum()
            expected *= np.exp(-((np.arange(9) - centre) ** 2) / (2 * (2 / 2) ** 2))
            if renormalize:
                expected /= expected.sum()
            np.testing.assert_allclose(weights[row, step], expected, atol=1e-5)
            np.testing.assert_allclose(contexts[row, step], expected @ MEMORY[row], atol=1e-4)
    assert cut > 10


@pytest.mark.parametrize("position", ["monotonic", "predictive"])
@pytest.mark.parametrize(
    "scores",
    [
        {"name": "luong", "score": "dot"},
        {"name": "luong", "alignment": "entmax"},
        {"name": "bahdanau", "units": 3, "normalized": True},
    ],
    ids=["dot", "entmax", "normed"],
)
def test_without_bounds_it_is_global(position, scores):
    layer = filled(LocalAttention(scores, position=position, window=1e6))
    kind = {"luong": LuongAttention, "bahdanau": BahdanauAttention}[scores["name"]]
    whole = filled(kind(**{k: v for k, v in scores.items() if k != "name"}))
    whole.set_weights([ops.convert_to_numpy(w) for w in layer.scorer.weights])
    told = {"history": np.arange(4)} if position == "monotonic" else {}
    for ours, theirs in zip(attend(layer, **told), attend(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("position", ["monotonic", "predictive"])
def test_all_positions_at_once_equal_one_by_one(position):
    layer = filled(LocalAttention(position=position, window=1))
    told = {"history": np.arange(4)} if position == "monotonic" else {}
    contexts, weights = attend(layer, **told)
    for step in range(4):
        told = {"history": step} if position == "monotonic" else {}
        context, weight = attend(layer, QUERY[:, step], **told)
        np.testing.assert_allclose(contexts[:, step], context, atol=1e-5)
        np.testing.assert_allclose(weights[:, step], weight, atol=1e-6)


def test_without_a_mask_every_position_is_real():
    layer = filled(LocalAttention(window=3))
    everything = attend(layer, mask=np.ones_like(MASK))
    for ours, theirs in zip(attend(layer, mask=None), everything, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_renormalized_weights_of_an_empty_window_stay_zero():
    layer = filled(LocalAttention(position="monotonic", window=1, renormalize=True))
    _, weights = attend(layer, history=np.arange(4))
    np.testing.assert_allclose(weights[2].sum(axis=-1), [1, 1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window of at least 1.*window=0"),
        ({"window": 0.5}, "window of at least 1"),
        ({"window": float("nan")}, "window of at least 1"),
        ({"position": "local-m"}, "position to be one of"),
        ({"scores": "loung"}, "Did you mean 'luong'"),
        (
            {"scores": {"name": "bahdanau", "units": 3, "coverage": True}},
            "LocalAttention takes scores that need nothing of earlier steps",
        ),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        LocalAttention(**options)
