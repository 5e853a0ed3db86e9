"""Marian: the opus-mt and tc-big checkpoints of Helsinki-NLP."""

import re

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family, Languages
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    UNKNOWN,
    Files,
    PieceTokenizer,
    Read,
    need,
    read_pieces,
    read_vocabulary,
)
from s2s_zoo.protocol.types import Config

LANGUAGE = r">>(.+)<<"


def describe(config: Config) -> tuple[Config, Config]:
    encoder, decoder = bart.stack(config, positions="sinusoidal")
    if not config.get("share_encoder_decoder_embeddings", True):
        decoder["vocabulary_size"] = config.get("decoder_vocab_size") or config["vocab_size"]
    return encoder, decoder


def tokenizer(files: Files, config: Config) -> Read:
    """SentencePiece models for each side, their ids in one vocabulary or in two."""
    used: tuple[str, ...] = ("source.spm", "target.spm", "vocab.json")
    need(files, "marian", used)
    vocabulary, own = read_vocabulary(files, "vocab.json"), None
    if config.get("separate_vocabs", "target_vocab.json" in files):
        need(files, "marian", ("target_vocab.json",))
        used += ("target_vocab.json",)
        own = read_vocabulary(files, used[-1])
    codes = [piece for piece in vocabulary if re.fullmatch(LANGUAGE, piece)]
    special = [piece for piece in ("</s>", UNKNOWN, "<pad>") if piece in vocabulary]
    source, target = (read_pieces(files, name) for name in used[:2])
    return PieceTokenizer(source, target, vocabulary, special + codes, own), used


FAMILY = Family(
    task="translation",
    describe=describe,
    names=bart.names,
    tokenizer=tokenizer,
    tokenizer_options=("separate_vocabs",),
    languages=Languages(pattern=LANGUAGE, place="text"),
)
