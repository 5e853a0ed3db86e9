"""Training batches of images and their captions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from s2s_zoo.data.batching import TokenBatches
from s2s_zoo.data.pairs import PairSource, read_pairs
from s2s_zoo.protocol import UNK


class CaptionBatches(TokenBatches):
    """Batches of images with one of their captions each; see `TokenBatches`.

    "source" holds (B, H, W, 3) pixels, or what `images` makes of the sources. Every caption is in
    one batch an epoch, so an image is in as many as it has captions.

    Args:
        processor: an `ImageProcessor`.
        pairs: what `read_pairs` accepts: (file of the image, caption).
        images: function of a list of the sources and of (B,) bool, which of them to show
            mirrored, that returns what the encoder reads, (B, ...); None reads the files.
        mirror: bool, show each image mirrored in one of two cases.
        **options: of `TokenBatches`.
    """

    def __init__(
        self,
        processor: Any,
        pairs: PairSource,
        images: Callable[[list[str], np.ndarray], Any] | None = None,
        mirror: bool = True,
        **options: Any,
    ) -> None:
        pairs = read_pairs(pairs)
        self.names = sorted({name for name, _ in pairs})
        self.images = images or self._pixels
        self.mirror = mirror
        self.image_processor = processor
        places = {name: str(place) for place, name in enumerate(self.names)}
        super().__init__(
            _Places(processor), [(places[name], text) for name, text in pairs], **options
        )

    def _pixels(self, names, mirrored):
        pixels = np.stack(self.image_processor.encode_source(names))
        pixels[mirrored] = pixels[mirrored][:, :, ::-1]
        return pixels

    def _buckets(self, epoch):
        """Places of images and labels; the mirrored images follow the others."""
        generator = np.random.default_rng([self.seed, epoch, 1])
        buckets = []
        for places, labels in super()._buckets(epoch):
            mirrored = generator.integers(2, size=places.shape) if self.mirror else 0
            buckets.append((places + len(self.names) * mirrored, labels))
        return buckets

    def _noisy(self, buckets, bucket, rows, epoch, index):
        inputs, labels, weights = super()._noisy(buckets, bucket, rows, epoch, index)
        mirrored, places = np.divmod(inputs["source"][:, 0], len(self.names))
        images = self.images([self.names[place] for place in places], mirrored == 1)
        return {**inputs, "source": images}, labels, weights


class _Places:
    """Stands for a processor whose sources are the places of images in a list.

    Args:
        processor: of the captions.
    """

    reads = "image"
    unknown_id = UNK
    max_source_length = 1

    def __init__(self, processor):
        self.processor = processor
        self.max_target_length = processor.max_target_length

    def protected(self, places, texts):
        return places, texts

    def encode_source(self, places, truncate=True, sampling=None):
        return [np.array([int(place)]) for place in places]

    def encode_target(self, texts, truncate=True, sampling=None, sources=None):
        return self.processor.encode_target(texts, truncate, sampling, sources)

    def pad(self, rows, length=None):
        return self.processor.pad(rows, length)
