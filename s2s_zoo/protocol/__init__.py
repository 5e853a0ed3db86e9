"""What encoders, decoders and search agree on: special ids and the tuples they exchange.

Letters used throughout the package: B batch, S source length (or image regions), T target
length, D memory width, U decoder units, V vocabulary, K beams, N = B or B * K.
"""

from typing import Any, NamedTuple

PAD, START, END, UNK = 0, 1, 2, 3


class EncoderOutput(NamedTuple):
    """What a decoder knows of its encoder; all of it are tensors.

    Attributes:
        memory: (B, S, D), one vector per source position or image region.
        mask: (B, S) bool, True where the position is real.
        state: (B, D') summary of the source: the last states, or the mean of the regions.
    """

    memory: Any
    mask: Any
    state: Any


class TextEncoderOutput(NamedTuple):
    """What a decoder knows of an encoder of text.

    Attributes:
        memory, mask, state: as of EncoderOutput.
        tokens: (B, S) int, the ids of the source, which a pointer copies.
    """

    memory: Any
    mask: Any
    state: Any
    tokens: Any


class ConvEncoderOutput(NamedTuple):
    """What a decoder knows of an encoder whose embeddings may be added to its memory (ConvS2S).

    Attributes:
        memory, mask, state, tokens: as of TextEncoderOutput.
        embedded: (B, S, D), the embedded source.
    """

    memory: Any
    mask: Any
    state: Any
    tokens: Any
    embedded: Any


class SearchResult(NamedTuple):
    """What every search strategy returns, best hypothesis first.

    Attributes:
        tokens: (B, K, T) int32: the generated ids, then END, then PAD.
        scores: (B, K) float32 log-probability (length-normalised by beam search), or None
            where scores were not asked for.
        alignments: (B, K, T, S) float32 attention weights, or None where not asked for.
        p_gen: (B, K, T) float32, with the alignments of a decoder with a pointer: how much each
            token came from the vocabulary; otherwise None.
    """

    tokens: Any
    scores: Any
    alignments: Any
    p_gen: Any = None
