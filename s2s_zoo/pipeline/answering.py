"""From sources to answers in their order, a batch of similar lengths at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from s2s_zoo.generation.searcher import Search, Searcher
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.unknown_words import replace_unknown
from s2s_zoo.protocol import PAD, SearchResult
from s2s_zoo.protocol.types import Tensor

WINDOW = 1024  # texts of an iterator that are sorted together


class Answerer:
    """Answers sources as one call asks for it.

    Args:
        searcher: a `Searcher`.
        search: its `Search`.
        processor: the processor for the languages of the call.
        batch_size: int, sources run at once.
        details: bool, give a `Result` for each answer, not a str.
        replaces: bool, put source units in place of the unknown token; needs alignments.
        progress: bool or None, show a bar: see `Pipeline`.
    """

    def __init__(
        self,
        searcher: Searcher,
        search: Search,
        processor: Any,
        batch_size: int,
        details: bool,
        replaces: bool,
        progress: bool | None,
    ) -> None:
        self.searcher = searcher
        self.search = search
        self.processor = processor
        self.batch_size = batch_size
        self.details = details
        self.replaces = replaces
        self.progress = progress
        self._turns = itertools.count()

    def answers(self, sources: Sequence[Any]) -> list[Any]:
        """The answers to a list of sources."""
        size = self.processor.window or max(1, len(sources))
        with self._bar(len(sources)) as bar:
            starts = range(0, len(sources), size)
            return [x for i in starts for x in self._window(sources[i : i + size], bar)]

    def stream(self, sources: Iterable[Any]) -> Iterator[Any]:
        """Yields the answers to sources that may be endless."""
        sources = iter(sources)
        size = self.processor.window or WINDOW
        with self._bar(None) as bar:
            while window := list(itertools.islice(sources, size)):
                yield from self._window(window, bar)

    def _window(self, sources, bar):
        """The answers to sources that are sorted together."""
        processor = self.processor
        num_return = dict(self.search.options).get("num_return", 1)
        answers = [[Result("") if self.details else ""] * num_return for _ in sources]
        real = [i for i, source in enumerate(sources) if not processor.is_blank(source)]
        encoded = processor.encode_source([sources[i] for i in real])
        ids = {i: row for i, row in zip(real, encoded, strict=True) if len(row) > 1}
        for batch in in_batches(sorted(ids, key=lambda i: len(ids[i])), self.batch_size):
            found = self.searcher.run(self.search, [ids[i] for i in batch], next(self._turns))
            decoded = self._texts(found, [sources[i] for i in batch])
            for row, i in enumerate(batch):
                # Of a hypothesis that the rules leave no room for there is not even END.
                count = max(1, np.count_nonzero(found.tokens[row, :, 0] != PAD))
                answers[i] = decoded[row][:count]
                if self.details:
                    answers[i] = [
                        result_of(processor, text, sources[i], ids[i], found, (row, k))
                        for k, text in enumerate(answers[i])
                    ]
        bar.update(len(sources))
        return answers if num_return > 1 else [hypotheses[0] for hypotheses in answers]

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

    def _bar(self, total):
        from tqdm import tqdm

        disable = {None: None, True: False, False: True}[self.progress]
        delay = 0 if self.progress else 2
        return tqdm(total=total, disable=disable, delay=delay, unit=" sources")


def result_of(
    processor: Any, text: str, source: Any, row: Tensor, found: SearchResult, place: tuple[int, int]
) -> Result:
    """The `Result` of one hypothesis.

    Args:
        processor: the processor.
        text: str, what it says.
        source: its source.
        row: (S,) ids of the source, or an image.
        found: SearchResult of numpy arrays.
        place: (b, k), where in it the hypothesis is.
    """
    tokens = found.tokens[place]
    tokens = tokens[tokens != PAD]
    alignment = found.alignments
    if alignment is not None:
        alignment = alignment[place][: len(tokens), : len(row)]
    return Result(
        text,
        None if found.scores is None else float(found.scores[place]),
        processor.source_pieces(row, source),
        processor.target_pieces(tokens, source),
        alignment,
        None if found.p_gen is None else found.p_gen[place][: len(tokens)],
    )


def growing(
    searcher: Searcher, search: Search, processor: Any, source: Any, row: Tensor
) -> Iterator[Result]:
    """Yields a `Result` for each step of a search for one source; for a blank one "" alone."""
    if len(row) < 2:
        yield Result("")
        return
    for found in searcher.stream(search, row):
        [[text]] = processor.decode(found.tokens, [source])
        yield result_of(processor, text, source, row, found, (0, 0))


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
