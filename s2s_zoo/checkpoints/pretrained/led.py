"""LED (Beltagy et al. 2020, 2004.05150): a BART that reads documents, in windows of attention."""

import re
from dataclasses import replace
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.protocol.types import Config

GLOBAL = 1  # positions that look at all, from the first on, as the published ones were trained
# How a name of ours in the attention of the encoder becomes one of theirs.
ATTENTION = (
    ("self_attention/(query|key|value)", r"self_attn.longformer_self_attn.\1"),
    ("self_attention/output", "self_attn.output"),
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Says how long a source and a target may be, which are not the same."""
    lengths = {
        "max_position_embeddings": config["max_encoder_position_embeddings"],
        "max_target_positions": config["max_decoder_position_embeddings"],
    }
    return {**config, **lengths}, {name.removeprefix("led."): x for name, x in tensors.items()}


def describe(config: Config) -> tuple[Config, Config]:
    encoder, decoder = bart.stack(config, embedding_norm=True)
    sides = (encoder, "max_position_embeddings"), (decoder, "max_target_positions")
    for side, length in sides:
        side["positions"] = {"name": "learned", "length": config[length]}
        side["scale_embedding"] = False  # transformers never scales them, whatever a config says
    return {**encoder, "window": {"size": config["attention_window"], "first": GLOBAL}}, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    if name.startswith("encoder"):
        for ours, theirs in ATTENTION:
            name = re.sub(ours, theirs, name)
    return bart.names(name, config)


FAMILY = replace(
    bart.FAMILY,
    describe=describe,
    names=names,
    unify=unify,
    defaults={
        **bart.FAMILY.defaults,
        "max_encoder_position_embeddings": 16384,
        "max_decoder_position_embeddings": 1024,
        "attention_window": 512,
    },
)
