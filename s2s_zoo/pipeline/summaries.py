"""Texts of any length, summarized: in passages where they are long, and from those the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from s2s_zoo.data.text.detection import CODE, foreign
from s2s_zoo.data.text.extracting import extract
from s2s_zoo.data.text.invented import invented
from s2s_zoo.data.text.normal import shortened
from s2s_zoo.data.text.passages import passages, sentences_of
from s2s_zoo.pipeline.answering import Answerer, growing
from s2s_zoo.pipeline.carrying import Hypotheses
from s2s_zoo.pipeline.documents import in_capitals, noted
from s2s_zoo.pipeline.doubts import loops
from s2s_zoo.pipeline.result import Result, combined
from s2s_zoo.pipeline.summarizing import Summarizing

WORD = re.compile(r"[^\W\d_]{2,}")
END_MARK = re.compile(r"[.!?…。！？:;]['\"”’»)\]]*$")
LEAD = 24  # words of the beginning that is given of what cannot be summarized
BEGINNING = 4000  # characters by which the language of a text is found
CODE_SIGNS, SHARE_OF_CODE = 8, 0.05  # of the characters of a text that is code, at least


class Summaries:
    """Answers texts by their summaries.

    Args:
        answerer: an `Answerer`, whose search gives the hypotheses that are chosen from.
        how: a `Summarizing`.
        num_return: int, the hypotheses that were asked for.
    """

    def __init__(self, answerer: Answerer, how: Summarizing, num_return: int = 1) -> None:
        self.answerer = answerer
        self.how = how
        self.num_return = num_return
        self.processor = answerer.processor

    def answers(self, texts: Sequence[str]) -> list[Hypotheses]:
        """The hypotheses for each text, the best first."""
        jobs = [self._job(text) for text in texts]
        while waiting := [job for job in jobs if job.waiting]:
            found = iter(self._read([x for job in waiting for x in job.sources()]))
            for job in waiting:
                job.take([next(found) for _ in job.waiting], self._passages)
        return [self._finished(job) for job in jobs]

    def growing(self, text: str) -> Iterator[Result]:
        """Yields what there is of a summary after each token, of a text of one passage.

        That of a longer one comes at once.
        """
        job = self._job(text)
        if len(job.waiting) != 1 or self.how.bullets:
            yield self.answers([text])[0][0]
            return
        [passage] = job.waiting
        read = self._as_read(passage)
        [row] = self.processor.encode_source([read])
        result = Result("")
        for result in growing(
            self.answerer.searcher, self.answerer.search, self.processor, read, row
        ):
            yield self._as_written(result, passage)
        last = self._as_written(result, passage)
        job.take([self._chosen([last], passage, passage)], self._passages)
        [best, *_] = self._finished(job)
        if best != last:
            yield best

    def _job(self, text: str) -> _Job:
        """What there is to do for a text."""
        if self.processor.is_blank(text):
            return _Job("", [], 1, [], [Result("")] * self.num_return)
        text = self.how.plain(text)
        if self.processor.is_blank(text):
            empty = f"A text of the format {self.how.format!r} has no words to summarize."
            return _Job("", [], 1, [], [Result("", warning=empty)] * self.num_return)
        sentences = sentences_of(text, self.how.source) or [text]
        count = min(self.how.count, len(sentences))
        if note := self._unreadable(text):
            return _Job(text, sentences, count, [], [_lead(sentences, count, note)])
        if not self.how.split:
            return _Job(text, sentences, 1, [text])
        whole = self._sizes([text])[0] <= self._limit
        if count == 1 and whole and not self._comes_again(text, sentences):
            return _Job(text, sentences, 1, [text])
        return _Job(text, sentences, count, self._passages(sentences, count))

    def _comes_again(self, text: str, sentences: Sequence[str]) -> bool:
        """Whether half of a text and more is what it says before."""
        different = sum(len(sentence.split()) for sentence in sentences)
        return different < len(text.split()) / 2

    def _unreadable(self, text: str) -> str | None:
        """What to say of a text that the model cannot summarize, or None."""
        how = self.how
        if how.detect and how.languages:
            language = foreign(text[:BEGINNING], how.languages, how.languages[-1])
            if language is not None:
                return (
                    f"A text is in {language!r}, and what is read is {', '.join(how.languages)}; "
                    f"its beginning is given: {shortened(text)}. detect=False summarizes it all "
                    "the same."
                )
        if how.split and not WORD.search(text) and self._sizes([text])[0] > self._limit:
            return f"A text has no words to summarize; its beginning is given: {shortened(text)}."
        return None

    @property
    def _limit(self) -> int:
        return self.processor.max_source_length - 1  # END counts

    def _sizes(self, texts: Sequence[str]) -> list[int]:
        rows = self.processor.encode_source([self._as_read(x) for x in texts], truncate=False)
        return [len(row) - 1 for row in rows]

    def _passages(self, sentences: Sequence[str], count: int) -> list[str]:
        return passages(sentences, self._sizes, self._limit, count)

    def _as_read(self, passage: str) -> str:
        """A passage as the model reads it: one of capitals in small letters."""
        return passage.lower() if in_capitals(passage) else passage

    def _as_written(self, result: Result, passage: str) -> Result:
        return result._replace(text=result.text.upper()) if in_capitals(passage) else result

    def _read(self, sources: Sequence[tuple[str, str]]) -> list[Hypotheses]:
        """The hypotheses for each (passage, its text); a passage that comes again is read once."""
        if self.answerer.search.strategy == "sample":
            found = self._written([passage for passage, _ in sources])
        else:
            different = list(dict.fromkeys(passage for passage, _ in sources))
            written = dict(zip(different, self._written(different), strict=True))
            found = [written[passage] for passage, _ in sources]
        return [self._chosen(own, *source) for own, source in zip(found, sources, strict=True)]

    def _written(self, passages: Sequence[str]) -> list[Hypotheses]:
        """What the model writes of each passage."""
        found = self.answerer.answers([self._as_read(passage) for passage in passages])
        return [
            [self._as_written(one, passage) for one in hypotheses]
            for passage, hypotheses in zip(passages, found, strict=True)
        ]

    def _chosen(self, hypotheses: Hypotheses, passage: str, text: str) -> Hypotheses:
        """As many as were asked for: first those that say nothing but what their text says."""
        found = hypotheses
        if self.how.faithful:
            found = [noted([one], _fault(one.text, passage, text))[0] for one in hypotheses]
            good = [one for one, same in zip(found, hypotheses, strict=True) if one is same]
            others = [one for one, same in zip(found, hypotheses, strict=True) if one is not same]
            found = [*good, *others]
        aligned = any(one.alignment is not None for one in found)
        if self.how.extract and not aligned and all(one.warning for one in found):
            found = [self._extracted(passage), *found]
        return found[: self.num_return]

    def _extracted(self, passage: str) -> Result:
        """A sentence of a passage, where nothing that the model wrote of it can be trusted."""
        line = extract(sentences_of(passage, self.how.source) or [passage])
        if _words(line) == _words(passage):  # as short as a line already
            return Result(passage)
        note = f"The model is not sure; a sentence of the text is given: {shortened(passage)}."
        return Result(line, warning=note)

    def _finished(self, job: _Job) -> Hypotheses:
        """The hypotheses for a text, in the form that was asked for."""
        if not job.lines:
            return job.found
        how, number = self.how, max(map(len, job.lines))
        note = _looks_like_code(job.text) if how.detect else None
        results = []
        for k in range(number):
            lines = [own[min(k, len(own) - 1)] for own in job.lines]
            results.append(_together(job, lines, how))
        return noted(results, note) if note else results


class _Job:
    """A text on its way to its summary.

    Attributes:
        text: str, as a person reads it.
        sentences: list of str, the different ones.
        count: int, the sentences of its summary.
        waiting: list of str, the passages that are to be read next.
        found: hypotheses, where there is nothing to read.
        lines: for each passage that was read last its hypotheses.
        segments: list of Result, of the passages that were read first.
    """

    def __init__(
        self,
        text: str,
        sentences: list[str],
        count: int,
        waiting: list[str],
        found: Hypotheses = (),
    ) -> None:
        self.text = text
        self.sentences = sentences
        self.count = count
        self.waiting = waiting
        self.found = found
        self.lines: list[Hypotheses] = []
        self.segments: list[Result] = []

    def sources(self) -> list[tuple[str, str]]:
        """The passages that are to be read, each with the text that its summary has to hold to."""
        return [(passage, self.text if self.segments else passage) for passage in self.waiting]

    def take(
        self, lines: list[Hypotheses], passages_of: Callable[[Sequence[str], int], list[str]]
    ) -> None:
        """Takes what was read, and says what is to be read next: what was written, if too much."""
        read = len(self.waiting)
        self.lines, self.waiting = lines, []
        if not self.segments:
            self.segments = [own[0] for own in lines]
        if len(lines) <= self.count:
            return
        written = dict.fromkeys(_sentence(own[0].text) for own in lines if own[0].text.strip())
        if not written:
            return
        following = passages_of(list(written), min(self.count, len(written)))
        if len(following) < read:
            self.waiting = following
        else:  # lines are as long as what the model reads
            self.lines = [lines[i * read // self.count] for i in range(self.count)]


def _together(job: _Job, lines: Sequence[Result], how: Summarizing) -> Result:
    """The `Result` of a text of the lines of its summary."""
    texts = list(dict.fromkeys(line.text.strip() for line in lines if line.text.strip()))
    written, different = sum(map(_words, texts)), " ".join(job.sentences)
    given_back = how.split and _words(different) < written
    if given_back:
        texts = job.sentences
    if how.bullets:
        text = "\n".join(f"- {' '.join(line.split())}" for line in texts)
    elif given_back:
        text = job.text if _words(job.text) < written else different
    else:
        text = texts[0] if len(lines) == 1 and texts else " ".join(map(_sentence, texts))
    if given_back:
        lines = [line._replace(warning=None) for line in lines]
    if len(lines) > 1:
        return combined(text, lines)
    segments = tuple(job.segments) if len(job.segments) > 1 else ()
    return lines[0]._replace(text=text, segments=segments)


def _lead(sentences: Sequence[str], count: int, note: str) -> Result:
    """The beginning of a text, cut between words where its sentences are long."""
    words = " ".join(sentences[:count]).split()
    cut = " …" if len(words) > LEAD * count else ""
    return Result(" ".join(words[: LEAD * count]) + cut, warning=note)


def _fault(summary: str, passage: str, text: str) -> str | None:
    """What is wrong with the summary of a passage of a text, or None."""
    if any(c.isalnum() for c in passage) and not any(c.isalnum() for c in summary):
        return f"The model wrote nothing: {shortened(passage)}. Check it."
    if found := invented(summary, text):
        return (
            f"A summary has what does not stand in its text, {', '.join(map(repr, found[:3]))}: "
            f"{shortened(summary)}. Check it."
        )
    if loops(summary, passage):
        return f"The model repeats itself: {shortened(summary)}. Check it."
    return None


def _looks_like_code(text: str) -> str | None:
    signs, characters = len(CODE.findall(text)), len("".join(text.split()))
    if signs < CODE_SIGNS or signs < SHARE_OF_CODE * characters:
        return None
    return f"A text looks like code, which is not what is summarized: {shortened(text)}. Check it."


def _words(text: str) -> int:
    return len(text.split())


def _sentence(line: str) -> str:
    """A line as a sentence among others."""
    line = line.strip()
    return line if END_MARK.search(line) else f"{line}."
