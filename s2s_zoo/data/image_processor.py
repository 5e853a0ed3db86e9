"""What a captioning model reads and writes: images to pixels, ids to text."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s2s_zoo.data.images import image_files, is_address, read_image, resized
from s2s_zoo.data.pages import WITHOUT_GRAPH
from s2s_zoo.data.pairs import PairSource
from s2s_zoo.data.stored import describe_tokenizer
from s2s_zoo.data.targets import Targets
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    from s2s_zoo.data.captions import CaptionBatches

RESIZES = ("stretch", "bicubic", "crop", *WITHOUT_GRAPH)
SMALLEST, LARGEST = 32, 4096  # pixels of a side
WINDOW, MOST = 256, 1 << 26  # images held in memory at once, and pixels


class ImageProcessor(Targets):
    """Images to pixels of one size, and the ids of captions to text.

    Args:
        target_tokenizer: a tokenizer of the table `TOKENIZERS`.
        size: (H, W) of what the model reads.
        resize: "stretch", "bicubic", "crop", "middle", "page" or "turned_page", see `resized`.
        max_target_length: int, the longest caption in tokens, END counted.
    """

    TYPE = "image"
    reads = "image"
    KEYS = ("type", "target_tokenizer", "size", "resize", "max_target_length")

    def __init__(
        self,
        target_tokenizer: Any,
        size: Sequence[int] = (224, 224),
        resize: Literal["stretch", "bicubic", "crop", "middle", "page", "turned_page"] = "stretch",
        max_target_length: int = 40,
    ) -> None:
        if (
            not isinstance(size, list | tuple)
            or len(size) != 2
            or not all(type(side) is int and SMALLEST <= side <= LARGEST for side in size)
        ):
            raise ValueError(
                f"ImageProcessor expected size=(height, width), {SMALLEST} to {LARGEST} pixels "
                f"each. Received: size={size!r}."
            )
        if resize not in RESIZES:
            raise ValueError(
                f"ImageProcessor expected resize to be one of {RESIZES}. Received: {resize!r}."
            )
        super().__init__(target_tokenizer, max_target_length)
        self.size = tuple(size)
        self.resize = resize
        self.window = max(1, min(WINDOW, MOST // math.prod(size)))

    def collect(self, sources: Any) -> tuple[Iterable[Any], bool]:
        """Returns the sources of a call one by one, and whether it was a single one.

        A folder stands for the images in it, in the order of their names.
        """
        if isinstance(sources, str | os.PathLike) and not is_address(sources):
            if os.path.isdir(sources):
                return image_files(sources), False
            return [sources], True
        # An array, a Pillow image and an open file are one image, whatever else they are.
        several = hasattr(sources, "__next__") and not hasattr(sources, "read")
        if isinstance(sources, list | tuple) or several:
            return sources, False
        return [sources], True

    def is_blank(self, source: Any) -> bool:
        """Whether there is nothing in a source to write about: never."""
        return False

    def encode_source(self, sources: Iterable[Any]) -> list[np.ndarray]:
        """Returns a list of (H, W, 3) uint8 arrays of images: see `read_image`."""
        return [resized(read_image(source), self.size, self.resize) for source in sources]

    def source_pieces(self, row: Any, source: Any) -> tuple[str, ...]:
        """Regions have no names."""
        return ()

    def check_model(self, model: Any) -> None:
        """Raises ValueError unless a model has the vocabulary and reads images of the size."""
        super().check_model(model)
        size = getattr(model.encoder, "size", None)
        if size != self.size:
            raise ValueError(
                f"Pipeline expected a model that reads images of the size of the processor, "
                f"{self.size}. Received: {size}. Make the model with size={self.size}."
            )

    def held_out(
        self, pairs: Iterable[tuple[str, str]], folder: StrPath | None = None
    ) -> tuple[list[str], list[list[str]]]:
        """Returns the files of the images, and for each the list of its captions.

        Args:
            pairs: list of (file, caption), several for a file.
            folder: str or path that the names of the files begin from.
        """
        captions: dict[str, list[str]] = {}
        for name, text in pairs:
            captions.setdefault(str(Path(folder or "") / name), []).append(text)
        return list(captions), list(captions.values())

    def training_batches(self, pairs: PairSource, **options: Any) -> CaptionBatches:
        """See `CaptionBatches`."""
        from s2s_zoo.data.captions import CaptionBatches

        return CaptionBatches(self, pairs, **options)

    def get_config(self) -> Config:
        """Plain JSON: what `processor.json` holds."""
        return {
            "type": self.TYPE,
            "target_tokenizer": describe_tokenizer(self.target_tokenizer, "tokenizer.model"),
            "size": list(self.size),
            "resize": self.resize,
            "max_target_length": self.max_target_length,
        }
