"""From vectors to logits: the output matrix, which may be that of the embedding."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
from keras import ops

from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.initial import initializer
from s2s_zoo.layers.kernels import products
from s2s_zoo.layers.kernels.compiled import kernels_available
from s2s_zoo.layers.kernels.native import times_transposed
from s2s_zoo.protocol.types import Shape, Tensor

_deferred = contextvars.ContextVar("deferred", default=False)


# What a decoder makes its logits by, (N, R) to (N, V), or None for its own matrix.
Output: TypeAlias = Callable[[Tensor], Tensor] | None


class OutputMatrix(keras.layers.Layer):
    """From vectors to logits: by a matrix (R, V) of its own, or by that of the embedding.

    Args:
        vocabulary_size: int, V.
        tied: bool, use the embedding matrix (Press & Wolf 2017, 1608.05859).
        bias: bool, a bias of its own; False for a decoder that has none, or keeps it itself.
    """

    def __init__(self, vocabulary_size: int, tied: bool, bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.tied = tied
        self.use_bias = bias
        self.kernel = self.bias = None
        if not tied:
            self.kernel_initializer = initializer(keras.initializers.GlorotUniform())

    def build(self, shape: Shape) -> None:
        if not self.tied:
            self.kernel = self.add_weight(
                shape=(shape[-1], self.vocabulary_size),
                initializer=self.kernel_initializer,
                name="kernel",
            )
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.vocabulary_size,), initializer="zeros", name="bias"
            )

    def logits(
        self, vectors: Tensor, embedding: TokenEmbedding, bias: Tensor | None = None
    ) -> Tensor:
        """Returns the logits of vectors.

        Those of one step are float32, as a search would make them anyway, and get their bias there:
        TensorFlow takes three times as long to add in bfloat16.

        Args:
            vectors: (..., R); where tied R is E.
            embedding: the TokenEmbedding, whose matrix (V, E) is taken where tied.
            bias: (V,) of the decoder, or None for that of this layer, if it has one.

        Returns:
            (..., V) in the dtype the embedding computes in; with a bias (N, V) in float32.
        """
        bias = self.bias if bias is None else bias
        dtype = embedding.compute_dtype
        one_step = bias is not None and len(vectors.shape) == 2
        matrix = ops.cast(embedding.embeddings if self.tied else self.kernel, dtype)
        rows = ops.cast(ops.reshape(vectors, (-1, vectors.shape[-1])), dtype)
        if bias is not None and kernels_available() and (rows.shape[0] == 1 or not one_step):
            affine = products.step_affine if one_step else products.affine
            logits = affine(rows, matrix, ops.cast(bias, dtype), transposed=self.tied)
            bias = None
        else:
            logits = times_transposed(rows, matrix) if self.tied else ops.matmul(rows, matrix)
        if one_step:
            logits = ops.cast(logits, "float32")
        if bias is not None:
            logits = logits + ops.cast(bias, logits.dtype)
        return ops.reshape(logits, (*ops.shape(vectors)[:-1], self.vocabulary_size))

    def rows(
        self, tokens: Tensor, embedding: TokenEmbedding, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns the part of the matrix that is of some tokens.

        Args:
            tokens: (L,) int32.
            embedding, bias: as of `logits`.

        Returns:
            rows (L, R), in the dtype the embedding computes in, and biases (L,) float32.
        """
        bias = self.bias if bias is None else bias
        if self.tied:
            rows = ops.take(embedding.embeddings, tokens, axis=0)
        else:
            rows = ops.transpose(ops.take(self.kernel, tokens, axis=1))
        zeros = ops.zeros(ops.shape(tokens), dtype="float32")
        biases = zeros if bias is None else ops.cast(ops.take(bias, tokens), "float32")
        return ops.cast(rows, embedding.compute_dtype), biases


@contextlib.contextmanager
def deferred(wanted: bool = True) -> Iterator[None]:
    """Within it the call of a decoder ends before the logits: see `logits_of`."""
    token = _deferred.set(wanted)
    try:
        yield
    finally:
        _deferred.reset(token)


def is_deferred() -> bool:
    """Whether `logits_of` leaves the logits to the loss."""
    return _deferred.get()


def logits_of(decoder: Any, readout: Tensor) -> Tensor:
    """Returns `decoder.logits(readout)` (B, T, V), or where they are deferred the readout."""
    return readout if _deferred.get() else decoder.logits(readout)
