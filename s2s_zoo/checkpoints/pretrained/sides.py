"""One side of the tokenizer of a published checkpoint, in the ids of the package, and its files."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np

from s2s_zoo.checkpoints.layout import MARIAN, MORE_TOKENIZER_FILES, TOKENIZER_FILES
from s2s_zoo.checkpoints.pretrained.tokenizers import UNKNOWN, Files, JsonTokenizer, PieceTokenizer
from s2s_zoo.checkpoints.pretrained.vocabularies import marian_files, read_numbered
from s2s_zoo.data.stored import PROCESSOR
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_file, read_json
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import Config, StrPath

ROWS = 1 << 20  # of a vocabulary, where the tokenizer has fewer pieces


class Side:
    """One side of the tokenizer, in the ids of the package."""

    has_unknown = False  # it is never written

    def __init__(
        self, tokenizer: PieceTokenizer | JsonTokenizer, options: Config, target: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._target = target
        size = self.vocabulary_size = options[f"{'target_' * target}vocabulary_size"]
        vocabulary = tokenizer.target_vocabulary if target else tokenizer.vocabulary
        if type(size) is not int or not 0 < size <= max(ROWS, 2 * len(vocabulary)):
            raise CheckpointError(
                f"The tokenizer has {len(vocabulary)} pieces, the model a vocabulary of "
                f"{size!r:.50}. Download the checkpoint again: they do not fit."
            )
        beyond = {token for token in vocabulary.values() if token >= size}
        if not beyond <= {vocabulary.get(piece) for piece in tokenizer.special}:
            raise CheckpointError(
                f"The tokenizer has ids up to {max(vocabulary.values())}, the model a vocabulary "
                f"of {size}. Download the checkpoint again: they do not fit."
            )
        tidy = options.get("tokenizer", {}).get("clean_up_tokenization_spaces", False)
        self._tidies = tidy and tokenizer.tidies
        pad, end = options["special"]
        self.order = arrange(size, pad, end, vocabulary.get(UNKNOWN))
        # bart-large-cnn has a <mask> without a row: unknown, like all that is beyond, in one place.
        self.places = np.full(size + 1, START)
        self.places[self.order] = np.arange(size)

    def __repr__(self) -> str:
        return f"{type(self._tokenizer).__name__}({self.vocabulary_size:,} units)"

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        # Lone surrogates, as in arguments of a shell that are no UTF-8, become question marks.
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        rows = self._tokenizer.encode(texts, self._target)
        size = self.vocabulary_size
        return [self.places[np.minimum(row, size)].tolist() if row else [] for row in rows]

    def decode(self, rows: Sequence[Any]) -> list[str]:
        texts = self._tokenizer.decode([self.order[np.asarray(row, int)] for row in rows])
        return list(map(_tidy, texts)) if self._tidies else texts

    def pieces(self, ids: Iterable[int]) -> list[str]:
        return [self._tokenizer.piece(self.order[token], self._target) for token in ids]

    def sample(self, texts: Sequence[str], alpha: float, seed: Any) -> NoReturn:
        raise ValueError(
            "The tokenizer of an imported checkpoint draws no segmentations. Leave sampling=None."
        )

    def as_tensorflow(self) -> NoReturn:
        raise ValueError(
            "The tokenizer of an imported checkpoint cannot run inside a TensorFlow graph, so it "
            "cannot read streams, nor be exported. Give the pairs as a list or a file."
        )


def _tidy(text):
    """A text without the spaces that tokens of English leave, as transformers takes them away."""
    for mark in (".", "?", "!", ","):
        text = text.replace(f" {mark}", mark)
    text = text.replace(" ' ", "'")
    for end in ("n't", "'m", "'s", "'ve", "'re"):
        text = text.replace(f" {end}", end)
    return text


def read_files(directory: Path) -> Files:
    """Returns {name: bytes} of the tokenizer files a directory has.

    A package of argos-translate has its own beside the directory of the model. The vocabularies
    that Marian numbers come as the lists that CTranslate2 has.
    """
    folders = [directory, *([directory.parent] if directory.name == "model" else [])]
    found = {
        name: read_file(folder / name)
        for folder in reversed(folders)
        for name in (*TOKENIZER_FILES, *MORE_TOKENIZER_FILES)
        if (folder / name).is_file()
    }
    if (directory / MARIAN).is_file():
        for side, path in zip(
            ("source", "target"), marian_files(directory, "vocabs"), strict=False
        ):
            pieces = read_numbered(path.name, path.read_bytes())
            listed = json.dumps(pieces, ensure_ascii=False)
            found[f"{side}_vocabulary.json"] = listed.encode()
    return found


def arrange(size: int, pad: int, end: int, unknown: int | None) -> np.ndarray:
    """Returns (V,) int: which token of the checkpoint has each id of the package."""
    first = {PAD: pad, START: unknown, END: end}
    known = all(type(token) is int and 0 <= token < size for token in first.values())
    if not known or len(set(first.values())) < 3:
        raise CheckpointError(
            "A checkpoint needs different tokens for padding, end and unknown, in a vocabulary of "
            f"{size}. Received: {pad!r:.50}, {end!r:.50}, {unknown}."
        )
    rest = np.setdiff1d(np.arange(size), list(first.values()))
    return np.concatenate([[first[i] for i in range(3)], rest])


class FromFiles:
    """A processor made of the files of a published tokenizer and of plain options.

    Subclasses are made with `files`, {name: bytes}, and `options`, a dict with the keys OPTIONS
    and perhaps some of OPTIONAL, keep both, and name their TYPE.
    """

    TYPE: str
    OPTIONS: tuple[str, ...]
    OPTIONAL: tuple[str, ...] = ()
    # The token that a decoder reads first where no file of the checkpoint says which.
    start: int | None = None
    files: Files
    options: Config
    target_tokenizer: Any
    tokenizers: dict[str, Any]

    def __reduce__(self) -> Any:
        return type(self), (self.files, self.options)

    @property
    def order(self) -> np.ndarray:
        """(V,) int: the token of the checkpoint that has each id here, on the target side."""
        return self.target_tokenizer.order

    def to_ours(self, token: int) -> int:
        """The id that a token of the checkpoint has here, on the target side."""
        places = self.target_tokenizer.places
        last = len(places) - 2
        if type(token) is not int or not 0 <= token <= last:
            raise CheckpointError(
                f"A checkpoint expected ids of tokens from 0 to {last}. "
                f"Received: {token!r:.60}. Correct its config.json and generation_config.json."
            )
        return int(places[token])

    def get_config(self) -> Config:
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        return {"type": self.TYPE, "files": hashes, **self.options}

    def save_tokenizers(self, directory: Path) -> None:
        """Writes the files of the tokenizer, for other programs, and the piece of each id here."""
        self._write_files(directory)
        for side, tokenizer in self.tokenizers.items():
            pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
            text = json.dumps(pieces, ensure_ascii=False)
            (directory / f"{side}.json").write_text(text + "\n", encoding="utf-8")

    def save(self, directory: StrPath) -> None:
        """Writes processor.json and the tokenizer files beside it."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._write_files(directory)
        text = json.dumps(self.get_config(), indent=2, sort_keys=True)
        (directory / PROCESSOR).write_text(text + "\n", encoding="utf-8")

    def _write_files(self, directory):
        for name, data in self.files.items():
            (directory / name).write_bytes(data)

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
        config = read_json(directory / PROCESSOR) if config is None else config
        try:
            check_keys(config, ("type", "files", *cls.OPTIONS, *cls.OPTIONAL), "processor")
            files = read_files(directory)
            for name, recorded in config["files"].items():
                if hashlib.sha256(files.get(name, b"")).hexdigest() != recorded:
                    raise CheckpointError(
                        f"{directory / name} is missing or was altered. Download or copy the "
                        "checkpoint again."
                    )
            files = {name: files[name] for name in config["files"]}
            make: Any = cls
            keys = (*cls.OPTIONS, *(key for key in cls.OPTIONAL if key in config))
            return make(files, {key: config[key] for key in keys})
        except (CheckpointError, ImportError):
            raise
        except Exception as error:  # whatever it is, a config from elsewhere provoked it
            said = str(error) if isinstance(error, ValueError) else repr(error)
            raise CheckpointError(f"{directory / PROCESSOR}: {said:.500}") from error
