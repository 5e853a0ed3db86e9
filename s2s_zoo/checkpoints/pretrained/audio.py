"""Sound to the features of an imported recognizer, and its ids to text."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained.sides import FromFiles, Side
from s2s_zoo.checkpoints.pretrained.tokenizers import UNKNOWN, Files, byte_level
from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.data.sound import Sound
from s2s_zoo.protocol.errors import CheckpointError, DataError
from s2s_zoo.protocol.registry import unknown_name
from s2s_zoo.protocol.types import Config

START, TIMELESS = "<|startoftranscript|>", "<|notimestamps|>"
# What no one writes and no prompt holds: the id of padding, which a Whisper shares with END.
UNUSED = "<|startoflm|>"
PREVIOUS = "<|startofprev|>"
SILENCE = ("<|nospeech|>", "<|nocaptions|>")


class PretrainedAudioProcessor(FromFiles, AudioProcessor):
    """The tokenizer and the features of a published Whisper.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        options: dict with the keys OPTIONS: "vocabulary_size", "end" (the id of the end token),
            "mels", "rate", "frame" and "hop" of the features, "window" (frames that are read at
            once), "max_target_length", "languages" ({code: id}, empty of a model of one language),
            "tasks" ({name: id}), "timeless" (the id of <|notimestamps|>; timestamps follow it),
            "suppress" and "begin_suppress" (ids that are not written, or not first),
            "latest_begin" (the last timestamp that a text may begin with, counted from the first,
            or None), "alignment_heads" ([[layer, head], …]).

    Attributes:
        written: (language, task) of the texts that a training or a score is given, English that
            is spoken where nobody sets it.
    """

    TYPE = "pretrained_audio"
    OPTIONS = (
        "vocabulary_size", "end", "mels", "rate", "frame", "hop", "window", "max_target_length",
        "languages", "tasks", "timeless", "suppress", "begin_suppress", "latest_begin",
        "alignment_heads",
    )  # fmt: skip

    # What a processor of several languages for texts would say otherwise.
    forces_language = begins_with_target = False
    target, pair = None, (None, None)
    written = ("en", "transcribe")

    def __init__(self, files: Files, options: Config) -> None:
        self.options = dict(options)
        tokenizer, used = byte_level(files, {}, "whisper", needed=None)
        self.files = {name: files[name] for name in used}
        pieces = tokenizer.vocabulary
        if missing := [piece for piece in (START, UNUSED, PREVIOUS) if piece not in pieces]:
            raise CheckpointError(
                f"The tokenizer of a whisper checkpoint needs {', '.join(missing)}. Download the "
                "checkpoint again, with its added tokens."
            )
        tokenizer.target_vocabulary = {**pieces, UNKNOWN: pieces[START]}
        size = options["vocabulary_size"]
        special = [pieces[UNUSED], options["end"]]
        side = Side(tokenizer, {"target_vocabulary_size": size, "special": special}, target=True)
        features = {name: options[name] for name in ("mels", "rate", "frame", "hop")}
        super().__init__(side, options["max_target_length"], **features)
        self.frames = options["window"]
        self.languages = {code: self.to_ours(i) for code, i in options["languages"].items()}
        self.tasks = {name: self.to_ours(i) for name, i in options["tasks"].items()}
        self.timeless = self.to_ours(options["timeless"])
        self.first_time = self.timeless + 1
        self.last_time = size - 1
        self.previous = self.to_ours(pieces[PREVIOUS])
        silence = next((pieces[piece] for piece in SILENCE if piece in pieces), None)
        self.silence = None if silence is None else self.to_ours(silence)
        self.suppress = tuple(map(self.to_ours, options["suppress"]))
        self.begin_suppress = tuple(map(self.to_ours, options["begin_suppress"]))
        latest = options["latest_begin"]
        self.latest_begin = None if latest is None else self.first_time + latest
        # Ids of text come before that of the end, there and, but for the first three, here.
        self.text_end = 3 + sum(1 for x in self.order[3:] if x < options["end"])

    @property
    def multilingual(self) -> bool:
        """Whether it is told a language and a task."""
        return bool(self.languages)

    def encode_target(
        self,
        texts: Sequence[str],
        truncate: bool = True,
        sampling: Any = None,
        sources: Sequence[Any] | None = None,
    ) -> list[np.ndarray]:
        """As `Targets.encode_target`: the tokens of `written`, then those of the text."""
        language, task = self.written
        told = self.prompt(self.languages.get(language), task, timestamps=False)
        rows = super().encode_target(texts, truncate, sampling, sources)
        rows = [np.concatenate([told, row]).astype("int32") for row in rows]
        if truncate:
            most = self.max_target_length
            rows = [x if len(x) <= most else np.append(x[: most - 1], x[-1]) for x in rows]
        return rows

    def prompt(self, language: int | None, task: str, timestamps: bool) -> list[int]:
        """What the decoder reads before it writes, without START, which comes first.

        Args:
            language: int, the id of one; None of a model of one language.
            task: str, "transcribe" or "translate".
            timestamps: bool, whether it writes them.
        """
        told = [] if language is None else [language, self.tasks[task]]
        return told if timestamps else [*told, self.timeless]

    def language_id(self, language: str) -> int:
        """The id of a language by its code or its English name.

        Raises:
            DataError: for one that the checkpoint does not have; the message names the nearest.
        """
        from s2s_zoo.data.language_names import NAMES

        code = str(language).lower().replace("_", "-").strip()
        codes = {name.lower(): code for code, name in NAMES.items()}
        code = codes.get(code, code)
        if code not in self.languages:
            if not self.languages:
                raise DataError(
                    f"This checkpoint knows English alone. Received: language={language!r}. Leave "
                    "it out, or use a multilingual one."
                )
            known = {*self.languages, *(NAMES[x].lower() for x in self.languages if x in NAMES)}
            raise DataError(unknown_name(known, str(language).lower(), "language"))
        return self.languages[code]

    def encode_source(self, sources: Iterable[Any]) -> list[np.ndarray]:
        """Returns a list of (window, M) float32 features, each of one window, silence behind it.

        Raises:
            DataError: for a sound that is longer than a window.
        """
        return [self.window_of(self.read(source)) for source in sources]

    def window_of(self, sound: Sound) -> np.ndarray:
        """The features of a sound that is not longer than a window."""
        room = self.frames * self.hop
        if len(sound.samples) > room:
            raise DataError(
                f"{sound.name} has {len(sound.samples) / self.rate:.1f} seconds, and "
                f"{room / self.rate:g} are read at once. Cut it, or call the pipeline, which does."
            )
        return self.features(np.pad(sound.samples, (0, room - len(sound.samples))))

    def _texts(self, rows: Any, sources: Any) -> list[str]:
        rows = [[x for x in row if x < self.timeless] for row in rows]
        return self.target_tokenizer.decode(rows)

    def target_pieces(self, row: Iterable[int], source: Any) -> list[str]:
        """The text of each id; that of a timestamp is its time."""
        return [
            f"<|{0.02 * (x - self.first_time):.2f}|>"
            if x >= self.first_time
            else self.target_tokenizer.pieces([x])[0]
            for x in row
        ]

    def get_config(self) -> Config:
        return FromFiles.get_config(self)
