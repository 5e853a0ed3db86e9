"""What a call of a pipeline does, step by step."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from s2s_zoo.generation.options import TOKENS_OF_A_STREAM
from s2s_zoo.pipeline.answering import Answerer, Answers, Form, growing
from s2s_zoo.pipeline.documents import Documents
from s2s_zoo.pipeline.questions import Asking
from s2s_zoo.pipeline.reading import Reading, with_all_beams
from s2s_zoo.pipeline.remembering import take_memory
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.summaries import Summaries
from s2s_zoo.pipeline.summarizing import Summarizing, take_how
from s2s_zoo.pipeline.unknown_words import allow_unknown
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline


class Asked(NamedTuple):
    """What a call asks for beside its search: see `Pipeline`."""

    return_scores: bool
    return_alignment: bool
    replace_unknown: bool = False
    source: str | None = None
    target: str | None = None
    memory: StrPath | None = None


def answered(
    pipeline: Pipeline,
    sources: Any,
    asked: Asked,
    options: Config,
    batch_size: int,
    progress: bool | None,
) -> Any:
    """The answers of a call: see `Pipeline`."""
    processor = pipeline.processor_for(asked.source, asked.target)
    if pipeline.transcriber is not None:
        pipeline.transcriber.refuse(**asked._asdict())
        return pipeline.transcriber(sources, pipeline.generation, batch_size, progress, options)
    how, options = take_how(pipeline, options, asked.source, asked.target)
    if isinstance(how, Asking):
        sources, how = how.put(sources), None
    if asked.replace_unknown:
        options = allow_unknown(processor, options, pipeline.generation)
    aligned = asked.return_alignment or asked.replace_unknown
    details = asked.return_scores or asked.return_alignment
    doubts = None if how is None or how.doubt is None else how.doubts
    scored = asked.return_scores or doubts is not None
    search = pipeline.plan(options, scored, aligned, asked.source, asked.target)
    num_return = dict(search.options).get("num_return", 1)
    if isinstance(how, Summarizing):
        wider = how.searched(options, pipeline.generation)
        search = pipeline.plan(wider, scored, aligned, asked.source, asked.target)
    said_how = processor, batch_size, details, asked.replace_unknown, doubts
    answerer = Answerer(pipeline.searcher, search, *said_how)
    kept = None
    if asked.memory is not None:
        said = {
            "languages": (asked.source, asked.target),
            "replace_unknown": asked.replace_unknown,
        }
        if isinstance(how, Summarizing):
            said["summarizing"] = [dataclasses.asdict(how), num_return]
        reading = how if isinstance(how, Reading) else None
        kept = take_memory(pipeline, asked.memory, search, reading, asked.return_alignment, said)
    answers: Answers = answerer.answers
    if isinstance(how, Reading):
        more = None
        every = with_all_beams(options, pipeline.generation)
        if every.get("num_return", 1) > num_return:
            several = pipeline.plan(every, scored, aligned, asked.source, asked.target)
            more = Answerer(pipeline.searcher, several, *said_how)
        answers = Documents(answerer, how, kept, more).answers
    else:
        if how is not None:
            answers = Summaries(answerer, how, num_return).answers
        if kept is not None:
            answers = functools.partial(kept.answers, answer=answers)
    form = Form(details, num_return > 1, processor.window, progress)
    return form.of(answers, *processor.collect(sources))


def streamed(pipeline: Pipeline, text: Any, asked: Asked, options: Config) -> Iterator[Result]:
    """What there is of one answer after every token: see `Pipeline.stream`."""
    if options.setdefault("strategy", "greedy") != "greedy":
        raise ValueError(
            "stream takes the most probable token at every step. Received: "
            f"strategy={options['strategy']!r}. Leave it out, or call the pipeline itself."
        )
    processor = pipeline.processor_for(asked.source, asked.target)
    if pipeline.transcriber is not None:
        pipeline.transcriber.refuse(return_alignment=asked.return_alignment)
        return pipeline.transcriber.stream(text, pipeline.generation, options)
    how, options = take_how(pipeline, options, asked.source, asked.target)
    if isinstance(how, Asking):
        text, how = how.put(text), None
    search = pipeline.plan(options, True, asked.return_alignment, asked.source, asked.target)
    if search.max_length is not None and search.max_length > TOKENS_OF_A_STREAM:
        raise ValueError(
            f"stream expected max_length of at most {TOKENS_OF_A_STREAM}. "
            f"Received: max_length={search.max_length}."
        )
    sources, single = processor.collect(text)
    if not single:
        raise ValueError(f"stream expected one source. Received: {type(text).__name__}.")
    [source] = sources
    if how is not None:
        answerer = Answerer(pipeline.searcher, search, processor, 1, True, False)
        if isinstance(how, Reading):
            return Documents(answerer, how).growing(source)
        return Summaries(answerer, how).growing(source)
    blank = processor.is_blank(source)
    [row] = processor.encode_source([source])
    return growing(pipeline.searcher, search, processor, source, [] if blank else row)
