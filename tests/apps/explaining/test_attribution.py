"""Attribution on games whose answers are known: axioms, brute force, integrals by hand."""

import itertools
import math

import numpy as np
import pytest

from s2s_zoo.apps.explaining.attribution import (
    integrated_gradients,
    kernel_shap,
    lime,
    occlusion,
)

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(2, 12))


class Table:
    """A game with any number for each subset and token."""

    def __init__(self, players, tokens=2):
        self.players = players
        self.numbers = RNG.normal(size=(2**players, tokens))

    def value(self, masks):
        return self.numbers[np.asarray(masks) @ (1 << np.arange(self.players))]


class Additive:
    """v_t(z) = 3 + w_t z."""

    def __init__(self, weights):
        self.weights, self.players, self.asked = weights, weights.shape[1], []

    def value(self, masks):
        self.asked.append(masks)
        return 3 + masks @ self.weights.T


class Square:
    """v_t(z) = (w_t z)^2, so dv_t / dz_s = 2 w_ts (w_t z), and IG_ts = w_ts sum(w_t)."""

    def __init__(self, weights):
        self.weights, self.players = weights, weights.shape[1]

    def derivative(self, shares):
        return 2 * (shares @ self.weights.T)[:, :, None] * self.weights


def shapley(game):
    """The definition (Shapley 1953): the mean gain from a player over all orders of arrival."""
    n = game.players
    values = np.zeros((n, game.numbers.shape[1]))
    for player in range(n):
        others = [other for other in range(n) if other != player]
        for size in range(n):
            share = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for subset in itertools.combinations(others, size):
                before = sum(1 << other for other in subset)
                gain = game.numbers[before + (1 << player)] - game.numbers[before]
                values[player] += share * gain
    return values.T


@pytest.mark.parametrize("players", [1, 2, 3, 7, 10])
def test_kernel_shap_of_few_tokens_is_exact(players):
    game = Table(players)
    np.testing.assert_allclose(kernel_shap(game), shapley(game), atol=1e-9)


def test_sampled_kernel_shap_is_efficient_and_converges():
    game = Table(12)
    values = kernel_shap(game, samples=200)
    np.testing.assert_allclose(values.sum(axis=1), game.numbers[-1] - game.numbers[0], atol=1e-9)
    np.testing.assert_array_equal(values, kernel_shap(game, samples=200))
    assert (values != kernel_shap(game, samples=200, seed=1)).any()
    exact = shapley(game)
    assert np.abs(kernel_shap(game, samples=100_000) - exact).max() < 0.1 * np.abs(exact).max()


def test_sampled_kernel_shap_of_an_additive_game_is_exact():
    np.testing.assert_allclose(kernel_shap(Additive(WEIGHTS), samples=60), WEIGHTS, atol=1e-9)


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="12 source tokens expected at least 24 samples"):
        kernel_shap(Additive(WEIGHTS), samples=20)


def test_lime_is_the_weighted_ridge_regression():
    game = Table(8)
    asked = []
    value = game.value
    game.value = lambda masks: asked.append(masks) or value(masks)
    found = lime(game, samples=100, width=0.4, ridge=0.02)
    (masks,) = asked
    cosine = masks.sum(1) / (np.sqrt(masks.sum(1)).clip(1e-9) * np.sqrt(8))
    pi = np.exp(-((1 - cosine) ** 2) / 0.4**2)
    root = np.sqrt(pi / pi.sum())[:, None]
    x = np.concatenate([root, root * masks], axis=1)
    x = np.concatenate([x, np.sqrt(0.02) * np.eye(9)[1:]])
    y = np.concatenate([root * value(masks), np.zeros((8, 2))])
    np.testing.assert_allclose(found, np.linalg.lstsq(x, y, rcond=None)[0][1:].T, atol=1e-9)
    assert masks.all(axis=1).any() and not masks.all()


def test_lime_of_an_additive_game_is_exact_without_a_penalty():
    np.testing.assert_allclose(lime(Additive(WEIGHTS), ridge=0.0), WEIGHTS, atol=1e-8)


def test_occlusion_leaves_out_one_at_a_time():
    game = Additive(WEIGHTS)
    np.testing.assert_allclose(occlusion(game), WEIGHTS, atol=1e-12)
    assert sum(map(len, game.asked)) == 13


@pytest.mark.parametrize("steps", [1, 4])
def test_integrated_gradients_by_hand(steps):
    expected = WEIGHTS * WEIGHTS.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(integrated_gradients(Square(WEIGHTS), steps), expected, atol=1e-12)
