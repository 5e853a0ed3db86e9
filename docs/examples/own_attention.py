"""An attention of one's own in a recurrent decoder: nearer places of the source count more.

python docs/examples/own_attention.py    # digits into words, a minute
"""

import keras
import numpy as np
from keras import ops

import s2s_zoo
from s2s_zoo import END, PAD, START, UNK


@keras.saving.register_keras_serializable("examples")
class DistanceAttention(keras.layers.Layer):
    """e_ts = q_t^T W h_s / sqrt(U) - b s, where b is learned."""

    def build(self, query_shape, value_shape):
        self.key = keras.layers.Dense(query_shape[-1], use_bias=False)
        self.key.build(value_shape)
        self.slope = self.add_weight(shape=(), initializer="zeros", name="slope")
        self.built = True

    def project(self, value):  # (B, S, D) to keys (B, S, U), once for a whole target
        return self.key(value)

    def call(self, query, value, mask=None, keys=None):  # (N, U) or (N, T, U), and (N, S, D)
        keys = self.project(value) if keys is None else keys
        queries = query if len(query.shape) == 3 else ops.expand_dims(query, 1)
        scores = ops.matmul(queries, ops.swapaxes(keys, 1, 2)) / query.shape[-1] ** 0.5
        scores = scores - self.slope * ops.arange(ops.shape(keys)[1], dtype=scores.dtype)
        if mask is not None:
            scores = ops.where(ops.expand_dims(mask, 1), scores, -1e9)
        weights = ops.softmax(scores)  # (N, T, S)
        context = ops.matmul(weights, value)  # (N, T, D)
        if len(query.shape) == 2:
            return context[:, 0], weights[:, 0]
        return context, weights


def main():
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 10, (800, 5))
    x = np.concatenate([digits + UNK + 1, np.full((800, 1), END)], axis=1)
    y = np.concatenate([np.full((800, 1), START), digits + UNK + 11, np.full((800, 1), END)], 1)

    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    encoded = s2s_zoo.RecurrentEncoder(14, 24, 24)(source)
    decoder = s2s_zoo.RecurrentDecoder(24, 24, 48, attention=DistanceAttention())
    model = keras.Model([source, target], decoder(target, encoded))
    model.compile(
        keras.optimizers.Adam(5e-3),
        keras.losses.SparseCategoricalCrossentropy(True, ignore_class=PAD),
    )
    history = model.fit([x, y[:, :-1]], y[:, 1:], batch_size=64, epochs=15, verbose=2)

    search = s2s_zoo.Generator(model, "beam", max_length=6, return_alignments=True)
    found = search.generate(x[:4])
    print(np.round(found.alignments[0, 0], 1))  # (T, S): the diagonal
    return history.history["loss"], list(
        zip(found.tokens[:, 0].tolist(), y[:4, 1:].tolist(), strict=True)
    )


if __name__ == "__main__":
    main()
