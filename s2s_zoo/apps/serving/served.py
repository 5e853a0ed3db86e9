"""A pipeline as the server sees it: what may be asked of it, and the work it then does."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2s_zoo.apps.serving.refused import Refused, failed
from s2s_zoo.apps.serving.schema import REQUESTS, Options
from s2s_zoo.data.images import pixels_of
from s2s_zoo.generation.options import beams_of, check_names
from s2s_zoo.protocol.errors import DataError, is_failure

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline
    from s2s_zoo.pipeline.result import Result

# Two lengths of the loop, for texts up to about 11 and 27 tokens. The first search for a single
# short text is not compiled, and a function that has met two shapes takes all.
SHORT, LONG = "a", "a b c d e f g h i j k"
WARM = ([SHORT], [SHORT], ["a b c d"] * 2, [LONG], [LONG], [LONG] * 2)


MOST_PIXELS = 128_000_000  # of the images of a request; a second or two to decode


class Generation(NamedTuple):
    """The work of a batch: sources whose requests have equal ones may go together.

    Attributes:
        served: Served.
        options: tuple of (name, value), of the call.
        aligned: bool.
        number: int, different for each request that is to be alone in its batch, 0 for others.
    """

    served: Any
    options: tuple
    aligned: bool
    number: int = 0

    def __call__(self, sources: Sequence[Any]) -> list[Any]:
        """The JSON of the answer to each source."""
        answers = self.served.pipeline(
            sources,
            batch_size=len(sources),
            return_scores=True,
            return_alignment=self.aligned,
            progress=False,
            **dict(self.options),
        )
        return [
            list(map(self.served.as_json, answer))
            if isinstance(answer, list)
            else self.served.as_json(answer)
            for answer in answers
        ]


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
        self.has_alignment = attention is not None
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
            "languages": self.pipeline.languages,
            "known_languages": sorted(getattr(processor, "languages", ())),
            "num_beams": beams_of({}, self.pipeline.generation),
            "has_alignment": self.has_alignment,
            "max_source_length": processor.max_source_length if self.reads == "text" else None,
            "max_target_length": processor.max_target_length,
            "options": sorted(Options.model_fields),
        }

    def warm(self, _: Any) -> list[None]:
        """Runs what most requests ask for, so that none has to wait until it is compiled."""
        batches: Any = WARM
        if self.reads == "image":
            black = np.zeros((*self.pipeline.processor.size, 3), "uint8")
            batches = [[black], [black], [black] * 2]
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
        self._check(request, options)
        # What a seed draws depends on the whole batch.
        alone = next(self._numbers) if "seed" in options else 0
        return Generation(self, tuple(sorted(options.items())), request.return_alignment, alone)

    def stream(self, request: Any, source: Any) -> Callable[[], Iterator[Result]]:
        """Returns a function that begins `Pipeline.stream` for the only source of a request.

        Raises:
            Refused: 422 for options that do not fit the model, or are not of greedy search.
        """
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
        """Raises Refused for options that do not fit the model or one another."""
        if request.return_alignment and not self.has_alignment:
            raise Refused(
                422, "This checkpoint has no attention, so there is no alignment. Leave it out."
            )
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
            search = self.pipeline.plan(options, True, request.return_alignment, **languages)
            check_names(seed, search.strategy)
            if self.reads == "text":
                processor.encode_source([""])  # which needs the languages, where there are many
        except ValueError as error:
            raise Refused(422, str(error)) from error
        except BaseException as error:  # tokenizers in native code may panic
            if is_failure(error):
                raise failed(error) from error
            raise

    def read(self, images: Sequence[bytes], given_up: Callable[[], bool]) -> list[np.ndarray]:
        """Makes of the files of images the pixels that the model reads.

        Args:
            images: list of bytes.
            given_up: function that says whether nobody waits for them any more.

        Raises:
            Refused: 422 for more than `MOST_PIXELS` together, 400 for what cannot be read.
        """
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

    def as_json(self, result: Result) -> dict[str, Any]:
        """A `Result` as plain JSON: what it does not have is left out."""
        found = {
            "text": result.text,
            "score": _finite(result.score),
            "source_tokens": list(result.source_tokens),
            "target_tokens": list(result.target_tokens),
        }
        if self.reads == "image":
            del found["source_tokens"]
        for name in ("alignment", "p_gen"):
            if (value := getattr(result, name)) is not None:
                found[name] = _finite(np.round(np.asarray(value, "float64"), 4).tolist())
        return found


def _finite(value):
    """A number, or nested lists of numbers: null in place of what JSON has no number for."""
    if isinstance(value, list):
        return [_finite(x) for x in value]
    return value if value is None or math.isfinite(value) else None
