"""Pegasus (Zhang et al. 2019, 1912.08777)."""

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.tokenizers import SPECIAL, Files, Read, count, renumbered
from s2s_zoo.protocol.types import Config


def describe(config: Config) -> tuple[Config, Config]:
    return bart.stack(config, positions="sinusoidal", norm="pre")


def tokenizer(files: Files, config: Config) -> Read:
    def number(pieces):
        offset = count(config, "offset", 103)
        extra = ["<mask_1>", "<mask_2>", *(f"<unk_{i}>" for i in range(2, offset))]
        vocabulary = {piece: i + offset for i, piece in enumerate(pieces)}
        vocabulary |= {piece: i for i, piece in enumerate(["<pad>", "</s>", *extra])}
        return vocabulary, [*SPECIAL[1:4], *extra]

    return renumbered(files, "pegasus", "spiece.model", number)


FAMILY = Family(
    task="summarization",
    defaults={"pad_token_id": 0, "eos_token_id": 1},
    describe=describe,
    names=bart.names,
    tokenizer=tokenizer,
    tokenizer_options=("offset",),
)
