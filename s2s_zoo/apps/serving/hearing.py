"""Recordings that are sent: looked through before they wait, and what is said in them as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.apps.serving.refused import Refused
from s2s_zoo.data.sound import Recording
from s2s_zoo.protocol.errors import DataError

MOST_SECONDS = 3600.0  # of the recordings of a request
AT_ONCE = 60.0  # seconds that a model without windows reads


class Heard(NamedTuple):
    """A recording that can be decoded to its end.

    Attributes:
        data: bytes of its file.
        seconds: float.
    """

    data: bytes
    seconds: float


def looked_through(
    files: Sequence[bytes], pipeline: Any, given_up: Callable[[], bool]
) -> list[Heard]:
    """Decodes recordings to their end, and keeps nothing of it but how long they are.

    Args:
        files: list of bytes.
        pipeline: the Pipeline that they are for.
        given_up: function that says whether nobody waits for them any more.

    Raises:
        Refused: 400 for what cannot be read, 422 for recordings that are too long.
    """
    rate, total = pipeline.processor.rate, 0.0
    found: list[Heard] = []
    for number, data in enumerate(files):
        which, count = f"Recording {number + 1} of {len(files)}", 0
        try:
            for block in Recording(data, rate).blocks():
                count += len(block)
                if given_up():
                    return found
                if total + count / rate > MOST_SECONDS:
                    raise Refused(
                        422,
                        f"Expected recordings of at most {MOST_SECONDS:g} seconds together in a "
                        f"request. Received: more, up to {which.lower()}. Cut them.",
                    )
        except DataError as error:
            raise Refused(400, f"{which}: {error}") from error
        seconds = count / rate
        if pipeline.transcriber is None and seconds > AT_ONCE:
            raise Refused(
                422,
                f"{which}: this model reads at most {AT_ONCE:g} seconds at once. Received: "
                f"{seconds:.1f}. Cut it.",
            )
        total += seconds
        found.append(Heard(data, seconds))
    return found


def work_of(heard: Heard, pipeline: Any, options: dict[str, Any]) -> int:
    """The tokens that are written of a recording at most."""
    processor = pipeline.processor
    longest, frames = processor.max_target_length, int(heard.seconds * processor.rate)
    frames //= processor.hop
    if pipeline.transcriber is None:
        asked = options.get("max_length", pipeline.searcher.longest_target(frames))
        return min(asked, longest)
    windows = max(1, math.ceil(frames / processor.frames))
    return windows * min(options.get("max_length", longest), longest)


def describe(pipeline: Any) -> dict[str, Any] | None:
    """What a client may want to know of the recordings a model reads, None of other models."""
    processor = pipeline.processor
    if processor.reads != "audio":
        return None
    segments = pipeline.transcriber is not None
    tasks = sorted(processor.tasks) if segments else []
    return {"rate": processor.rate, "segments": segments, "tasks": tasks}


def noise(pipeline: Any) -> tuple[np.ndarray, int]:
    """A second in which something is to be heard."""
    rate = pipeline.processor.rate
    return (0.1 * np.random.default_rng(0).normal(size=rate)).astype("float32"), rate


def segment_as_json(segment: Any) -> dict[str, Any]:
    """A `Segment` as plain JSON, its words where it has some."""
    found = {**segment._asdict(), "words": [word._asdict() for word in segment.words]}
    if not segment.words:
        del found["words"]
    if not math.isfinite(segment.score):
        found["score"] = None
    return found


def transcript_as_json(transcript: Any) -> dict[str, Any]:
    """A `Transcript`, or its text alone, as plain JSON."""
    if isinstance(transcript, str):
        return {"text": transcript}
    segments = [segment_as_json(segment) for segment in transcript.segments]
    return {**transcript._asdict(), "segments": segments}
