"""A shortlist: the few target tokens that a source may become, in place of the vocabulary."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.generation.ibm_model import translation_table
from s2s_zoo.protocol import END, PAD, START, UNK

ALWAYS = (PAD, START, END, UNK)
SMALLEST = 256


class Narrowed(NamedTuple):
    """The candidates of a batch.

    Attributes:
        ids: (L,) int32, those of all rows; the first are `ALWAYS` and what `narrow` was told to
            put there. L is a power of two or the vocabulary size; PAD fills up.
        allowed: (B, L) bool, which of them are candidates of each row.
    """

    ids: np.ndarray
    allowed: np.ndarray

    def place(self, token: int) -> int:
        """Where an id stands in `ids`."""
        return int(np.argmax(self.ids == token))


class Shortlist:
    """Which target tokens each source token may become, and which are allowed with any source.

    As the lexical shortlists of Marian (`--shortlist lex first best`) and the word alignment
    selection of L'Hostis et al. (2016, 1610.00072, section 3.1).

    Args:
        starts: (V + 1,) int32, V the source vocabulary: source token s may become
            `candidates[starts[s] : starts[s + 1]]`.
        candidates: (C,) int32, ids of target tokens.
        frequent: (F,) int32, ids of target tokens that are allowed with any source.
        target_size: int, the target vocabulary.

    Raises:
        ValueError: if these do not fit together.
    """

    def __init__(
        self,
        starts: Sequence[int] | np.ndarray,
        candidates: Sequence[int] | np.ndarray,
        frequent: Sequence[int] | np.ndarray,
        target_size: int,
    ) -> None:
        self.starts, self.candidates, self.frequent = (
            np.asarray(x, "int64") for x in (starts, candidates, frequent)
        )
        self.target_size = target_size
        steps = np.diff(self.starts)
        if (
            any(x.ndim != 1 for x in (self.starts, self.candidates, self.frequent))
            or len(self.starts) < 2
            or (self.starts[0], self.starts[-1]) != (0, len(self.candidates))
            or (steps < 0).any()
        ):
            raise ValueError(
                "Shortlist expected starts that rise from 0 to the number of candidates. Received: "
                f"{len(self.starts)} starts, {len(self.candidates)} candidates."
            )
        for name, ids in (("candidates", self.candidates), ("frequent", self.frequent)):
            if len(ids) and not 0 <= ids.min() <= ids.max() < target_size:
                raise ValueError(
                    f"Shortlist expected {name} from 0 to {target_size - 1}, ids of the target "
                    f"vocabulary. Received: {ids.min()} to {ids.max()}."
                )

    @property
    def source_size(self) -> int:
        """The source vocabulary."""
        return len(self.starts) - 1

    def narrow(
        self, source: np.ndarray, first: Iterable[int] = (), prefix: Iterable[int] = ()
    ) -> Narrowed:
        """Returns the candidates of a batch.

        A row is given candidates for its own tokens alone, so what is found for it does not
        depend on the rows beside it.

        Args:
            source: (B, S) int ids; those that the vocabulary does not have have no candidates.
            first: ids that come directly after `ALWAYS`, allowed or not.
            prefix: ids that are allowed in every row.

        Returns:
            Narrowed.
        """
        allowed: Any = np.zeros((len(source), self.target_size), bool)
        allowed[:, [*ALWAYS, *prefix, *self.frequent]] = True
        rows, places = np.nonzero((source != PAD) & (source < self.source_size))
        tokens = source[rows, places]
        starts = self.starts[tokens]
        counts = self.starts[tokens + 1] - starts
        ends = np.cumsum(counts)
        cells = np.arange(counts.sum()) + np.repeat(starts - ends + counts, counts)
        allowed[np.repeat(rows, counts), self.candidates[cells]] = True
        leading = list(dict.fromkeys([*ALWAYS, *first]))
        rest = allowed.any(axis=0)
        rest[leading] = False
        ids = np.concatenate([leading, np.nonzero(rest)[0]])
        size = min(max(SMALLEST, 1 << int(len(ids) - 1).bit_length()), self.target_size)
        filler = size - len(ids)
        return Narrowed(
            np.pad(ids, (0, filler), constant_values=PAD).astype("int32"),
            np.pad(allowed[:, ids], [(0, 0), (0, filler)]),
        )

    def check_model(self, model: Any) -> None:
        """Raises ValueError unless a search of a model can be narrowed to candidates."""
        check_narrow(model)
        sizes = model.encoder.vocabulary_size, model.decoder.vocabulary_size
        if sizes != (self.source_size, self.target_size):
            raise ValueError(
                f"The shortlist is of {self.source_size} source and {self.target_size} target "
                f"tokens. Received: a model of {sizes[0]} and {sizes[1]}. Build it with the "
                "vocabulary of the model: Pipeline.build_shortlist."
            )

    def pack(self) -> bytes:
        """Returns the bytes of the safetensors file of the shortlist."""
        from safetensors.numpy import save

        arrays = {name: getattr(self, name).astype("int32") for name in TENSORS}
        return save({**arrays, "target_size": np.array([self.target_size], "int32")})


def check_narrow(model: Any) -> None:
    """Raises ValueError unless a model reads text and its output is a matrix alone."""
    decoder, pointer = model.decoder, getattr(model.decoder, "pointer", None)
    if pointer is not None or not hasattr(decoder, "output_rows"):
        raise ValueError(
            "A shortlist is part of an output matrix. Received: "
            f"{type(decoder).__name__}{'' if pointer is None else ' with a pointer'}, which "
            "writes otherwise. Search with the whole vocabulary."
        )
    if not hasattr(model.encoder, "vocabulary_size"):
        raise ValueError(
            f"A shortlist is of source tokens. Received: {type(model.encoder).__name__}, which "
            "reads none. Search with the whole vocabulary."
        )


TENSORS = ("starts", "candidates", "frequent")


def build(
    sources: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    source_size: int,
    target_size: int,
    per_source: int = 20,
    frequent: int = 400,
    iterations: int = 5,
) -> Shortlist:
    """Builds a shortlist from training pairs.

    A source token may become the `per_source` target tokens that IBM Model 1 finds the most
    probable (`translation_table`).

    Args:
        sources: list of N int arrays, ids.
        targets: list of N int arrays, ids, each the translation of the source at its place.
        source_size, target_size: int, the vocabularies.
        per_source: int, candidates of a source token.
        frequent: int, the target tokens that are allowed with any source: those that occur most.
        iterations: int, of the expectation maximization.

    Returns:
        Shortlist.

    Raises:
        ValueError: for lists of different lengths, or without a pair.
    """
    source, target, probability = translation_table(sources, targets, iterations)
    order = np.lexsort((-probability, source))
    source, target = source[order], target[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    likely = rank < per_source
    counts = np.bincount(np.concatenate(targets), minlength=target_size)
    most = np.argsort(-counts, kind="stable")[:frequent]
    return Shortlist(
        np.searchsorted(source[likely], np.arange(source_size + 1)),
        target[likely],
        most[counts[most] > 0],
        target_size,
    )
