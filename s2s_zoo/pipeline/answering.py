"""From sources to answers in their order, a batch of similar lengths at a time."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from s2s_zoo.generation.penalties import LENGTH_PENALTIES
from s2s_zoo.generation.searcher import Search, Searcher
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.unknown_words import replace_unknown
from s2s_zoo.protocol import END, PAD, SearchResult
from s2s_zoo.protocol.errors import TextWarning
from s2s_zoo.protocol.types import Tensor

Answers: TypeAlias = Callable[[list[Any]], Sequence[Sequence[Result]]]
Doubts: TypeAlias = Callable[[Any, Result, bool], str | None]
WINDOW = 1024  # texts of an iterator that are sorted together


class Answerer:
    """Answers sources as one call asks for it.

    Args:
        searcher: a `Searcher`.
        search: its `Search`.
        processor: the processor for the languages of the call.
        batch_size: int, sources run at once.
        details: bool, say of each answer what its tokens and its alignment are.
        replaces: bool, put source units in place of the unknown token; needs alignments.
        doubts: function of a source, its answer, and whether this ended at the limit of its
            length, to what should make a reader look twice, or None.
    """

    def __init__(
        self,
        searcher: Searcher,
        search: Search,
        processor: Any,
        batch_size: int,
        details: bool,
        replaces: bool,
        doubts: Doubts | None = None,
    ) -> None:
        self.searcher = searcher
        self.search = search
        self.processor = processor
        self.batch_size = batch_size
        self.details = details
        self.replaces = replaces
        self.doubts = doubts
        self.options = dict(search.options)
        self.num_return = self.options.get("num_return", 1)
        self._turns = itertools.count()

    def answers(self, sources: Sequence[Any]) -> list[list[Result]]:
        """The hypotheses for each of a list of sources, the best first."""
        processor = self.processor
        answers = [[Result("")] * self.num_return for _ in sources]
        real = [i for i, source in enumerate(sources) if not processor.is_blank(source)]
        encoded = processor.encode_source([sources[i] for i in real])
        ids = {i: row for i, row in zip(real, encoded, strict=True) if len(row) > 1}
        for batch in in_batches(sorted(ids, key=lambda i: len(ids[i])), self.batch_size):
            found = self.searcher.run(self.search, [ids[i] for i in batch], next(self._turns))
            decoded = self._texts(found, [sources[i] for i in batch])
            for row, i in enumerate(batch):
                # Of a hypothesis that the rules leave no room for there is not even END.
                count = max(1, np.count_nonzero(found.tokens[row, :, 0] != PAD))
                answers[i] = [
                    self._answer(text, sources[i], ids[i], found, (row, k))
                    for k, text in enumerate(decoded[row][:count])
                ]
        return answers

    def _answer(self, text, source, row, found, place):
        """The `Result` of one hypothesis, with as much as is asked for."""
        tokens = found.tokens[place]
        tokens = tokens[tokens != PAD]
        score = score_of(found, place)
        result = Result(text, score)
        if self.details:
            result = result_of(self.searcher, self.processor, text, source, row, found, place)
        if score is not None and len(tokens):
            mean = score * penalty_of(len(tokens), self.options) / len(tokens)
            result = result._replace(score_per_token=mean)
        if self.doubts is None:
            return result
        return result._replace(warning=self.doubts(source, result, END not in tokens))

    def _texts(self, found, sources):
        """The text of every hypothesis, a list for each of the sources of a batch."""
        decoded = self.processor.decode(found.tokens, sources)
        if self.replaces:
            for row, source in enumerate(sources):
                hypotheses = found.tokens[row], found.alignments[row], decoded[row]
                decoded[row] = [
                    replace_unknown(self.processor, *hypothesis, source)
                    for hypothesis in zip(*hypotheses, strict=True)
                ]
        return decoded


@dataclass(frozen=True)
class Form:
    """In which form the answers of a call are given.

    Attributes:
        details: bool, as `Result`, not as str.
        several: bool, a list of hypotheses for each source.
        window: int, sources that are answered together, or None for as many as there are.
        progress: bool or None, show a bar: see `Pipeline`.
    """

    details: bool
    several: bool
    window: int | None = None
    progress: bool | None = None

    def of(self, answers: Answers, sources: Iterable[Any], single: bool) -> Any:
        """The answers to sources: one, a list, or a generator where the sources have no length.

        What should make a reader look twice is in a `Result`; a str has a warning in its place.

        Args:
            answers: from a list of sources to the hypotheses for each.
            sources: iterable, which may be endless.
            single: bool, whether there is one source, that was given by itself.
        """
        given = map(self._given, self._found(answers, sources))
        if not isinstance(sources, Sized):
            return given
        listed = list(given)
        return listed[0] if single else listed

    def _given(self, hypotheses):
        each = list(hypotheses) if self.details else [one.text for one in hypotheses]
        return each if self.several else each[0]

    def _found(self, answers, sources):
        """Yields the hypotheses for each source."""
        from tqdm import tqdm

        total = len(sources) if isinstance(sources, Sized) else None
        size = self.window or max(1, WINDOW if total is None else total)
        shown = {
            "disable": {None: None, True: False, False: True}[self.progress],
            "delay": 0 if self.progress else 2,
        }
        arriving = iter(sources)
        with tqdm(total=total, unit=" sources", **shown) as bar:
            while window := list(itertools.islice(arriving, size)):
                found = answers(window)
                if not self.details:
                    warn(found)
                yield from found
                bar.update(len(window))


def warn(found: Iterable[Sequence[Result]]) -> None:
    """Warns of the best hypotheses that have a warning."""
    told = [best.warning for best, *_ in found if best.warning]
    if told:
        more = f" (and of {len(told) - 1} more texts)" if len(told) > 1 else ""
        warnings.warn(f"{told[0]}{more}", TextWarning, stacklevel=6)


def result_of(
    searcher: Searcher,
    processor: Any,
    text: str,
    source: Any,
    row: Tensor,
    found: SearchResult,
    place: tuple[int, int],
) -> Result:
    """The `Result` of one hypothesis.

    Args:
        searcher: the Searcher that found it.
        processor: the processor.
        text: str, what it says.
        source: its source.
        row: (S,) ids of the source, an image, or frames of sound.
        found: SearchResult of numpy arrays.
        place: (b, k), where in it the hypothesis is.
    """
    tokens = found.tokens[place]
    tokens = tokens[tokens != PAD]
    alignment = found.alignments
    if alignment is not None:
        # An encoder of sound has fewer places than there are frames.
        halvings = getattr(getattr(searcher.model, "encoder", None), "halvings", 0)
        alignment = alignment[place][: len(tokens), : -(-len(row) // 2**halvings)]
    return Result(
        text,
        score_of(found, place),
        processor.source_pieces(row, source),
        processor.target_pieces(tokens, source),
        alignment,
        None if found.p_gen is None else found.p_gen[place][: len(tokens)],
    )


def penalty_of(length: int, options: dict[str, Any]) -> float:
    """What a search divides the log-probability of a text by, for its length in tokens."""
    alpha = options.get("length_penalty", 0.0)
    form = LENGTH_PENALTIES[options.get("length_penalty_form", "power")]
    return form(float(length), alpha) if alpha else 1.0


def score_of(found: SearchResult, place: tuple[int, int]) -> float | None:
    """The score of a hypothesis, where the search computed them."""
    return None if found.scores is None else float(found.scores[place])


def growing(
    searcher: Searcher, search: Search, processor: Any, source: Any, row: Tensor
) -> Iterator[Result]:
    """Yields a `Result` for each step of a search for one source; for a blank one "" alone."""
    if len(row) < 2:
        yield Result("")
        return
    for found in searcher.stream(search, row):
        [[text]] = processor.decode(found.tokens, [source])
        yield result_of(searcher, processor, text, source, row, found, (0, 0))


def in_batches(order: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    """Cuts a list of places into lists of at most `batch_size`.

    Raises:
        ValueError: for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(
            f"Pipeline expected a batch_size of at least 1. Received: batch_size={batch_size}."
        )
    return (order[start : start + batch_size] for start in range(0, len(order), batch_size))
