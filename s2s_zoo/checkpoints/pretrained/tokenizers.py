"""The tokenizers of published checkpoints: text to their ids, and back.

Both kinds have `vocabulary` and `target_vocabulary` (text to id, mostly one and the same),
`encode`, `decode` and `piece`; neither adds tokens at the ends. What the ends look like is the
matter of the processor.
"""

import json
import re

from s2s_zoo.checkpoints.pretrained.languages import M2M_100, MBART_50
from s2s_zoo.protocol.errors import CheckpointError

UNKNOWN = "<unk>"
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

    def __init__(self, source, target, vocabulary, special, target_vocabulary=None):
        self._source = source
        self._target = target
        self.vocabulary = vocabulary
        self.target_vocabulary = target_vocabulary or vocabulary
        self.special = frozenset(special)
        self._pieces = [
            {token: piece for piece, token in pieces.items()}
            for pieces in (self.vocabulary, self.target_vocabulary)
        ]
        longest_first = sorted(special, key=len, reverse=True)
        self._split = re.compile("(" + "|".join(map(re.escape, longest_first)) + ")")

    def encode(self, texts, target=False):
        """Returns the list of ids of each text."""
        processor = self._target if target else self._source
        vocabulary = self.target_vocabulary if target else self.vocabulary
        unknown = vocabulary[UNKNOWN]
        rows = []
        for text in texts:
            rows.append([])
            for i, part in enumerate(self._split.split(text)):
                pieces = [part] if i % 2 else processor.encode(part, out_type=str)
                rows[-1] += [vocabulary.get(piece, unknown) for piece in pieces]
        return rows

    def decode(self, rows):
        """Returns the text of each row of target ids, without the special tokens."""
        rows = [[self.piece(token, target=True) for token in row] for row in rows]
        rows = [[piece for piece in row if piece not in self.special] for row in rows]
        return [self._target.decode_pieces(row).replace("▁", " ").strip() for row in rows]

    def piece(self, token, target=False):
        return self._pieces[target].get(int(token), UNKNOWN)


class JsonTokenizer:
    """A `tokenizer.json`, or byte-level BPE from `vocab.json` and `merges.txt`.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
    """

    def __init__(self, tokenizer):
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.vocabulary = self.target_vocabulary = tokenizer.get_vocab()
        added = tokenizer.get_added_tokens_decoder().values()
        self.special = frozenset(token.content for token in added if token.special)

    def encode(self, texts, target=False):
        """Returns the list of ids of each text."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in found]

    def decode(self, rows):
        """Returns the text of each row of ids, without the special tokens."""
        rows = [[int(token) for token in row] for row in rows]
        return self._tokenizer.decode_batch(rows, skip_special_tokens=True)

    def piece(self, token, target=False):
        return self._tokenizer.id_to_token(int(token)) or UNKNOWN


def open_tokenizer(family, files, config):
    """Makes the tokenizer of a checkpoint.

    Args:
        family: str, the model_type.
        files: dict from the names of its tokenizer files to their bytes.
        config: dict, tokenizer_config.json.

    Returns:
        A tokenizer, and the names of the files it was made of.

    Raises:
        CheckpointError: if files are missing; the message names them.
    """
    if family == "marian":
        return _marian(files)
    if family == "m2m_100" and "vocab.json" in files:
        return _m2m_100(files)
    if "tokenizer.json" in files:
        tokenizers = _import_tokenizers()
        try:
            made = tokenizers.Tokenizer.from_buffer(files["tokenizer.json"])
        except ValueError as error:
            raise CheckpointError(f"tokenizer.json cannot be read: {error}.") from error
        return JsonTokenizer(made), ("tokenizer.json",)
    if family in ("bart", "gpt2"):
        return _byte_level(files, config, family)
    if family == "m2m_100":
        _need(files, family, ("tokenizer.json",))
    return _sentencepiece(family, files, config)


def _marian(files):
    used = ("source.spm", "target.spm", "vocab.json")
    _need(files, "marian", used)
    vocabulary, own = _read(files, "vocab.json"), None
    if "target_vocab.json" in files:
        used += ("target_vocab.json",)
        own = _read(files, used[-1])
    codes = [piece for piece in vocabulary if re.fullmatch(r">>.+<<", piece)]
    special = [piece for piece in ("</s>", UNKNOWN, "<pad>") if piece in vocabulary]
    source, target = (_load(files, name) for name in used[:2])
    return PieceTokenizer(source, target, vocabulary, special + codes, own), used


def _m2m_100(files):
    used = ("sentencepiece.bpe.model", "vocab.json")
    _need(files, "m2m_100", used)
    vocabulary = _read(files, "vocab.json")
    codes = [f"__{code}__" for code in M2M_100]
    vocabulary |= {code: len(vocabulary) + i for i, code in enumerate(codes)}
    processor = _load(files, used[0])
    return PieceTokenizer(processor, processor, vocabulary, [*SPECIAL[:4], *codes]), used


def _byte_level(files, config, family):
    used = ("vocab.json", "merges.txt")
    _need(files, family, used)
    tokenizers = _import_tokenizers()
    lines = files["merges.txt"].decode("utf-8").splitlines()
    merges = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
    vocabulary = _read(files, "vocab.json", None if family == "gpt2" else UNKNOWN)
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    prefix = config.get("add_prefix_space", False)
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = tokenizers.decoders.ByteLevel()
    special = [
        tokenizers.AddedToken(piece, special=True, normalized=False, lstrip=piece == "<mask>")
        for piece in (*SPECIAL, "<|endoftext|>")
        if piece in vocabulary
    ]
    made.add_special_tokens(special)
    return JsonTokenizer(made), used


def _sentencepiece(family, files, config):
    """T5, Pegasus and mBART without a tokenizer.json: ids with an offset and more tokens."""
    name = "sentencepiece.bpe.model" if family == "mbart" else "spiece.model"
    _need(files, family, (name,))
    processor = _load(files, name)
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    if family == "pegasus":
        offset = config.get("offset", 103)
        extra = ["<mask_1>", "<mask_2>", *(f"<unk_{i}>" for i in range(2, offset))]
        vocabulary = {piece: i + offset for i, piece in enumerate(pieces)}
        vocabulary |= {piece: i for i, piece in enumerate(["<pad>", "</s>", *extra])}
        special = [*SPECIAL[1:4], *extra]
    elif family == "mbart":
        vocabulary = {piece: i + 1 for i, piece in enumerate(pieces)}
        vocabulary |= {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
        codes = MBART_50 if "50" in str(config.get("tokenizer_class")) else MBART_50[:25]
        extra = [*codes, "<mask>"]
        vocabulary |= {piece: len(pieces) + 1 + i for i, piece in enumerate(extra)}
        special = [*SPECIAL[:4], *extra]
    else:
        count = config.get("extra_ids", 100)
        vocabulary = {piece: i for i, piece in enumerate(pieces)}
        extra = [f"<extra_id_{i}>" for i in reversed(range(count))]
        vocabulary |= {piece: len(pieces) + i for i, piece in enumerate(extra)}
        special = [*SPECIAL[1:4], *extra]
    return PieceTokenizer(processor, processor, vocabulary, special), (name,)


def _need(files, family, names):
    if missing := [name for name in names if name not in files]:
        raise CheckpointError(
            f"The tokenizer of a {family} checkpoint needs {', '.join(names)}; "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing. Download the "
            "checkpoint again, complete."
        )


def _load(files, name):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(files[name])
    except RuntimeError as error:
        raise CheckpointError(
            f"{name} is no SentencePiece model. Download the checkpoint again."
        ) from error
    return processor


def _read(files, name, needed=UNKNOWN):
    try:
        vocabulary = json.loads(files[name])
    except ValueError as error:
        raise CheckpointError(
            f"{name} is not readable JSON: {error}. Download it again."
        ) from error
    if not isinstance(vocabulary, dict) or needed not in (None, *vocabulary):
        raise CheckpointError(f"{name} is no vocabulary: it has no {needed}. Download it again.")
    return vocabulary


def _import_tokenizers():
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError(
            "This checkpoint has a tokenizer.json or byte-level BPE, which the package "
            "`tokenizers` reads: pip install 's2s-zoo[hub]'"
        ) from error
    return tokenizers
