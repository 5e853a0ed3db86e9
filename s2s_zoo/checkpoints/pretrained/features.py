"""Sound to the filter banks of an imported speech model, and its ids to text."""

from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    SPECIAL,
    Files,
    PieceTokenizer,
    Read,
    need,
    read_pieces,
    read_vocabulary,
)
from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.protocol.types import Config

# What its tokenizer does of tokenizer_config.json; transformers does nothing for do_lower_case.
SETTINGS = ("do_upper_case", "do_lower_case", "lang_codes", "tgt_lang")


def tokenizer(files: Files, config: Config) -> Read:
    """SentencePiece, whose pieces have the ids of vocab.json."""
    used = ("sentencepiece.bpe.model", "vocab.json")
    need(files, "speech_to_text", used)
    vocabulary, pieces = read_vocabulary(files, used[1]), read_pieces(files, used[0])
    special = [piece for piece in SPECIAL if piece in vocabulary]
    return PieceTokenizer(pieces, pieces, vocabulary, special), used


class PretrainedFeatureProcessor(FromFiles, AudioProcessor):
    """The tokenizer and the features of a published Speech2Text.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        options: dict with the keys OPTIONS: "vocabulary_size", "special" (the ids of padding and
            end), "mels", "normalize" (whether the mean and the deviation of each band are),
            "max_target_length", "tokenizer" (tokenizer_config.json).
    """

    TYPE = "pretrained_features"
    OPTIONS = (
        "vocabulary_size",
        "special",
        "mels",
        "normalize",
        "max_target_length",
        "tokenizer",
    )

    # What a processor of several languages for texts would say otherwise.
    forces_language = begins_with_target = False
    target, pair = None, (None, None)

    def __init__(self, files: Files, options: Config) -> None:
        self.options = dict(options)
        settings = options["tokenizer"]
        self.tokenizer, used = tokenizer(files, settings)
        self.tokenizer.add(settings.get("added_tokens", {}))
        self.files = {name: files[name] for name in used}
        said = {"target_vocabulary_size": options["vocabulary_size"], **options}
        side = Side(self.tokenizer, said, target=True)
        super().__init__(side, options["max_target_length"], mels=options["mels"])
        self.normalize = tuple(map(bool, options["normalize"]))

    def features(self, samples: np.ndarray) -> np.ndarray:
        """The features (T, M) float32 of samples (N,), at least one frame."""
        from s2s_zoo.layers.filter_banks import filter_banks, normalized  # asks for oneDNN

        return normalized(filter_banks(samples, self.mels, self.rate), *self.normalize)

    def _texts(self, rows: Any, sources: Any) -> list[str]:
        texts = self.target_tokenizer.decode(rows)
        upper = self.options["tokenizer"].get("do_upper_case", False)
        return [text.upper() for text in texts] if upper else texts

    def get_config(self) -> Config:
        return FromFiles.get_config(self)
