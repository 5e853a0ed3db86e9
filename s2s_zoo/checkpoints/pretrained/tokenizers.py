"""The tokenizers of published checkpoints: text to their ids, and back.

Both kinds have `vocabulary` and `target_vocabulary` (text to id, mostly one and the same),
`encode`, `decode` and `piece`; neither adds tokens at the ends. What the ends look like is the
matter of the processor.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from s2s_zoo.checkpoints.pretrained.limits import (
    LONGEST_PIECE,
    Limited,
    check_tokenizer,
    plain_errors,
)
from s2s_zoo.data.piece_models import check_model
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

UNKNOWN = "<unk>"
MOST_SPECIAL = 10_000  # pieces
SECONDS, CHARACTERS = 10.0, 50_000  # time for a list of texts, and how many it reads a second more
Files: TypeAlias = dict[str, bytes]
# An added token: its "id", and True for what it is of "special", "lstrip" and "rstrip".
Added: TypeAlias = dict[str, Any]
SPECIAL = ("<s>", "</s>", "<pad>", UNKNOWN, "<mask>")


class PieceTokenizer:
    """SentencePiece models whose pieces have ids of the checkpoint's own.

    Args:
        source: a SentencePieceProcessor, which cuts sources.
        target: another one, which cuts targets, or the same.
        vocabulary: dict, piece to id.
        special: list of the pieces that stand in a text as they are.
        target_vocabulary: dict, piece to id of targets where they have ids of their own.
    """

    def __init__(
        self,
        source: Any,
        target: Any,
        vocabulary: dict[str, int],
        special: list[str],
        target_vocabulary: dict[str, int] | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self.vocabulary = vocabulary
        self.target_vocabulary = target_vocabulary or vocabulary
        self.special = frozenset(special)
        self._added: dict[str, Added] = {}
        self._index()

    def add(self, tokens: dict[str, Added]) -> None:
        """Takes tokens that are whole wherever they stand, with ids of their own."""
        ids = {piece: token["id"] for piece, token in tokens.items()}
        apart = self.target_vocabulary is not self.vocabulary
        self.vocabulary = {**self.vocabulary, **ids}
        self.target_vocabulary = {**self.target_vocabulary, **ids} if apart else self.vocabulary
        self.special |= {piece for piece, token in tokens.items() if token.get("special")}
        self._added = tokens
        self._index()

    def _index(self):
        self._pieces = [
            {token: piece for piece, token in pieces.items()}
            for pieces in (self.vocabulary, self.target_vocabulary)
        ]
        longest_first = sorted({*self.special, *self._added}, key=len, reverse=True)
        if len(longest_first) > MOST_SPECIAL:
            raise CheckpointError(
                f"A tokenizer has {len(longest_first):,} pieces that are whole wherever they "
                f"stand, where at most {MOST_SPECIAL:,} are read. Use another checkpoint."
            )
        self._split = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    def encode(self, texts: Iterable[str], target: bool = False) -> list[list[int]]:
        """Returns the list of ids of each text."""
        processor = self._target if target else self._source
        vocabulary = self.target_vocabulary if target else self.vocabulary
        unknown = vocabulary[UNKNOWN]
        rows: list[list[int]] = []
        for text in texts:
            rows.append([])
            parts = self._split.split(text)
            for i, part in enumerate(parts):
                pieces = [part] if i % 2 else processor.encode(self._free(parts, i), out_type=str)
                rows[-1] += [vocabulary.get(piece, unknown) for piece in pieces]
        return rows

    def _free(self, parts, i):
        """What is between two whole tokens, without the spaces that belong to them."""
        part = parts[i]
        if i > 0 and self._added.get(parts[i - 1], {}).get("rstrip"):
            part = part.lstrip()
        if i + 1 < len(parts) and self._added.get(parts[i + 1], {}).get("lstrip"):
            part = part.rstrip()
        return part

    def decode(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Returns the text of each row of target ids, without the special tokens."""
        texts = [[self.piece(token, target=True) for token in row] for row in rows]
        hidden = SPECIAL if self.keeps_tags else self.special
        texts = [[piece for piece in row if piece not in hidden] for row in texts]
        return [self._target.decode_pieces(row).replace("▁", " ").strip() for row in texts]

    def piece(self, token: int, target: bool = False) -> str:
        return self._pieces[target].get(int(token), UNKNOWN)

    tidies = True  # what the setting clean_up_tokenization_spaces asks for
    keeps_tags = False  # whether a text shows special pieces that are none of SPECIAL


class JsonTokenizer:
    """A `tokenizer.json`, or byte-level BPE from `vocab.json` and `merges.txt`.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        unknown: str, what it calls the piece that is UNKNOWN here.

    Raises:
        CheckpointError: if it has no such piece, and calls it another name.
    """

    keeps_tags = False  # whether a text shows special pieces that are none of SPECIAL

    def __init__(self, tokenizer: Any, unknown: str = UNKNOWN) -> None:
        if unknown != UNKNOWN and tokenizer.token_to_id(unknown) is None:
            raise CheckpointError(
                f"The vocabulary of a tokenizer expected a piece {unknown}. Received: "
                f"{tokenizer.get_vocab_size():,} pieces without it. Download the checkpoint again."
            )
        self._unknown = unknown
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._limited = Limited("tokenizer.json")
        # transformers leaves the spaces of byte pairs as they are, whatever the settings say.
        self.tidies = type(tokenizer.model).__name__ != "BPE"
        self._index()

    def add(self, tokens: dict[str, Added]) -> None:
        """Takes tokens that are whole wherever they stand, where it has them not yet.

        Raises:
            CheckpointError: for an id that is not the next one.
        """
        tokenizers = import_tokenizers()
        has = {token.content for token in self._tokenizer.get_added_tokens_decoder().values()}
        for piece, token in sorted(tokens.items(), key=lambda item: item[1]["id"]):
            if piece in has:
                continue
            special = token.get("special", False)
            strips = {side: token.get(side, False) for side in ("lstrip", "rstrip")}
            made = tokenizers.AddedToken(piece, normalized=not special, special=special, **strips)
            self._tokenizer.add_tokens([made])
            if (found := self._tokenizer.token_to_id(piece)) != token["id"]:
                raise CheckpointError(
                    f"The added token {piece!r} expected the id {found}, the next one of "
                    f"tokenizer.json. Received: {token['id']}. Download the checkpoint again."
                )
        self._index()

    def set_prefix_space(self, wanted: bool) -> None:
        """Whether a text begins with a space, where bytes are what is cut: the settings say it."""
        tokenizers, cutter = import_tokenizers(), self._tokenizer.pre_tokenizer
        if isinstance(cutter, tokenizers.pre_tokenizers.ByteLevel):
            self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
                add_prefix_space=bool(wanted), use_regex=cutter.use_regex
            )

    def set_normalizer(self, said: Config) -> None:
        """What a text becomes before it is cut, where that is BERT's: the settings say it.

        Args:
            said: dict, of "lowercase", "strip_accents", "handle_chinese_chars".

        Raises:
            CheckpointError: for what is not true or false.
        """
        tokenizers = import_tokenizers()
        if not said or not isinstance(
            self._tokenizer.normalizer, tokenizers.normalizers.BertNormalizer
        ):
            return
        if not all(type(value) is bool for value in said.values()):
            raise CheckpointError(
                "tokenizer_config.json expected true or false for what becomes of a text. "
                f"Received: {said!r:.100}. Download the checkpoint again."
            )
        for name, value in said.items():
            setattr(self._tokenizer.normalizer, name, value)

    def _index(self):
        vocabulary = self._tokenizer.get_vocab()
        if self._unknown in vocabulary:
            vocabulary[UNKNOWN] = vocabulary[self._unknown]
        self.vocabulary = self.target_vocabulary = vocabulary
        added = self._tokenizer.get_added_tokens_decoder().values()
        self.special = frozenset(token.content for token in added if token.special)

    def encode(self, texts: Iterable[str], target: bool = False) -> list[list[int]]:
        """Returns the list of ids of each text."""
        texts = list(texts)
        limit = SECONDS + sum(map(len, texts)) / CHARACTERS
        found = self._limited(limit, self._tokenizer.encode_batch, texts, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    def decode(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Returns the text of each row of ids, without the special tokens."""
        ids = [[int(token) for token in row] for row in rows]
        if self.keeps_tags:
            hidden = {self.vocabulary.get(piece) for piece in SPECIAL}
            ids = [[token for token in row if token not in hidden] for row in ids]
        limit = SECONDS + sum(map(len, ids)) / CHARACTERS
        return self._limited(
            limit, self._tokenizer.decode_batch, ids, skip_special_tokens=not self.keeps_tags
        )

    def piece(self, token: int, target: bool = False) -> str:
        return self._tokenizer.id_to_token(int(token)) or UNKNOWN


# A tokenizer, and the names of the files it was made of.
Read: TypeAlias = tuple[PieceTokenizer | JsonTokenizer, tuple[str, ...]]


def from_json(files: Files, unknown: str = UNKNOWN) -> tuple[JsonTokenizer, tuple[str, ...]]:
    """Returns the tokenizer of tokenizer.json, and the names of the files it was made of."""
    tokenizers = import_tokenizers()
    check_tokenizer(files["tokenizer.json"])
    with plain_errors("tokenizer.json"):
        made = tokenizers.Tokenizer.from_buffer(files["tokenizer.json"])
    return JsonTokenizer(made, unknown), ("tokenizer.json",)


def byte_level(files: Files, config: Config, kind: str, needed: str | None = UNKNOWN) -> Read:
    """Byte-level BPE, from tokenizer.json where there is one.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        config: dict, tokenizer_config.json.
        kind: str, what needs the files, for the error.
        needed: str, a piece its vocabulary must have, or None.

    Returns:
        A tokenizer, and the names of the files it was made of.

    Raises:
        CheckpointError: if files are missing; the message names them.
    """
    prefix = config.get("add_prefix_space", False)
    if "tokenizer.json" in files:
        read, used = from_json(files)
        read.set_prefix_space(prefix)
        return read, used
    used = ("vocab.json", "merges.txt")
    need(files, kind, used)
    tokenizers = import_tokenizers()
    vocabulary = read_vocabulary(files, "vocab.json", needed)
    with plain_errors("vocab.json with merges.txt"):
        lines = files["merges.txt"].decode("utf-8").splitlines()
        merges = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
        made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = tokenizers.decoders.ByteLevel()
    special = [
        tokenizers.AddedToken(piece, special=True, normalized=False, lstrip=piece == "<mask>")
        for piece in (*SPECIAL, "<|endoftext|>")
        if piece in vocabulary
    ]
    made.add_special_tokens(special)
    return JsonTokenizer(made), used


def renumbered(
    files: Files,
    kind: str,
    name: str,
    number: Callable[[list[str]], tuple[dict[str, int], list[str]]],
) -> Read:
    """A SentencePiece model with other ids and more tokens, from tokenizer.json where there is one.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        kind: str, what needs the file, for the error.
        name: str, of the file of the model.
        number: function of the pieces of the model to the vocabulary and the special pieces.

    Returns:
        A tokenizer, and the names of the files it was made of.

    Raises:
        CheckpointError: if the file is missing or no SentencePiece model.
    """
    if "tokenizer.json" in files:
        return from_json(files)
    need(files, kind, (name,))
    processor = read_pieces(files, name)
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    return PieceTokenizer(processor, processor, *number(pieces)), (name,)


def need(files: Files, kind: str, names: Iterable[str]) -> None:
    """Raises CheckpointError unless there are files of all these names."""
    if missing := [name for name in names if name not in files]:
        raise CheckpointError(
            f"The tokenizer of a {kind} checkpoint needs {', '.join(names)}; "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. Download the "
            "checkpoint again, complete."
        )


def read_pieces(files: Files, name: str) -> Any:
    """Returns the SentencePieceProcessor of a file."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    try:
        check_model(files[name])
        processor.LoadFromSerializedProto(files[name])
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{name} is no SentencePiece model, or one that makes long texts of short ones: "
            f"{error}. Download the checkpoint again."
        ) from error
    return processor


def read_vocabulary(files: Files, name: str, needed: str | None = UNKNOWN) -> dict[str, int]:
    """Returns {piece: id} of a JSON file, which has the piece `needed` unless that is None."""
    try:
        vocabulary = json.loads(files[name])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{name} is not readable JSON: {error}. Download it again."
        ) from error
    if not isinstance(vocabulary, dict) or needed not in (None, *vocabulary):
        raise CheckpointError(f"{name} is no vocabulary: it has no {needed}. Download it again.")
    for piece, token in vocabulary.items():
        if type(token) is not int or token < 0 or len(piece) > LONGEST_PIECE:
            raise CheckpointError(
                f"{name} expected pieces of at most {LONGEST_PIECE:,} characters, each with a "
                f"whole number. Received: {piece:.50}: {token!r:.50}. Download it again."
            )
    return vocabulary


def count(config: Config, name: str, default: int) -> int:
    """Returns how many pieces tokenizer_config.json adds, in an option `name`."""
    found = config.get(name, default)
    if type(found) is not int or not 0 <= found < MOST_SPECIAL:
        raise CheckpointError(
            f"tokenizer_config.json expected {name} from 0 to {MOST_SPECIAL - 1:,}. "
            f"Received: {found!r:.50}. Download the checkpoint again."
        )
    return found


def import_tokenizers() -> Any:
    """Returns the package `tokenizers`.

    Raises:
        ImportError: where it is not installed; the message says how.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError(
            "This checkpoint has a tokenizer.json or byte-level BPE, which the package "
            "`tokenizers` reads: pip install 's2s-zoo[hub]'"
        ) from error
    return tokenizers
