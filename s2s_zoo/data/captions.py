"""Training batches of images and their captions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from s2s_zoo.data.augmentation import Augmentation
from s2s_zoo.data.batching import TokenBatches
from s2s_zoo.data.images import read_image, resized
from s2s_zoo.data.mirrored import mirrored_caption
from s2s_zoo.data.pairs import PairSource, read_pairs
from s2s_zoo.protocol import PAD, UNK


class CaptionBatches(TokenBatches):
    """Batches of images with one of their captions each; see `TokenBatches`.

    "source" holds (B, H, W, 3) pixels, or what `images` makes of the sources. Every caption is in
    one batch an epoch, so an image is in as many as it has captions.

    Args:
        processor: an `ImageProcessor`.
        pairs: what `read_pairs` accepts: (file of the image, caption).
        images: function of a list of the sources and of (B,) bool, which of them to show
            mirrored, that returns what the encoder reads, (B, ...); None reads the files.
        mirror: bool, show each image mirrored in one of two cases, with a caption in which left
            and right are swapped; or the function that does that to a caption of another language,
            and returns None where an image had better not be mirrored.
        augment: an `Augmentation`, another one of each image in each batch; None shows the images
            as they are. It needs pixels, so there are no `images` beside it.
        **options: of `TokenBatches`.

    Raises:
        ValueError: for `images` and `augment`.
    """

    def __init__(
        self,
        processor: Any,
        pairs: PairSource,
        images: Callable[[list[str], np.ndarray], Any] | None = None,
        mirror: bool | Callable[[str], str | None] = True,
        augment: Augmentation | None = None,
        **options: Any,
    ) -> None:
        if images is not None and augment is not None:
            raise ValueError(
                "CaptionBatches expected either images or augment: what is computed once cannot "
                "be another each time. Received: both. Leave one of them out."
            )
        pairs = read_pairs(pairs)
        self.names = sorted({name for name, _ in pairs})
        self.images = images
        self.mirror = mirrored_caption if mirror is True else mirror
        self.augment = augment
        self.image_processor = processor
        places = {name: str(place) for place, name in enumerate(self.names)}
        super().__init__(
            _Places(processor), [(places[name], text) for name, text in pairs], **options
        )
        self._swapped = self._mirrored_labels() if self.mirror else None

    def _mirrored_labels(self):
        """For each shape its labels as mirrored images have them, and which images may be."""
        _, captions = self._texts
        swapped = [self.mirror(text) for text in captions]
        other = [i for i, text in enumerate(captions) if swapped[i] not in (None, text)]
        encoded = self.processor.encode_target([swapped[i] for i in other], truncate=False)
        rows = dict(zip(other, encoded, strict=True))
        made = []
        for members, (_, _, length) in zip(self._members, self.shapes, strict=True):
            fitting = {place for place in members if len(rows.get(place, ())) <= length}
            labels = [
                rows[place] if place in rows and place in fitting else [] for place in members
            ]
            may = [swapped[place] is not None and place in fitting for place in members]
            # The last row fills batches.
            made.append((self.processor.pad([*labels, []], length), np.array([*may, False])))
        return made

    def _pixels(self, names, mirrored, generator):
        if self.augment is None:
            pixels = np.stack(self.image_processor.encode_source(names))
        else:
            size, resize = self.image_processor.size, self.image_processor.resize
            images = [self.augment(read_image(name), generator) for name in names]
            pixels = np.stack([resized(image, size, resize) for image in images])
        pixels[mirrored] = pixels[mirrored][:, :, ::-1]
        return pixels

    def _buckets(self, epoch):
        """Places of images and labels; the mirrored images follow the others."""
        generator = np.random.default_rng([self.seed, epoch, 1])
        buckets = []
        for bucket, (places, labels) in enumerate(super()._buckets(epoch)):
            if self._swapped is not None:
                swapped, may = self._swapped[bucket]
                mirrored = generator.integers(2, size=len(places)) * may
                places = places + len(self.names) * mirrored[:, None]
                others = (mirrored == 1) & (swapped[:, 0] != PAD)
                labels = np.where(others[:, None], swapped, labels)
            buckets.append((places, labels))
        return buckets

    def _noisy(self, buckets, bucket, rows, epoch, index):
        inputs, labels, weights = super()._noisy(buckets, bucket, rows, epoch, index)
        mirrored, places = np.divmod(inputs["source"][:, 0], len(self.names))
        mirrored = (mirrored == 1) & bool(self.mirror)  # a row that fills a batch looks like one
        names = [self.names[place] for place in places]
        if self.images is not None:
            images = self.images(names, mirrored)
        else:
            generator = np.random.default_rng([self.seed, epoch, index, 2])
            images = self._pixels(names, mirrored, generator)
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
