import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation.penalties import coverage_score, normalise


@pytest.mark.parametrize(
    ("alpha", "form", "expected"),
    [
        (0.0, "power", [-6.0, -6.0]),
        (1.0, "power", [-6.0, -1.5]),
        (0.5, "power", [-6.0, -3.0]),
        (-1.0, "power", [-6.0, -24.0]),
        (0.0, "gnmt", [-6.0, -6.0]),
        (1.0, "gnmt", [-6.0, -4.0]),
        (2.0, "gnmt", [-6.0, -6.0 / 2.25]),
    ],
)
def test_normalise_lengths_one_and_four(alpha, form, expected):
    scores = normalise(ops.convert_to_tensor([-6.0, -6.0]), np.array([1, 4]), alpha, form)
    np.testing.assert_allclose(ops.convert_to_numpy(scores), expected, rtol=1e-6)


def test_unknown_form_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'power'"):
        normalise(ops.zeros(1), 1, 1.0, "powr")


def test_coverage_by_hand():
    coverage = np.array([[0.5, 2.0, 0.25, 0.1], [1.0, 1.0, 1.0, 0.0]], "float32")
    mask = np.array([[True, True, True, False], [True, True, True, True]])
    scores = ops.convert_to_numpy(coverage_score(coverage, mask, 0.2))
    # log 0.5 + log 1 + log 0.25; the last column is padding in the first row only.
    expected = [0.2 * (np.log(0.5) + np.log(0.25)), 0.2 * np.log(1e-7)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
