"""A pipeline as the server sees it: what may be asked of it, and the work it then does."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.apps.serving.hearing import Heard, describe, looked_through, noise
from s2s_zoo.apps.serving.refused import Refused, failed
from s2s_zoo.apps.serving.schema import OTHERS, REQUESTS
from s2s_zoo.apps.serving.work import Generation
from s2s_zoo.data.images import pixels_of
from s2s_zoo.generation.options import beams_of, check_names
from s2s_zoo.pipeline.questions import Asking
from s2s_zoo.pipeline.summarizing import take_how
from s2s_zoo.protocol.errors import DataError, is_failure

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline
    from s2s_zoo.pipeline.reading import Reading
    from s2s_zoo.pipeline.result import Result
    from s2s_zoo.pipeline.summarizing import Summarizing

# Two lengths of the loop, for texts up to about 11 and 27 tokens. The first search for a single
# short text is not compiled, and a function that has met two shapes takes all.
SHORT, LONG = "a", "a b c d e f g h i j k"
WARM = ([SHORT], [SHORT], ["a b c d"] * 2, [LONG], [LONG], [LONG] * 2)


MOST_PIXELS = 128_000_000  # of the images of a request; a second or two to decode


class Served:
    """A pipeline and its name.

    Args:
        pipeline: a `Pipeline`.
        name: str.
    """

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self.pipeline = pipeline
        self.name = name
        self.reads = pipeline.processor.reads
        self.of_many, self.of_one = REQUESTS[self.reads]
        # A decoder that does not say has one.
        attention = getattr(pipeline.model.decoder, "attention", True)
        self.has_alignment = attention is not None and pipeline.transcriber is None
        self._numbers = itertools.count(1)

    def describe(self) -> dict[str, Any]:
        """What a client may want to know, as JSON."""
        processor = self.pipeline.processor
        image = None
        if self.reads == "image":
            grid = getattr(self.pipeline.model.encoder, "grid", None)
            image = {"size": processor.size, "resize": processor.resize, "grid": grid}
        return {
            "name": self.name,
            "task": self.pipeline.task,
            "reads": self.reads,
            "image": image,
            "audio": describe(self.pipeline),
            "languages": self.pipeline.languages,
            "known_languages": sorted(getattr(processor, "languages", ())),
            "num_beams": beams_of({}, self.pipeline.generation),
            "has_alignment": self.has_alignment,
            "max_source_length": processor.max_source_length if self.reads == "text" else None,
            "max_target_length": processor.max_target_length,
            "options": sorted(self.of_many.model_fields.keys() - OTHERS),
        }

    def warm(self, _: Any) -> list[None]:
        """Runs what most requests ask for, so that none has to wait until it is compiled."""
        batches: Any = WARM
        if self.reads == "image":
            black = np.zeros((*self.pipeline.processor.size, 3), "uint8")
            batches = [[black], [black], [black] * 2]
        if self.reads == "audio":
            batches = [[noise(self.pipeline)]]
        if self.pipeline.transcriber is not None:
            for timestamps in (False, True):
                options = ("return_timestamps", timestamps), ("temperature", 0.0)
                Generation(self, options, False)(batches[0])
            return [None]
        # A checkpoint of many languages may have no pair of its own.
        with contextlib.suppress(DataError):
            for aligned in {False, self.has_alignment}:
                for batch in batches:
                    Generation(self, (), aligned)(batch)
                    list(self.pipeline.stream(batch[0], return_alignment=aligned))
        return [None]

    def generation(self, request: Any) -> Generation:
        """Returns the Generation of a request.

        Raises:
            Refused: 422 for options that do not fit the model or one another.
        """
        options = request.chosen()
        searched = dict(self._check(request, options).options)
        width = max(searched.get("num_beams", 1), searched.get("num_return", 1))
        # What is drawn depends on the whole batch; a recording may be drawn again.
        drawn = self.pipeline.transcriber is not None and options.get("temperature") != 0
        alone = next(self._numbers) if "seed" in options or drawn else 0
        given = tuple(sorted(options.items()))
        return Generation(self, given, request.return_alignment, width, alone)

    def stream(self, request: Any, source: Any) -> Callable[[], Iterator[Any]]:
        """Returns a function that begins `Pipeline.stream` for the only source of a request.

        What it yields are `Result`, or `Segment` of a recording that is read in windows.

        Raises:
            Refused: 422 for options that do not fit the model, or are not of greedy search.
        """
        if self.pipeline.transcriber is not None:
            options = request.chosen()
            self._check(request, options)
            return lambda: self.pipeline.stream(source.data, **options)
        source = source.data if isinstance(source, Heard) else source
        options = {"strategy": "greedy", **request.chosen()}
        if options["strategy"] != "greedy":
            raise Refused(
                422,
                "Tokens are streamed by greedy search. Received: "
                f"strategy={options['strategy']!r}. Leave it out, or use /generate.",
            )
        self._check(request, options)
        aligned = request.return_alignment
        return lambda: self.pipeline.stream(source, return_alignment=aligned, **options)

    def _check(self, request, options):
        """The Search that options mean. Raises Refused for those that do not fit the model."""
        if request.return_alignment and not self.has_alignment:
            why = "This checkpoint has no attention, so there is no alignment. Leave it out."
            if self.pipeline.transcriber is not None:
                why = (
                    "A transcription gives times instead of an alignment: leave return_alignment "
                    'out, and ask for "return_timestamps": "word".'
                )
            raise Refused(422, why)
        longest = self.pipeline.processor.max_target_length
        if options.get("max_length", 0) > longest:
            raise Refused(
                422,
                f"max_length: at most the {longest} tokens of the model. "
                f"Received: {options['max_length']}.",
            )
        options = dict(options)
        seed = {"seed": options.pop("seed")} if "seed" in options else {}
        languages = {side: options.pop(side, None) for side in ("source", "target")}
        try:
            processor = self.pipeline.processor_for(**languages)
            _, options = take_how(self.pipeline, options, **languages)
            search = self.pipeline.plan(options, True, request.return_alignment, **languages)
            check_names(seed, search.strategy)
            if self.reads == "text":
                processor.encode_source([""])  # which needs the languages, where there are many
            return search
        except ValueError as error:
            raise Refused(422, f"{error!s:.500}") from error
        except BaseException as error:  # tokenizers in native code may panic
            if is_failure(error):
                raise failed(error) from error
            raise

    def read(self, images: Sequence[bytes], given_up: Callable[[], bool]) -> list[Any]:
        """Makes of the files of images the pixels that the model reads, of recordings `Heard`.

        Args:
            images: list of bytes.
            given_up: function that says whether nobody waits for them any more.

        Raises:
            Refused: 422 for more than `MOST_PIXELS` together, or more seconds than are heard; 400
                for what cannot be read.
        """
        if self.reads == "audio":
            return looked_through(images, self.pipeline, given_up)
        total = sum(map(pixels_of, images))
        if total > MOST_PIXELS:
            raise Refused(
                422,
                f"Expected images of at most {MOST_PIXELS:,} pixels together in a request. "
                f"Received: {total:,}. Make them smaller, or send several requests.",
            )
        pixels: list[np.ndarray] = []
        for number, image in enumerate(images):
            if given_up():
                break
            try:
                pixels += self.pipeline.processor.encode_source([image])
            except DataError as error:
                raise Refused(400, f"Image {number + 1} of {len(images)}: {error}") from error
        return pixels

    def reading(self, options: dict[str, Any]) -> Reading | Summarizing | Asking | None:
        """How the texts of a call with some options are read."""
        languages = (options.get("source"), options.get("target"))
        return take_how(self.pipeline, options, *languages)[0]

    def is_cut(self, source: Any, found: dict[str, Any], options: tuple = ()) -> bool:
        """Whether a text is longer than what the model reads of it.

        Args:
            source: the text, or pixels.
            found: dict, the JSON of its answer.
            options: tuple of (name, value), of the call.
        """
        if self.reads != "text":
            return False
        longest = self.pipeline.processor.max_source_length
        if "segments" in found or len(found["source_tokens"]) < longest:
            return False
        languages = {name: dict(options).get(name) for name in ("source", "target")}
        processor = self.pipeline.processor_for(**languages)
        how = self.reading(dict(options))
        if isinstance(how, Asking):
            source = how.put(source)
        [row] = processor.encode_source([source], truncate=False)
        return len(row) > longest

    def as_json(self, result: Result) -> dict[str, Any]:
        """A `Result` as plain JSON: what it does not have is left out."""
        found = {
            "text": result.text,
            "score": _finite(result.score),
            "source_tokens": list(result.source_tokens),
            "target_tokens": list(result.target_tokens),
        }
        if self.reads != "text":
            del found["source_tokens"]
        for name in ("alignment", "p_gen"):
            if (value := getattr(result, name)) is not None:
                found[name] = _finite(np.round(np.asarray(value, "float64"), 4).tolist())
        if result.warning:
            found["warning"] = result.warning
        if result.segments:
            found["segments"] = [self.as_json(segment) for segment in result.segments]
        return found


def _finite(value):
    """A number, or nested lists of numbers: null in place of what JSON has no number for."""
    if isinstance(value, list):
        return [_finite(x) for x in value]
    return value if value is None or math.isfinite(value) else None
