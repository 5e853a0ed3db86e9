"""Tokenizers of checkpoints that list what their ids are called: CTranslate2's and Marian's."""

import re

import numpy as np

from s2s_zoo.checkpoints.layout import VOCABULARIES
from s2s_zoo.checkpoints.pretrained.family import Languages
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    UNKNOWN,
    Files,
    PieceTokenizer,
    Read,
    read_pieces,
)
from s2s_zoo.checkpoints.pretrained.vocabularies import read_pieces_list
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

LANGUAGE = r">>(.+)<<"
LANGUAGES = Languages(pattern=LANGUAGE, place="text")
OPTIONS = ("unk_token", "eos_token", "source_ends", "added_pad")
PADS = ("<pad>", "<blank>")
# SentencePiece models, of source and target, as programs call them.
MODELS = (
    ("source.spm", "target.spm"),
    ("source.model", "target.model"),
    *((name, name) for name in ("sentencepiece.model", "tokenizer.model", "spiece.model")),
    ("sentencepiece.bpe.model", "sentencepiece.bpe.model"),
)
OF_MANY = (
    r"__[a-z]{2,3}__|[a-z]{3}_[A-Z][a-z]{3}|[a-z]{2}_[A-Z]{2}"  # codes of M2M-100, NLLB, mBART
)


def arrangement(pieces: list[str], told: Config) -> np.ndarray:
    """Says which row of a file each id has.

    Padding is 0, the unknown token 1, the end 2, the rest follow in their order.

    Args:
        pieces: list of str, those of the rows.
        told: dict with `OPTIONS`: "added_pad" where a row of padding is added in any case.

    Returns:
        (V,) int; -1 is a row that is added.
    """
    pad = next((piece for piece in PADS if piece in pieces), None)
    first = [-1 if told["added_pad"] or pad is None else pieces.index(pad)]
    first += [place_of(pieces, told[name], name) for name in ("unk_token", "eos_token")]
    rest = np.setdiff1d(np.arange(len(pieces)), first)
    return np.concatenate([first, rest]).astype("int64")


def place_of(pieces: list[str], piece: str, name: str) -> int:
    """Where a piece stands; `name` is what the settings call it."""
    if piece not in pieces:
        raise CheckpointError(
            f"The vocabulary expected {name}, {piece!r:.50}. Received: {len(pieces)} pieces "
            "without it. Correct the settings, or load the checkpoint that it was made of."
        )
    return pieces.index(piece)


def vocabularies(files: Files) -> tuple[list[str], list[str]]:
    """The pieces of the source and of the target, in the order of the file."""
    read = {name: read_pieces_list(name, files[name]) for name in VOCABULARIES if name in files}
    sides = {name.split("_")[0]: pieces for name, pieces in read.items()}
    source, target = (sides.get(side, sides.get("shared")) for side in ("source", "target"))
    if source is None or target is None:
        raise CheckpointError(
            "A checkpoint expected shared_vocabulary, or source_vocabulary and target_vocabulary, "
            f".json or .txt. Received: {', '.join(read) or 'none'}. Copy them to the others."
        )
    return source, target


def tokenizer(files: Files, config: Config) -> Read:
    """The SentencePiece models beside the file, with the ids that the vocabularies say."""
    pair = next((pair for pair in MODELS if all(name in files for name in pair)), None)
    if pair is None:
        known = ", ".join(dict.fromkeys(name for pair in MODELS for name in pair))
        raise CheckpointError(
            "A checkpoint expected the SentencePiece models of the original, under one of the "
            f"names {known}. Received: {', '.join(files) or 'none'}. Copy them there."
        )
    sides = vocabularies(files)
    if sum(bool(re.fullmatch(OF_MANY, piece)) for piece in sides[0]) > 1:
        raise CheckpointError(
            "A model of many languages keeps in this form no word of how it is told which. Load "
            "the checkpoint that it was made of."
        )
    numbered = []
    for pieces in sides:
        order = arrangement(pieces, config)
        vocabulary = {pieces[row]: i for i, row in enumerate(order) if row >= 0}
        numbered.append({**vocabulary, UNKNOWN: vocabulary[config["unk_token"]]})
    source = read_pieces(files, pair[0])
    target = source if pair[0] == pair[1] else read_pieces(files, pair[1])
    special = [config["eos_token"], config["unk_token"], UNKNOWN, "<s>", *PADS]
    special += [piece for piece in sides[0] if re.fullmatch(LANGUAGE, piece)]
    used = tuple(dict.fromkeys(pair)) + tuple(name for name in VOCABULARIES if name in files)
    apart = None if sides[0] == sides[1] else numbered[1]
    return PieceTokenizer(source, target, numbered[0], special, apart), used
