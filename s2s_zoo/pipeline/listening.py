"""A recording, window after window, as a transcription goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.data.sound import SILENT, Recording, Sound
from s2s_zoo.layers.mel import log_powers, scaled
from s2s_zoo.protocol.errors import DataError


class Window(NamedTuple):
    """A part of a recording.

    Attributes:
        features: (window, M) float32.
        start: int, its first frame.
        frames: int, those that are of the recording, at most the window.
    """

    features: np.ndarray
    start: int
    frames: int


class Listening:
    """Where a transcription stands in a recording, and what it knows of it.

    A recording that is longer than a window is read twice: once for how loud it becomes, which all
    features depend on, and once as it is transcribed. Nothing of its length is in memory.

    Args:
        processor: a `PretrainedAudioProcessor`.
        source: what `Recording` takes.

    Attributes:
        name: str, for messages.
        is_long: bool, longer than a window.
        frames: int, all of the recording.
        language: int, an id, or None while it is not known.
        history: list of int, the tokens that were written so far.
    """

    def __init__(self, processor: Any, source: Any) -> None:
        self.processor = processor
        self.size = processor.frames
        self.language: int | None = None
        self.history: list[int] = []
        self.place = 0
        if hasattr(source, "read"):
            source = _bytes_of(source)
        recording = Recording(source, processor.rate)
        self.name = recording.name
        room, pieces, count, peak = self.size * processor.hop, [np.zeros(0, "float32")], 0, 0.0
        blocks = recording.blocks()
        for block in blocks:
            pieces.append(block)
            count += len(block)
            peak = max(peak, float(np.abs(block).max(initial=0)))
            if count > room:
                break
        self.is_long = count > room
        if self.is_long:
            begun = np.concatenate(pieces)
            count, peak, loudest = self._measure(begun, blocks, peak)
            self._loudest = loudest
            self._coming = self._powers(Recording(source, processor.rate).blocks())
            self._kept, self._first = np.zeros((0, processor.mels)), 0
        else:
            self._whole = processor.window_of(Sound(np.concatenate(pieces), self.name))
        self.seconds = count / processor.rate
        self.frames = count // processor.hop
        self.is_silent = peak < SILENT

    def _powers(self, blocks):
        shape = self.processor
        return log_powers(blocks, shape.mels, shape.rate, shape.frame, shape.hop)

    def _measure(self, begun, blocks, peak):
        """Samples, the loudest of them and the loudest band of a recording."""
        count, loudest = 0, -np.inf

        def counted():
            nonlocal count, peak
            for block in _chain(begun, blocks):
                count += len(block)
                peak = max(peak, float(np.abs(block).max(initial=0)))
                yield block

        for powers in self._powers(counted()):
            loudest = max(loudest, float(powers.max(initial=-np.inf)))
        return count, peak, loudest

    @property
    def ended(self) -> bool:
        """Whether nothing is left to transcribe."""
        return self.is_silent or self.place >= self.frames

    def window(self) -> Window:
        """The window that begins where the transcription stands."""
        left = min(self.size, self.frames - self.place)
        if not self.is_long:
            features = self._whole
            if self.place:  # as of a longer recording, zeros behind it
                behind = self._whole[self.place : self.frames]
                features = np.zeros_like(self._whole)
                features[: len(behind)] = behind
            return Window(features, self.place, left)
        while self._first + len(self._kept) < self.place + left:
            self._kept = np.concatenate([self._kept, next(self._coming)])
            passed = min(self.place - self._first, len(self._kept))
            self._kept, self._first = self._kept[passed:], self._first + passed
        start = self.place - self._first
        features = np.zeros((self.size, self.processor.mels), "float32")
        features[:left] = scaled(self._kept[start : start + left], self._loudest)
        return Window(features, self.place, left)

    def go_on(self, frames: int) -> None:
        """Moves on, by one frame at least."""
        self.place += max(1, frames)


def _chain(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from others


def _bytes_of(file):
    """What is in an open file, which may be read once."""
    from s2s_zoo.data.sound import MOST_BYTES

    data = file.read(MOST_BYTES + 1)
    if not isinstance(data, bytes) or len(data) > MOST_BYTES:
        raise DataError(
            f"An open file expected at most {MOST_BYTES:,} bytes, opened in binary mode. Received: "
            f"{type(data).__name__} of {len(data):,}. Give the name of the file."
        )
    return data
