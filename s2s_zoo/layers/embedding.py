"""The token embedding, and the output matrix, which can be the same."""

from contextlib import contextmanager
from contextvars import ContextVar

import keras
from keras import ops

from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.kernels import lstm as kernels
from s2s_zoo.layers.kernels.native import times_transposed
from s2s_zoo.protocol import UNK

_blend = ContextVar("blend", default=None)


@contextmanager
def blended(shares, others):
    """Within it embedded tokens are shares * E(tokens) + (1 - shares) * E(others).

    Args:
        shares: (B, S) floats.
        others: (B, S) int ids.
    """
    token = _blend.set((shares, others))
    try:
        yield
    finally:
        _blend.reset(token)


@keras.saving.register_keras_serializable("s2s_zoo")
class TokenEmbedding(keras.layers.Layer):
    """Maps token ids to vectors of unit variance; where tied, `output_logits` maps them back.

    The rows start from N(0, 1/E) and are multiplied by sqrt(E) on the way in (Vaswani et al.
    2017, 1706.03762, section 3.4), so one matrix serves both ends: unit variance as an input,
    logits of unit variance as an output.

    Args:
        vocabulary_size: int, V.
        embedding_dim: int, E.
        scaled: bool; without it the rows enter as they are, as in BART.

    Call arguments:
        tokens: (...,) int ids; those of V and beyond, words that a pointer copied, enter as UNK.

    Returns:
        (..., E) vectors.
    """

    def __init__(self, vocabulary_size, embedding_dim, scaled=True, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.scaled = scaled

    def build(self, tokens_shape=None):
        self.embeddings = self.add_weight(
            shape=(self.vocabulary_size, self.embedding_dim),
            initializer=initializer(
                keras.initializers.RandomNormal(stddev=self.embedding_dim**-0.5)
            ),
            name="embeddings",
        )

    def call(self, tokens):
        vectors = self._vectors(tokens)
        if _blend.get() is None:
            return vectors
        shares, others = _blend.get()
        shares = ops.cast(ops.expand_dims(shares, -1), vectors.dtype)
        return shares * vectors + (1 - shares) * self._vectors(others)

    def _vectors(self, tokens):
        tokens = ops.where(ops.less(tokens, self.vocabulary_size), tokens, UNK)
        vectors = ops.cast(ops.take(self.embeddings, tokens, axis=0), self.compute_dtype)
        return vectors * self.embedding_dim**0.5 if self.scaled else vectors

    def compute_output_shape(self, tokens_shape):
        return (*tokens_shape, self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "scaled": self.scaled,
        }


class TokenLogits(keras.layers.Layer):
    """Vectors to logits: by a matrix of its own, or by that of the embedding.

    Args:
        vocabulary_size: int, V.
        tied: bool, use the embedding matrix (Press & Wolf 2017, 1608.05859).

    Call arguments:
        vectors: (..., R); where tied R is E.
        embedding: the TokenEmbedding.

    Returns:
        (..., V) logits, those of one step in float32, see `output_logits`.
    """

    def __init__(self, vocabulary_size, tied, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.tied = tied

    def build(self, shape):
        if not self.tied:
            self.kernel = self.add_weight(
                shape=(shape[-1], self.vocabulary_size),
                initializer=initializer("glorot_uniform"),
                name="kernel",
            )
        self.bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="bias")

    def call(self, vectors, embedding):
        kernel = None if self.tied else self.kernel
        return output_logits(vectors, embedding, kernel, self.bias)

    def rows(self, tokens, embedding):
        """Returns the rows (L, R) of the matrix and the biases (L,) of tokens (L,)."""
        return output_rows(tokens, embedding, None if self.tied else self.kernel, self.bias)


def output_logits(vectors, embedding, kernel, bias):
    """Returns the logits of vectors.

    Those of one step are float32, as a search would make them anyway, and get their bias there:
    TensorFlow takes three times as long to add in bfloat16.

    Args:
        vectors: (..., R).
        embedding: the TokenEmbedding, whose matrix (V, R) is taken where `kernel` is None.
        kernel: (R, V), or None.
        bias: (V,), or None.

    Returns:
        (..., V) in the dtype the embedding computes in; with a bias (N, V) in float32.
    """
    tied, dtype = kernel is None, embedding.compute_dtype
    one_step = bias is not None and len(vectors.shape) == 2
    matrix = ops.cast(embedding.embeddings if tied else kernel, dtype)
    rows = ops.cast(ops.reshape(vectors, (-1, vectors.shape[-1])), dtype)
    if bias is not None and kernels.available() and (rows.shape[0] == 1 or not one_step):
        affine = kernels.step_affine if one_step else kernels.affine
        logits, bias = affine(rows, matrix, ops.cast(bias, dtype), transposed=tied), None
    else:
        logits = times_transposed(rows, matrix) if tied else ops.matmul(rows, matrix)
    if one_step:
        logits = ops.cast(logits, "float32")
    if bias is not None:
        logits = logits + ops.cast(bias, logits.dtype)
    return ops.reshape(logits, (*ops.shape(vectors)[:-1], embedding.vocabulary_size))


def output_rows(tokens, embedding, kernel, bias):
    """Returns the part of an output matrix that is of some tokens.

    Args:
        tokens: (L,) int32.
        embedding: the TokenEmbedding, whose matrix it is where `kernel` is None.
        kernel: (R, V), or None.
        bias: (V,), or None.

    Returns:
        rows (L, R), in the dtype the embedding computes in, and biases (L,) float32.
    """
    if kernel is None:
        rows = ops.take(embedding.embeddings, tokens, axis=0)
    else:
        rows = ops.transpose(ops.take(kernel, tokens, axis=1))
    zeros = ops.zeros(ops.shape(tokens), dtype="float32")
    biases = zeros if bias is None else ops.cast(ops.take(bias, tokens), "float32")
    return ops.cast(rows, embedding.compute_dtype), biases
