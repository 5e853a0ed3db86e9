import numpy as np
import pytest
from keras import ops

from s2s_zoo.apps.explaining.gradients import gradient
from s2s_zoo.attention import LuongAttention
from s2s_zoo.attention.alignment import entmax, masked_softmax, sparsemax, top_k

FUNCTIONS = {"softmax": masked_softmax, "sparsemax": sparsemax, "entmax": entmax, "top_k": top_k(2)}
EVERY = pytest.mark.parametrize("align", FUNCTIONS.values(), ids=FUNCTIONS)
ALPHAS = pytest.mark.parametrize(
    ("align", "alpha"), [(sparsemax, 2.0), (entmax, 1.5)], ids=["sparsemax", "entmax"]
)


def bisected(z, alpha):
    """alpha-entmax of one row: tau of ((alpha - 1) z - tau)_+^(1 / (alpha - 1)) by halving."""
    y = (alpha - 1) * np.asarray(z, "float64")
    low, high = y.max() - 1, y.max()
    for _ in range(80):
        tau = (low + high) / 2
        total = (np.maximum(y - tau, 0) ** (1 / (alpha - 1))).sum()
        low, high = (tau, high) if total >= 1 else (low, tau)
    return np.maximum(y - low, 0) ** (1 / (alpha - 1))


def numbers(x):
    return ops.convert_to_numpy(x)


@ALPHAS
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_sparse_weights_equal_a_bisection(align, alpha, scale):
    rng = np.random.default_rng(0)
    z = (scale * rng.normal(size=(20, 9))).astype("float32")
    expected = [bisected(row, alpha) for row in z]
    np.testing.assert_allclose(numbers(align(z)), expected, atol=1e-5)


@ALPHAS
def test_masked_positions_do_not_count(align, alpha):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3, 2, 6)).astype("float32")
    lengths = [6, 4, 1]
    mask = np.arange(6) < np.array(lengths)[:, None]
    weights = numbers(align(z, mask))
    for row, length in enumerate(lengths):
        for head in range(2):
            expected = bisected(z[row, head, :length], alpha)
            np.testing.assert_allclose(weights[row, head, :length], expected, atol=1e-5)
            assert not weights[row, head, length:].any()


def test_sparsemax_worked_by_hand():
    # Three: 1 + 3 * .1 < 1 + .8 + .1, two: tau = (1.8 - 1) / 2 = .4.
    np.testing.assert_allclose(numbers(sparsemax(np.array([[1.0, 0.8, 0.1]]))), [[0.6, 0.4, 0]])
    np.testing.assert_allclose(numbers(sparsemax(np.array([[0.0, 3.0]]))), [[0, 1]])


def test_entmax_worked_by_hand():
    # y = (.5, 0): (.5 - tau)^2 + tau^2 = 1, so tau = (1 - sqrt(7)) / 4.
    tau = (1 - 7**0.5) / 4
    expected = [[(0.5 - tau) ** 2, tau**2]]
    np.testing.assert_allclose(numbers(entmax(np.array([[1.0, 0.0]]))), expected, atol=1e-6)
    np.testing.assert_allclose(numbers(entmax(np.array([[0.0, 2.0]]))), [[0, 1]], atol=1e-6)


@ALPHAS
def test_gradients_equal_the_jacobian(align, alpha):
    # Peters et al. 2019, proposition 2: diag(s) - s s^T / sum(s), s = p^(2 - alpha) where p > 0.
    z = np.array([[0.3, -0.2, 1.1, 0.9, -3.0]], "float32")
    p = bisected(z[0], alpha)
    s = np.where(p > 0, p ** (2 - alpha), 0.0)
    assert 0 < (p == 0).sum() < 4
    expected = np.diag(s) - np.outer(s, s) / s.sum()
    jacobian = [gradient(lambda x, i=i: align(x)[0, i], z)[0] for i in range(5)]
    np.testing.assert_allclose(jacobian, expected, atol=1e-5)


def test_top_k_is_the_softmax_of_the_best():
    z = np.array([[1.0, 4.0, 2.0, 3.0]], "float32")
    share = np.exp(1) / (1 + np.exp(1))
    np.testing.assert_allclose(numbers(top_k(2)(z)), [[0, share, 0, 1 - share]], atol=1e-6)
    # A masked position is none of the best.
    mask = np.array([[True, False, True, True]])
    np.testing.assert_allclose(numbers(top_k(2)(z, mask)), [[0, 0, 1 - share, share]], atol=1e-6)
    np.testing.assert_array_equal(
        gradient(lambda x: ops.sum(top_k(2)(x)[0, 1]), z)[0] != 0, [False, True, False, True]
    )


def test_top_k_of_fewer_positions_is_softmax_and_ties_stay():
    z = np.array([[1.0, 2.0, 2.0]], "float32")
    np.testing.assert_allclose(numbers(top_k(7)(z)), numbers(masked_softmax(z)), atol=1e-6)
    mask = np.array([[True, True, False]])
    np.testing.assert_allclose(
        numbers(top_k(3)(z, mask)), numbers(masked_softmax(z, mask)), atol=1e-6
    )
    np.testing.assert_allclose(numbers(top_k(1)(z)), [[0, 0.5, 0.5]], atol=1e-6)


@EVERY
def test_equal_scores_get_equal_weights(align):
    if align is not FUNCTIONS["top_k"]:
        np.testing.assert_allclose(numbers(align(np.full((1, 4), 7.0))), [[0.25] * 4], atol=1e-6)
    mask = np.array([[True, True, False, False]])
    np.testing.assert_allclose(
        numbers(align(np.full((1, 4), -7.0), mask)), [[0.5, 0.5, 0, 0]], atol=1e-6
    )


@EVERY
def test_a_row_without_a_real_position_is_zero_and_so_are_its_gradients(align):
    rng = np.random.default_rng(2)
    z = rng.normal(size=(2, 4)).astype("float32")
    mask = np.array([[False] * 4, [True] * 4])
    weights = numbers(align(z, mask))
    assert not weights[0].any()
    np.testing.assert_allclose(weights[1].sum(), 1, atol=1e-6)
    upstream = rng.normal(size=(2, 4)).astype("float32")
    slopes = gradient(lambda x: ops.sum(ops.multiply(align(x, mask), upstream)), z)
    assert not slopes[0].any()
    assert np.isfinite(slopes).all() and slopes[1].any()


@EVERY
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_scores_in_half_precision_give_float32_weights(align, dtype):
    z = ops.cast(np.array([[6e4, 5.9e4, -6e4, 0.0], [0.1, 0.2, -0.1, 0.0]]), dtype)
    weights = numbers(align(z))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(weights[0], [1, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("alignment", "message"),
    [
        ("sparsmax", "Did you mean 'sparsemax'"),
        ("top_k", "needs k"),
        ({"name": "top_k", "n": 3}, "Unknown key"),
        ({"name": "entmax", "alpha": 1.2}, "Unknown key"),
        ({"name": "top_k", "k": 0}, "k of at least 1"),
    ],
)
def test_bad_alignments_are_refused_by_name(alignment, message):
    with pytest.raises(ValueError, match=message):
        LuongAttention(alignment=alignment)
