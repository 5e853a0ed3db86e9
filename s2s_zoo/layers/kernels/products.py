"""Products with a bias, in the form that costs least.

TensorFlow and oneDNN add a bias at the pace of the product or more slowly, except where it is a row
of the matrix, or one operation with the product of a single row.
"""

from s2s_zoo.protocol.types import Tensor


def affine(x: Tensor, matrix: Tensor, bias: Tensor, transposed: bool = False) -> Tensor:
    """x W + b of whole sequences, its bias a row of the matrix in half precision.

    There TensorFlow adds a bias at the pace of the product itself, and sums the gradient of the
    bias more slowly still.

    Args:
        x: (N, E).
        matrix: W (E, V), or where `transposed` (V, E).
        bias: (V,).

    Returns:
        (N, V).
    """
    import tensorflow as tf

    if x.dtype == tf.float32:
        return tf.matmul(x, matrix, transpose_b=transposed) + bias
    axis = 1 if transposed else 0
    matrix = tf.concat([matrix, tf.expand_dims(bias, axis)], axis)
    x = tf.concat([x, tf.ones_like(x[:, :1])], axis=1)
    return tf.matmul(x, matrix, transpose_b=transposed)


def step_affine(x: Tensor, matrix: Tensor, bias: Tensor, transposed: bool = False) -> Tensor:
    """x W + b of one step: of a single row in half precision one operation, half the time of two.

    In float32 that is no gain through oneDNN, and without it twice the time of a whole step.

    Args:
        x: (N, E).
        matrix: W (E, V), or where `transposed` (V, E).
        bias: (V,) or (N, V).

    Returns:
        (N, V).
    """
    import tensorflow as tf

    product = tf.matmul(x, matrix, transpose_b=transposed)
    if x.shape[0] == 1 and x.dtype != tf.float32:
        return tf.nn.bias_add(product, tf.reshape(bias, (-1,)))
    return product + bias


def affine_apart(x: Tensor, matrix: Tensor, *rest: Tensor) -> list[Tensor]:
    """What x W + the rest is the sum of, for a cell to add up: it does so for nothing.

    A product adds at its own pace; but of a single row, where each operation costs its overhead,
    it adds one vector for less than an operation.

    Args:
        x: (B, E).
        matrix: W (E, 4U).
        rest: (B, 4U) or (4U,); of a single row there is one.

    Returns:
        list of tensors.
    """
    import tensorflow as tf

    if x.shape[0] == 1:
        return [step_affine(x, matrix, *rest)]
    return [tf.matmul(x, matrix), *rest]
