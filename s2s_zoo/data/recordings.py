"""Training batches of recordings and what is said in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.data.batching import TokenBatches
from s2s_zoo.data.buckets import LENGTHS
from s2s_zoo.data.pairs import PairSource, read_pairs
from s2s_zoo.data.sound import Recording
from s2s_zoo.protocol import UNK
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import StrPath

FRAMES = (*LENGTHS, *range(1280, 4097, 256))
FILLER = 1.0  # of a band in a row without a recording: a source has a frame that is real


class AudioBatches(TokenBatches):
    """Batches of recordings with what is said in each; see `TokenBatches`.

    "source" holds (B, S, M) features with frames of zeros behind shorter ones, read and made for
    each batch, so that the recordings of a data set need not fit into memory.

    Args:
        processor: an `AudioProcessor`.
        pairs: what `read_pairs` accepts: (file of the recording, text).
        folder: str or path that the names of the files begin from.
        seconds: float, the longest recording that is trained on; longer ones are left out, with a
            warning. A model that reads windows reads no more than one.
        lengths: sequence of int, what S, in frames, and T may be.
        **options: of `TokenBatches`; `batch_tokens` counts target positions here too.

    Raises:
        DataError: for a file that is not there, or is no sound.
    """

    def __init__(
        self,
        processor: Any,
        pairs: PairSource,
        folder: StrPath | None = None,
        seconds: float = 30.0,
        lengths: Sequence[int] = FRAMES,
        **options: Any,
    ) -> None:
        if not seconds > 0:
            raise ValueError(
                f"AudioBatches expected seconds above 0. Received: seconds={seconds!r}."
            )
        found = [(str(Path(folder or "") / name), text) for name, text in read_pairs(pairs)]
        self.names = sorted({name for name, _ in found})
        places = {name: str(place) for place, name in enumerate(self.names)}
        longest = int(seconds * processor.rate) // processor.hop
        stand_in = _Places(processor, self.names, longest)
        super().__init__(
            stand_in, [(places[name], text) for name, text in found], lengths=lengths, **options
        )
        self.audio_processor = processor

    def _fill(self, sources, labels):
        """For each shape the places of its recordings, and its labels."""
        filled = []
        for members, (_, _, length) in zip(self._members, self.shapes, strict=True):
            rows = [labels[m] if len(labels[m]) <= length else self._rows[1][m] for m in members]
            places = [sources[m].start for m in members]
            filled.append((np.array([*places, -1]), self.processor.pad([*rows, []], length)))
        return filled

    def _noisy(self, buckets, bucket, rows, epoch, index):
        inputs, labels, weights = super()._noisy(buckets, bucket, rows, epoch, index)
        length = self.shapes[bucket][1]
        source = np.zeros((len(labels), length, self.audio_processor.mels), "float32")
        for row, place in zip(source, inputs["source"], strict=True):
            if place < 0:
                row[0] = FILLER
                continue
            [features] = self.audio_processor.encode_source([self.names[place]])
            row[: len(features)] = features[:length]
        return {**inputs, "source": source}, labels, weights


class _Places:
    """Stands for a processor whose sources are the places of recordings in a list.

    A source is a range that begins with its place and is as long as the recording has frames.

    Args:
        processor: of the texts.
        names: list of str, the files.
        longest: int, frames.
    """

    reads = "audio"
    unknown_id = UNK

    def __init__(self, processor: Any, names: list[str], longest: int) -> None:
        self.processor = processor
        self.names = names
        window = getattr(processor, "frames", None)  # of a model that reads so many at once
        self.max_source_length = longest if window is None else min(longest, window)
        self.max_target_length = processor.max_target_length
        self.window = window

    def protected(self, places, texts):
        return places, texts

    def encode_source(self, places, truncate=True, sampling=None):
        return [self._range(int(place)) for place in places]

    def _range(self, place):
        recording = Recording(self.names[place], self.processor.rate)
        seconds = recording.seconds
        if seconds is None:
            seconds = len(recording.read().samples) / self.processor.rate
        frames = round(seconds * self.processor.rate) // self.processor.hop
        if not frames:
            raise DataError(
                f"{self.names[place]} is shorter than a frame, so nothing is said in it. Leave it "
                "out of the data."
            )
        if self.window is not None and frames <= self.window:
            frames = self.window  # with silence behind it
        return range(place, place + frames)

    def encode_target(self, texts, truncate=True, sampling=None, sources=None):
        return self.processor.encode_target(texts, truncate, sampling)

    def pad(self, rows, length=None):
        return self.processor.pad(rows, length)
