import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation.rows import FEWEST, static_shapes, while_active

LENGTHS = np.array([3, 1, 12, 2, 5, 12, 1, 4, 2, 2, 1, 3, 9, 0, 1, 2, 3], "int32")


def count_down(lengths, record=None):
    """Every row adds its own step, in two neighbouring cells, until its length is reached."""
    size = len(lengths)
    rows = {
        "left": ops.convert_to_tensor(lengths),
        "sums": ops.zeros((2 * size, 3), dtype="int32"),
    }
    fixed = ops.reshape(ops.arange(2 * size, dtype="int32"), (-1, 1))

    def body(index, rows, fixed):
        if record is not None:
            record(rows["left"])
        here = ops.repeat(rows["left"] > 0, 2)[:, None]
        sums = rows["sums"] + ops.where(here, fixed * 100 + index, 0)
        return {"left": ops.maximum(rows["left"] - 1, 0), "sums": sums}

    return while_active(lambda rows: rows["left"] > 0, body, rows, fixed, lambda rows: rows["sums"])


def expected(lengths):
    rows = np.arange(2 * len(lengths))
    lengths = np.repeat(lengths, 2)
    sums = rows * 100 * lengths + lengths * (lengths - 1) // 2
    return np.tile(sums[:, None], (1, 3))


@pytest.mark.parametrize("size", [1, 2, FEWEST + 1, 8, len(LENGTHS)])
def test_every_row_is_as_if_it_were_alone(size):
    found = ops.convert_to_numpy(count_down(LENGTHS[:size]))
    np.testing.assert_array_equal(found, expected(LENGTHS[:size]))


def test_nothing_to_do():
    assert not ops.convert_to_numpy(count_down(LENGTHS * 0)).any()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow")
@pytest.mark.parametrize("fixed", [False, True])
def test_a_graph_works_on_ever_fewer_rows(fixed):
    import tensorflow as tf

    sizes = []

    def record(left):
        sizes.append(int(tf.shape(left)[0]))
        return np.int32(0)

    def note(left):
        with tf.control_dependencies([tf.numpy_function(record, [left], tf.int32)]):
            tf.no_op()

    @tf.function
    def run():
        with static_shapes(fixed):
            return count_down(LENGTHS[:16], note)

    np.testing.assert_array_equal(run(), expected(LENGTHS[:16]))
    assert len(sizes) == 12
    # Of 16 rows 11 need a second step, 7 a third, 5 a fourth and 4 a fifth.
    shrinking = [16] * 2 + [8] * 2 + [4] * 8
    assert sizes == ([16] * 12 if fixed else shrinking)
