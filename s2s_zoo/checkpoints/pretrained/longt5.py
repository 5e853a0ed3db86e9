"""LongT5 (Guo et al. 2021, 2112.07916): a T5 that reads documents, in windows and by summaries."""

from dataclasses import replace
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import t5
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

LONGEST = 16384  # tokens of a source, where the settings of its tokenizer do not say
# What the attention of the encoder is called, by encoder_attention_type.
KINDS = {"local": "LocalSelfAttention", "transient-global": "TransientGlobalSelfAttention"}


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """As of a T5; positions are relative, so a source may have any length: it is for documents."""
    config, tensors = t5.unify(config, tensors, directory)
    return {**config, "max_position_embeddings": LONGEST}, tensors


def describe(config: Config) -> tuple[Config, Config]:
    """As of a T5, but for what the encoder attends to.

    Raises:
        CheckpointError: for another kind of attention.
    """
    kind = config["encoder_attention_type"]
    if kind not in KINDS:
        raise CheckpointError(
            f"A LongT5 expected an encoder_attention_type of {' or '.join(KINDS)}. Received: "
            f"{kind!r}. Use another checkpoint."
        )
    encoder, decoder = t5.describe(config)
    seen = {"block": config["global_block_size"]} if kind == "transient-global" else {"first": 0}
    return {**encoder, "window": {"size": 2 * config["local_radius"], **seen}}, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    found = t5.names(
        name.replace("encoder/summary_bias", "encoder/stack/relative_bias").replace(
            "summary_norm/scale", "global_input_layer_norm/kernel"
        ),
        config,
    )
    if not name.startswith("encoder/"):
        return found
    kind = KINDS[config["encoder_attention_type"]]
    found = tuple(x.replace("layer.0.SelfAttention", f"layer.0.{kind}") for x in found)
    if "summary_bias" in name:
        return tuple(
            x.replace("relative_attention_bias", "global_relative_attention_bias") for x in found
        )
    return found


FAMILY = replace(
    t5.FAMILY,
    task="summarization",
    unify=unify,
    describe=describe,
    names=names,
    defaults={
        **t5.IDS,
        "encoder_attention_type": "local",
        "local_radius": 127,
        "global_block_size": 16,
    },
)
