"""Blenderbot (Roller et al. 2020, 2004.13637): dialogue."""

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read, byte_level
from s2s_zoo.protocol.types import Config

IDS = {"pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 1}


def describe(config: Config) -> tuple[Config, Config]:
    positions = {"name": "learned", "length": config["max_position_embeddings"]}
    return bart.stack(config, positions=positions, norm="pre")


def tokenizer(files: Files, config: Config) -> Read:
    """Byte-level BPE; a text begins with a space unless the settings say otherwise."""
    return byte_level(files, {"add_prefix_space": True, **config}, "blenderbot")


FAMILY = Family(
    task="text2text",
    defaults=IDS,
    describe=describe,
    names=bart.names,
    tokenizer=tokenizer,
    tokenizer_options=("add_prefix_space",),
    between_turns="  ",
)
