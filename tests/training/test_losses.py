import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.training.losses import SmoothedCrossEntropy

LOGITS = np.log(np.array([[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.5, 0.25, 0.25]]], "float32"))
LABELS = np.array([[0, 1, 2]])


def test_without_smoothing_it_is_the_negative_log_probability():
    losses = ops.convert_to_numpy(SmoothedCrossEntropy().call(LABELS, LOGITS))
    np.testing.assert_allclose(losses, -np.log([[0.7, 0.1, 0.25]]), atol=1e-6)


def test_smoothing_worked_by_hand():
    # .9 + .1 / 3 on the label, .1 / 3 on the others.
    expected = -(0.9 * np.log(0.7) + 0.1 / 3 * np.log([0.7, 0.2, 0.1]).sum())
    losses = ops.convert_to_numpy(SmoothedCrossEntropy(0.1).call(LABELS, LOGITS))
    np.testing.assert_allclose(losses[0, 0], expected, atol=1e-6)


def test_padding_does_not_dilute_the_mean():
    loss = SmoothedCrossEntropy()(LABELS, LOGITS, sample_weight=np.array([[1.0, 1.0, 0.0]]))
    np.testing.assert_allclose(float(loss), -(np.log(0.7) + np.log(0.1)) / 2, atol=1e-6)
    nothing = SmoothedCrossEntropy()(LABELS, LOGITS, sample_weight=np.zeros((1, 3)))
    assert float(nothing) == 0


def test_padding_counts_nothing_where_no_weights_say_otherwise():
    loss = SmoothedCrossEntropy()
    expected = -(np.log(0.1) + np.log(0.25)) / 2
    np.testing.assert_allclose(float(loss(LABELS, LOGITS)), expected, atol=1e-6)
    rows = loss(np.repeat(LABELS, 2, 0), np.concatenate([LOGITS, 9 * LOGITS]), np.array([3.0, 0]))
    np.testing.assert_allclose(float(rows), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (1, 1), (1, 3, 1), (3,), (3, 1)])
def test_weights_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(B,\) of rows, or \(B, T\) of tokens"):
        SmoothedCrossEntropy()(LABELS, LOGITS, np.ones(shape))


def test_logits_do_not_overflow():
    losses = SmoothedCrossEntropy(0.1).call(LABELS, LOGITS + 1e4)
    np.testing.assert_allclose(
        ops.convert_to_numpy(losses),
        ops.convert_to_numpy(SmoothedCrossEntropy(0.1).call(LABELS, LOGITS)),
        atol=2e-2,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_logits_give_float32_losses(dtype):
    losses = SmoothedCrossEntropy(0.1).call(LABELS, ops.cast(LOGITS, dtype))
    assert keras.backend.standardize_dtype(losses.dtype) == "float32"


def test_survives_serialization_and_refuses_a_bad_value():
    loss = keras.losses.deserialize(keras.losses.serialize(SmoothedCrossEntropy(0.2)))
    assert loss.label_smoothing == 0.2
    with pytest.raises(ValueError, match=r"label_smoothing in \[0, 1\)"):
        SmoothedCrossEntropy(1.0)
