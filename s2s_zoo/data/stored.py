"""What makes text and images ready for a model, as files of a checkpoint."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self, TypeAlias

from s2s_zoo.data.text.known_words import KnownWords
from s2s_zoo.data.tokenizers import SentencePieceTokenizer
from s2s_zoo.data.words import WordTokenizer
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import check_name, read_file, read_json
from s2s_zoo.protocol.registry import check_keys, lookup
from s2s_zoo.protocol.types import Config, StrPath

PROCESSOR = "processor.json"
Tokenizer: TypeAlias = SentencePieceTokenizer | WordTokenizer
TOKENIZERS: dict[str, type[Tokenizer]] = {
    "sentencepiece": SentencePieceTokenizer,
    "words": WordTokenizer,
}
SIDES = ("source_tokenizer", "target_tokenizer")
TOKENIZER_KEYS = ("type", "file", "sha256")
WORDS = "known_words"
FILES: dict[str, type[Tokenizer | KnownWords]] = {**TOKENIZERS, WORDS: KnownWords}


class Stored:
    """A processor that is `processor.json`, and the files of its tokenizers beside it.

    A subclass has `get_config`, plain JSON with what its constructor takes and the `type`.

    Attributes:
        TYPE: str, its name in the table `PROCESSORS`.
        KEYS: what its configuration holds.
        OPTIONAL: what it may hold besides.
    """

    TYPE: str
    KEYS: tuple[str, ...] = ()
    OPTIONAL: tuple[str, ...] = ()
    get_config: Callable[[], Config]

    @property
    def format_version(self) -> int:
        """The first version of a checkpoint that can hold it."""
        return 1

    def save(self, directory: StrPath) -> None:
        """Writes processor.json and the files of the tokenizers."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        config = self.get_config()
        for name in (*SIDES, WORDS):
            if name in config:
                getattr(self, name).save(directory / config[name]["file"])
        (directory / PROCESSOR).write_text(
            json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, directory: StrPath, config: Config | None = None) -> Self:
        """Reads what `save` wrote.

        Args:
            directory: str or path.
            config: dict, what its processor.json holds, where that was read already.

        Raises:
            CheckpointError: if a file is missing, altered or not understood.
        """
        directory = Path(directory)
        config = dict(load_config(directory) if config is None else config)
        try:
            check_exactly(config, cls.KEYS, "processor", cls.OPTIONAL)
            lookup({cls.TYPE: cls}, config.pop("type"), "processor type")
            loaded: list[tuple[Config, Any]] = []
            for name in (*SIDES, WORDS):
                if name not in config:
                    continue
                described = config[name]
                same = [tokenizer for known, tokenizer in loaded if known == described]
                config[name] = same[0] if same else load_tokenizer(directory, described)
                if isinstance(config[name], KnownWords) != (name == WORDS):
                    raise ValueError(f"{name} is no {described['type']}.")
                loaded.append((described, config[name]))
            return cls(**config)
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{directory / PROCESSOR}: {error}") from error


def load_config(directory: StrPath) -> Config:
    """Returns what processor.json holds.

    Raises:
        CheckpointError: if it is missing or no JSON object.
    """
    path = Path(directory) / PROCESSOR
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing. Pass a checkpoint directory, complete as it was saved."
        )
    return read_json(path)


def describe_tokenizer(tokenizer: Tokenizer | KnownWords, file: str) -> Config:
    """Returns the plain JSON that `load_tokenizer` reads."""
    kinds = [name for name, kind in FILES.items() if type(tokenizer) is kind]
    if not kinds:
        raise ValueError(
            f"{type(tokenizer).__name__} has no name in TOKENIZERS, so it cannot be saved. "
            f"Known: {', '.join(TOKENIZERS)}."
        )
    return {"type": kinds[0], "file": file, "sha256": tokenizer.sha256}


def load_tokenizer(directory: Path, config: Config) -> Tokenizer | KnownWords:
    """Returns what a description is of, its file compared with the recorded sha256."""
    check_exactly(config, TOKENIZER_KEYS, "tokenizer")
    kind = lookup(FILES, config["type"], "tokenizer type")
    check_name(config["file"])
    path = directory / config["file"]
    data = read_file(path)
    found = hashlib.sha256(data).hexdigest()
    if found != config["sha256"]:
        raise CheckpointError(
            f"{path} ({len(data)} bytes) is truncated or was altered: its sha256 is not the one "
            "recorded. Download or copy the checkpoint again."
        )
    return kind(data)


def check_exactly(
    config: Any, keys: Iterable[str], kind: str, optional: Iterable[str] = ()
) -> None:
    """Raises ValueError unless `config` is a dict with these keys, and optional ones at most."""
    if not isinstance(config, dict):
        raise ValueError(f"The {kind} config is a JSON object. Received: {config!r:.80}.")
    check_keys(config, (*keys, *optional), kind)
    if missing := [key for key in keys if key not in config]:
        raise ValueError(f"The {kind} config needs {', '.join(missing)}.")
