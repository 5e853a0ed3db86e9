"""What the frozen part of an image encoder makes of each image, computed once and kept on disk."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from s2s_zoo.protocol.types import StrPath
from s2s_zoo.training.distribution import alone, current, gather


class FeatureCache:
    """The features of images and of their mirror images, in one file.

    The name of the file depends on the sources, on the size they are read in, on the frozen
    weights and on which of the network's layers are kept, so a later training finds what still
    fits and computes what does not.

    Args:
        pipeline: a captioning `Pipeline`; what `encoder.freeze` froze is what is kept.
        sources: list of str, the files of the images.
        directory: str or path, where to keep the file.
        batch_size: int, images run at once.

    Call arguments:
        sources: list of str, of those above.
        mirrored: (B,) bool.

    Returns:
        (B, h, w, C) float16, which the encoder takes in place of pixels.
    """

    def __init__(
        self, pipeline: Any, sources: Iterable[str], directory: StrPath, batch_size: int = 64
    ) -> None:
        self.processor = pipeline.processor
        self.sources = sorted(set(sources))
        self.places = {source: place for place, source in enumerate(self.sources)}
        encoder = pipeline.model.encoder
        kept = (encoder.train_from, encoder.finer)  # layers without weights tell no parts apart
        seen = (self.sources, self.processor.size, self.processor.resize, kept)
        digest = hashlib.sha256(repr(seen).encode())
        with alone(pipeline) as copy:
            if copy is not pipeline:
                copy.model.encoder.freeze(pipeline.model.encoder.train_from)
            frozen = copy.model.encoder.frozen()
            for weight in frozen.weights:
                digest.update(ops.convert_to_numpy(weight.value).astype("float32").tobytes())
            self.path = Path(directory) / f"features-{digest.hexdigest()[:16]}.npy"
            if current().process == 0 and not self.path.exists():
                self._compute(frozen, batch_size)
        gather(None)  # all wait for the file
        self.features = np.load(self.path, mmap_mode="r")

    def _compute(self, frozen, batch_size):
        from tqdm import tqdm

        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        shape = (2, len(self.sources), *frozen.output.shape[1:])
        features = np.lib.format.open_memmap(aside, "w+", "float16", shape)
        for start in tqdm(range(0, len(self.sources), batch_size), "features", file=sys.stderr):
            part = self.sources[start : start + batch_size]
            pixels = np.stack(self.processor.encode_source(part))
            for mirrored, view in enumerate((pixels, pixels[:, :, ::-1])):
                made = ops.convert_to_numpy(frozen.predict_on_batch(np.ascontiguousarray(view)))
                # Under a strategy of TensorFlow each replica makes all of them.
                features[mirrored, start : start + len(part)] = made[: len(part)]
        features.flush()
        os.replace(aside, self.path)

    def __call__(self, sources: Iterable[str], mirrored: Any) -> np.ndarray:
        places = [self.places[source] for source in sources]
        return self.features[np.asarray(mirrored, int), places]
