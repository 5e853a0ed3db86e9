"""From scores to weights to a context: the part every mechanism shares."""

from keras import ops


def masked_softmax(scores, mask=None):
    """Softmax over the last axis in float32; masked positions, and rows with nothing left, are 0.

    Args:
        scores: (N, S), (N, T, S) or (N, H, T, S).
        mask: (N, S) bool, True where the position is real; or one that broadcasts to the scores
            and has their rank; or None.

    Returns:
        float32 weights of the shape of `scores`.
    """
    scores = ops.cast(scores, "float32")
    if mask is None:
        return ops.softmax(scores)
    while len(mask.shape) < len(scores.shape):
        mask = ops.expand_dims(mask, 1)
    weights = ops.softmax(ops.where(mask, scores, -1e9))
    return weights * ops.cast(mask, "float32")


def weighted_sum(weights, values):
    """The context: (N, S) or (N, T, S) weights over (N, S, D) values give (N, D) or (N, T, D)."""
    weights = ops.cast(weights, values.dtype)
    if len(weights.shape) == 3:
        return ops.matmul(weights, values)
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), values), 1)


def dot_scores(query, keys):
    """Inner products: (N, A) or (N, T, A) queries with (N, S, A) keys give (N, S) or (N, T, S)."""
    if len(query.shape) == 3:
        return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))
    return ops.squeeze(ops.matmul(keys, ops.expand_dims(query, -1)), -1)


def additive_scores(query, keys, vector):
    """v . tanh(query + key): queries (N, [T,] A), keys (N, S, A), vector (A,) give (N, [T,] S)."""
    if len(query.shape) == 3:
        keys = ops.expand_dims(keys, 1)
    hidden = ops.tanh(ops.expand_dims(query, -2) + keys)
    return ops.squeeze(ops.matmul(hidden, ops.expand_dims(vector, -1)), -1)
