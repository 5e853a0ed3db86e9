"""What a speech model reads and writes: sound to log-mel features, ids to text."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.data.images import is_address
from s2s_zoo.data.pairs import PairSource
from s2s_zoo.data.sound import SILENT, Recording, Sound, is_sound_array, sound_files
from s2s_zoo.data.stored import describe_tokenizer
from s2s_zoo.data.targets import Targets
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    from s2s_zoo.data.recordings import AudioBatches


class AudioProcessor(Targets):
    """Sound to log-mel features, and the ids of transcriptions to text.

    Args:
        target_tokenizer: a tokenizer of the table `TOKENIZERS`.
        max_target_length: int, the longest transcription in tokens, END counted.
        mels, rate, frame, hop: int, of the features: see `LogMelFeatures`.
    """

    TYPE = "audio"
    reads = "audio"
    KEYS = ("type", "target_tokenizer", "max_target_length", "mels", "rate", "frame", "hop")
    window = 64  # sounds held in memory at once

    def __init__(
        self,
        target_tokenizer: Any,
        max_target_length: int = 256,
        mels: int = 80,
        rate: int = 16000,
        frame: int = 400,
        hop: int = 160,
    ) -> None:
        limits = {"mels": (mels, 1024), "rate": (rate, 192_000), "frame": (frame, 1 << 16)}
        limits["hop"] = (hop, frame if type(frame) is int else 1)
        for name, (value, most) in limits.items():
            if type(value) is not int or not 1 <= value <= most:
                raise ValueError(
                    f"AudioProcessor expected {name} from 1 to {most}. Received: {name}={value!r}."
                )
        super().__init__(target_tokenizer, max_target_length)
        self.mels = mels
        self.rate = rate
        self.frame = frame
        self.hop = hop

    def collect(self, sources: Any) -> tuple[Iterable[Any], bool]:
        """Returns the sources of a call one by one, and whether it was a single one.

        A folder stands for the sound files in it, in the order of their names.
        """
        if isinstance(sources, str | os.PathLike) and not is_address(sources):
            if os.path.isdir(sources):
                return sound_files(sources), False
            return [sources], True
        single = is_sound_array(sources) or isinstance(sources, Sound)
        several = hasattr(sources, "__next__") and not hasattr(sources, "read")
        if not single and (isinstance(sources, list | tuple) or several):
            return sources, False
        return [sources], True

    def is_blank(self, source: Any) -> bool:
        """Whether a source is silent. Open files and addresses, read only once, never are."""
        if hasattr(source, "read") or is_address(source):
            return False
        blocks = Recording(source, self.rate).blocks()
        return all(float(np.abs(block).max(initial=0)) < SILENT for block in blocks)

    def read(self, source: Any) -> Sound:
        """All of a source in the rate of the features: see `Recording`."""
        return Recording(source, self.rate).read()

    def features(self, samples: np.ndarray) -> np.ndarray:
        """The features (N // hop, M) float32 of samples (N,)."""
        from s2s_zoo.layers.mel import log_mel  # whose room asks for oneDNN

        return log_mel(samples, self.mels, self.rate, self.frame, self.hop)

    def encode_source(self, sources: Iterable[Any]) -> list[np.ndarray]:
        """Returns a list of (T, M) float32 features, at least one, of what `Recording` takes."""
        samples = (self.read(source).samples for source in sources)
        return [self.features(np.pad(x, (0, max(0, self.hop - len(x))))) for x in samples]

    def source_pieces(self, row: Any, source: Any) -> tuple[str, ...]:
        """Frames have no names."""
        return ()

    def check_model(self, model: Any) -> None:
        """Raises ValueError unless a model has the vocabulary and reads the features."""
        super().check_model(model)
        mels = getattr(model.encoder, "mels", None)
        if mels != self.mels:
            raise ValueError(
                f"Pipeline expected a model that reads features of {self.mels} bands, those of the "
                f"processor. Received: {mels}. Make the model with mels={self.mels}."
            )

    def held_out(
        self, pairs: Iterable[tuple[str, str]], folder: StrPath | None = None
    ) -> tuple[list[str], list[str]]:
        """Returns the files of the recordings, and what is said in each.

        Args:
            pairs: list of (file, text).
            folder: str or path that the names of the files begin from.
        """
        found = [(str(Path(folder or "") / name), text) for name, text in pairs]
        return [name for name, _ in found], [text for _, text in found]

    def training_batches(self, pairs: PairSource, **options: Any) -> AudioBatches:
        """See `AudioBatches`."""
        from s2s_zoo.data.recordings import AudioBatches

        return AudioBatches(self, pairs, **options)

    def get_config(self) -> Config:
        """Plain JSON: what `processor.json` holds."""
        return {
            "type": self.TYPE,
            "target_tokenizer": describe_tokenizer(self.target_tokenizer, "tokenizer.model"),
            "max_target_length": self.max_target_length,
            "mels": self.mels,
            "rate": self.rate,
            "frame": self.frame,
            "hop": self.hop,
        }
