"""Texts of several sentences, each sentence translated for itself with what must not change."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from s2s_zoo.data.text.documents import Document, fitting, split
from s2s_zoo.data.text.normal import normalize as normal_form
from s2s_zoo.data.text.symbols import protect
from s2s_zoo.pipeline.answering import Answerer, growing
from s2s_zoo.pipeline.carrying import Hypotheses, Spans, carry, held
from s2s_zoo.pipeline.making_up import warning_of, without_made_up
from s2s_zoo.pipeline.reading import Reading
from s2s_zoo.pipeline.remembering import Remembering
from s2s_zoo.pipeline.result import Result, combined

CASED = re.compile(r"[^\W\d_]+")
TOO_LONG = (
    "A sentence is longer than the model takes and was parted into {}: '{}…'. Write shorter "
    "sentences, or end them with a full stop."
)
ONE_WORD = 7  # letters of a word alone that is written in capitals, and no abbreviation


class Documents:
    """Answers texts by their sentences.

    Args:
        answerer: an `Answerer`.
        reading: a `Reading`.
        memory: a `Remembering`, asked before the model is, or None.
        wider: an `Answerer` with more hypotheses, asked where none of the first ones holds what
            must not change, or None.
    """

    def __init__(
        self,
        answerer: Answerer,
        reading: Reading,
        memory: Remembering | None = None,
        wider: Answerer | None = None,
    ) -> None:
        self.answerer = answerer
        self.more = None if wider is None else functools.partial(self._generate, answerer=wider)
        self.reading = reading
        self.memory = memory
        self.processor = answerer.processor
        self.symbols = self.processor.symbols

    def answers(self, texts: Sequence[str]) -> list[Hypotheses]:
        """The hypotheses for each text, the best first.

        The k-th of a text has the k-th of each of its sentences, or the last where there are fewer.
        """
        parted = [self._parted(text) for text in texts]
        sentences = [sentence for document, _ in parted for sentence in document.sentences]
        translated = iter(self._translated(sentences))
        return [
            noted(
                self._joined(text, document, [next(translated) for _ in document.sentences]), note
            )
            for text, (document, note) in zip(texts, parted, strict=True)
        ]

    def growing(self, text: str) -> Iterator[Result]:
        """Yields what there is of the translation of a text after each token of it."""
        document, note = self._parted(text)
        done: list[Result] = []
        for sentence in document.sentences:
            for result in self._growing(sentence):
                yield from noted([_together(document, [*done, result])], note)
            done.append(result)
        if not done:
            yield self._joined(text, document, [])[0]

    def _parted(self, text: str) -> tuple[Document, str | None]:
        """A text as its sentences, none longer than the model reads, and what to say of that."""
        if self.processor.is_blank(text):
            return Document((text,), ()), None
        if not self.reading.split:
            return Document(("", ""), (text,)), None
        document, note = self._split(text), None
        gaps: list[str] = [document.gaps[0]]
        sentences: list[str] = []
        for sentence, gap in zip(document.sentences, document.gaps[1:], strict=True):
            parts = fitting(sentence, self._fits, self.reading.markdown)
            if len(parts) > 1 and note is None:
                note = TOO_LONG.format(len(parts), sentence[:60])
            for part in parts:
                body = part.strip()
                start = part.index(body)
                gaps[-1] += part[:start]
                sentences.append(body)
                gaps.append(part[start + len(body) :])
            gaps[-1] += gap
        return Document(tuple(gaps), tuple(sentences)), note

    def _split(self, text: str) -> Document:
        return split(text, self.reading.source(text), self.reading.markdown)

    def _fits(self, sentence: str) -> bool:
        limit = self.processor.max_source_length
        if 4 * len(sentence) < limit:  # bytes of a character, each a token at worst
            return True
        if self.symbols is not None:
            sentence = protect(sentence, self.reading.spans(sentence), self.symbols).text
        [row] = self.processor.encode_source([sentence], truncate=False)
        return len(row) <= limit

    def _translated(self, sentences: Sequence[str]) -> list[Hypotheses]:
        """The hypotheses for each sentence; one that comes again is searched once."""
        if self.memory is not None:
            return self.memory.answers(sentences, self._carried)
        if self.answerer.search.strategy == "sample":
            return self._carried(sentences)
        different = list(dict.fromkeys(sentences))
        found = dict(zip(different, self._carried(different), strict=True))
        return [found[sentence] for sentence in sentences]

    def _carried(self, sentences: Sequence[str]) -> list[Hypotheses]:
        """The hypotheses for each sentence; one of another language stays as it is."""
        notes = [self.reading.foreign(sentence) for sentence in sentences]
        read = [text for text, note in zip(sentences, notes, strict=True) if note is None]
        spans = [self.reading.spans(sentence) for sentence in read]
        carried = iter(self._without_made_up(read, spans))
        return [
            next(carried) if note is None else [Result(text, warning=note)]
            for text, note in zip(sentences, notes, strict=True)
        ]

    def _without_made_up(self, texts: list[str], spans: Spans) -> list[Hypotheses]:
        count = self.answerer.num_return
        found = [
            hypotheses[:count]
            for hypotheses in carry(texts, spans, self._generate, self.symbols, self.more)
        ]
        words = self.processor.known_words
        if words is None:
            return found
        if self.reading.protect and self.symbols is not None:
            found = without_made_up(texts, spans, found, words, self._generate, self.symbols)
        if self.reading.doubt is None:
            return found
        return [
            [noted([one], warning_of(one.text, text, words))[0] for one in hypotheses]
            for text, hypotheses in zip(texts, found, strict=True)
        ]

    def _generate(self, texts: Sequence[str], answerer: Answerer | None = None) -> list[Hypotheses]:
        """The hypotheses for each text; those of capitals are made of small letters."""
        loud = [self.processor.normalize and in_capitals(text) for text in texts]
        read = [text.lower() if big else text for text, big in zip(texts, loud, strict=True)]
        return [
            [one._replace(text=one.text.upper()) for one in hypotheses] if big else hypotheses
            for hypotheses, big in zip((answerer or self.answerer).answers(read), loud, strict=True)
        ]

    def _growing(self, sentence: str) -> Iterator[Result]:
        if note := self.reading.foreign(sentence):
            yield Result(sentence, warning=note)
            return
        spans = self.reading.spans(sentence)
        known = self.symbols and self.symbols.but_written()
        protected = protect(sentence, spans, known) if known else None
        text = protected.text if protected else sentence
        loud = self.processor.normalize and in_capitals(text)
        read = text.lower() if loud else text
        [row] = self.processor.encode_source([read])
        for result in growing(
            self.answerer.searcher, self.answerer.search, self.processor, read, row
        ):
            written = result.text.upper() if loud else result.text
            yield result._replace(text=protected.restore(written).text if protected else written)
        last = held(written, protected, spans)
        words = self.processor.known_words
        if last is None or (words and words.made_up(last, sentence)):
            [[carried, *_]] = self._translated([sentence])  # else that would find the same
            yield carried

    def _joined(self, text: str, document: Document, found: list[Hypotheses]) -> Hypotheses:
        if not found:
            shown = text if normal_form(text) else ""
            return [Result(shown)] * self.answerer.num_return
        return [
            _together(document, [own[min(k, len(own) - 1)] for own in found])
            for k in range(max(map(len, found)))
        ]


def _together(document: Document, results: Sequence[Result]) -> Result:
    """The `Result` of a document or of its beginning."""
    texts = [result.text for result in results]
    whole = len(texts) == len(document.sentences)
    text = document.join(texts) if whole else document.begin(texts)
    if len(document.sentences) == 1:
        return results[0]._replace(text=text)
    return combined(text, results)


def noted(results: Hypotheses, note: str | None) -> Hypotheses:
    """Hypotheses with something more to say of each."""
    if note is None:
        return results
    return [one._replace(warning=" ".join(filter(None, (note, one.warning)))) for one in results]


def in_capitals(text: str) -> bool:
    """Whether a text is written in capitals: two words at least, or one that is no abbreviation."""
    if text.upper() != text or text.lower() == text:
        return False
    words = [word for word in CASED.findall(text) if word.lower() != word and len(word) > 1]
    return len(words) > 1 or any(len(word) >= ONE_WORD for word in words)
