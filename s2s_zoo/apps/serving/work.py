"""The work of a batch, for which requests that mean the same may go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from s2s_zoo.apps.serving.hearing import Heard, transcript_as_json, work_of
from s2s_zoo.generation.options import beams_of
from s2s_zoo.pipeline.reading import Reading
from s2s_zoo.pipeline.summarizing import Summarizing

WIDTH = 4  # unfinished texts of a source, for the bound of the work
BATCH = 32  # sentences of a text that are run at once


class Generation(NamedTuple):
    """The work of a batch: sources whose requests have equal ones may go together.

    Attributes:
        served: Served.
        options: tuple of (name, value), of the call.
        aligned: bool.
        width: int, the texts that are written at once for a source.
        number: int, different for each request that is to be alone in its batch, 0 for others.
    """

    served: Any
    options: tuple
    aligned: bool
    width: int = 1
    number: int = 0

    def __call__(self, sources: Sequence[Any]) -> list[Any]:
        """The JSON of the answer to each source."""
        sources = [x.data if isinstance(x, Heard) else x for x in sources]
        if self.served.pipeline.transcriber is not None:
            return self._transcripts(sources)
        answers = self.served.pipeline(
            sources,
            batch_size=max(BATCH, len(sources)),
            return_scores=True,
            return_alignment=self.aligned,
            progress=False,
            **dict(self.options),
        )
        found = []
        for source, answer in zip(sources, answers, strict=True):
            rows = [
                self.served.as_json(x) for x in (answer if isinstance(answer, list) else [answer])
            ]
            if self.served.is_cut(source, rows[0], self.options):
                for row in rows:
                    row["truncated"] = True
            found.append(rows if isinstance(answer, list) else rows[0])
        return found

    def _transcripts(self, sources):
        pipeline, options = self.served.pipeline, dict(self.options)
        return [transcript_as_json(x) for x in pipeline(sources, progress=False, **options)]

    def share(self, source: Any, max_sources: int) -> float:
        """How much of the work that the server takes upon itself at once a source may be.

        All of it is `max_sources` of the longest texts with `WIDTH` unfinished ones each, or as
        many as the checkpoint has by default.
        """
        pipeline, options = self.served.pipeline, dict(self.options)
        longest = pipeline.processor.max_target_length
        most = max(WIDTH, beams_of({}, pipeline.generation)) * longest * max_sources
        if isinstance(source, Heard):
            return self.width * work_of(source, pipeline, options) / most
        units = len(source.encode()) + 1 if isinstance(source, str) else 1
        known = getattr(pipeline.processor, "max_source_length", 1)
        how = self.served.reading(options) if units > known or "length" in options else None
        if isinstance(how, Summarizing) and how.split:
            return self.width * longest * max(how.count, units // known + 1) / most
        if units > known and isinstance(how, Reading) and how.split:
            return self.width * pipeline.searcher.longest_target(units) / most
        length = options.get("max_length")
        if length is None:
            length = pipeline.searcher.longest_target(min(units, known))
        length = max(length, options.get("min_length", 0) + 1)
        return self.width * min(length, longest) / most
