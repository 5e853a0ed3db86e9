"""BigBird-Pegasus (Zaheer et al. 2020, 2007.14062): a Pegasus that reads documents, in blocks."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bart, pegasus
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.tensors import Tensors, with_zero_biases
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

KINDS = ("block_sparse", "original_full")
PROJECTION = r"(self\.(query|key|value)|(q|k|v|out)_proj|self_attn\.output)\.weight$"
# How a name of ours in the attention of the encoder becomes one of theirs.
ATTENTION = (
    ("self_attention/(query|key|value)", r"self_attn.self.\1"),
    ("self_attention/output", "self_attn.output"),
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Gives projections without biases some of zeros.

    Raises:
        CheckpointError: for another kind of attention.
    """
    if config["attention_type"] not in KINDS:
        raise CheckpointError(
            f"{directory / 'config.json'} expected an attention_type of {' or '.join(KINDS)}. "
            f"Received: {config['attention_type']!r}. Use another checkpoint."
        )
    return config, with_zero_biases(tensors, PROJECTION)


def describe(config: Config) -> tuple[Config, Config]:
    positions = {"name": "learned", "length": config["max_position_embeddings"]}
    encoder, decoder = bart.stack(config, positions=positions, norm="pre")
    if config["attention_type"] == "original_full":
        return encoder, decoder
    blocks = {"block": config["block_size"], "random": config["num_random_blocks"]}
    return {**encoder, "sparse": blocks}, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    if name.startswith("encoder"):
        for ours, theirs in ATTENTION:
            name = re.sub(ours, theirs, name)
    return bart.names(name.replace("stack/final_norm", "layernorm_embedding"), config)


FAMILY = Family(
    task="summarization",
    defaults={
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 2,
        "activation_function": "gelu_new",
        "scale_embedding": True,
        "attention_type": "block_sparse",
        "block_size": 64,
        "num_random_blocks": 3,
    },
    describe=describe,
    names=names,
    tokenizer=pegasus.tokenizer,
    tokenizer_options=("offset",),
    unify=unify,
)
