"""PLBART (Ahmad et al. 2021, 2103.06333): programs and English, and from one to the other."""

from collections.abc import Collection

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family, Languages
from s2s_zoo.checkpoints.pretrained.tokenizers import SPECIAL, Files, Read, renumbered
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

# The languages, whose codes its files do not name, in the order of their ids.
CODES = {
    "base": ["java", "python", "en_XX"],
    "multi": ["java", "python", "en_XX", "javascript", "php", "ruby", "go"],
}


def tokenizer(files: Files, config: Config) -> Read:
    """SentencePiece, and with the base languages a <mask> behind them."""
    kind = config.get("language_codes", "base")

    def number(pieces):
        known = lookup(CODES, kind, "language_codes")
        codes = [f"__{code}__" for code in known]
        extra = [*codes, *(["<mask>"] if kind == "base" else [])]
        vocabulary = {piece: i + 1 for i, piece in enumerate(pieces)}
        vocabulary |= {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
        vocabulary |= {piece: len(pieces) + 1 + i for i, piece in enumerate(extra)}
        return vocabulary, [*SPECIAL, *codes]

    return renumbered(files, "plbart", "sentencepiece.bpe.model", number)


def starts_with_target(languages: Collection[str]) -> bool:
    """Always: a source ends with its language, and the decoder starts from that of the target."""
    return True


FAMILY = Family(
    task="text2text",
    describe=bart.describe,
    names=bart.names,
    tokenizer=tokenizer,
    tokenizer_options=("language_codes",),
    languages=Languages(
        pattern=r"__([a-z]+(?:_XX)?)__", place="ends", target_starts=starts_with_target
    ),
    defaults={**bart.IDS, "scale_embedding": True},
)
