"""T5 (Raffel et al. 2019, 1910.10683), FLAN-T5, ByT5 (2105.13626) and CodeT5."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained.byte_tokenizer import ByteTokenizer
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.pretrained.tied import matrix_names
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    SPECIAL,
    Files,
    Read,
    byte_level,
    count,
    renumbered,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

NAMES = (
    (r"stack/layer_(\d+)/", r"block.\1."),
    ("self_attention_norm/scale", "layer.0.layer_norm.weight"),
    ("cross_attention_norm/scale", "layer.1.layer_norm.weight"),
    ("^encoder(.*)feed_forward_norm/scale", r"encoder\1layer.1.layer_norm.weight"),
    ("^decoder(.*)feed_forward_norm/scale", r"decoder\1layer.2.layer_norm.weight"),
    ("self_attention", "layer.0.SelfAttention"),
    ("cross_attention", "layer.1.EncDecAttention"),
    ("^encoder(.*)feed_forward", r"encoder\1layer.1.DenseReluDense"),
    ("^decoder(.*)feed_forward", r"decoder\1layer.2.DenseReluDense"),
    ("Attention/query", "Attention.q"),
    ("Attention/key", "Attention.k"),
    ("Attention/value", "Attention.v"),
    ("Attention/output", "Attention.o"),
    ("Dense/output", "Dense.wo"),
    ("stack/relative_bias", "block.0.relative_bias"),
    ("relative_bias/embeddings", "layer.0.SelfAttention.relative_attention_bias.weight"),
    ("stack/final_norm/scale", "final_layer_norm.weight"),
    ("decoder/output", "lm_head"),
    ("/kernel", ".weight"),
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Says whether logits are divided by sqrt(E), which a config tells only by what is tied."""
    scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
    # Whether the output matrix is the embedding is then what the tensors say.
    return {**config, "scale_decoder_outputs": scaled, "tie_word_embeddings": True}, tensors


def describe(config: Config) -> tuple[Config, Config]:
    gated, activation = feed_forward(config)
    part = {
        "name": "transformer",
        "vocabulary_size": config["vocab_size"],
        "embedding_dim": config["d_model"],
        "layers": config["num_layers"],
        "heads": config["num_heads"],
        "head_dim": config["d_kv"],
        "hidden_dim": config["d_ff"],
        "activation": activation,
        "gated": gated,
        "norm": "pre",
        "normalization": "rms",
        "epsilon": config.get("layer_norm_epsilon", 1e-6),
        "positions": None,
        "relative_positions": {
            "buckets": config.get("relative_attention_num_buckets", 32),
            "max_distance": config.get("relative_attention_max_distance", 128),
        },
        "scale_embedding": config["tie_word_embeddings"] and config["scale_decoder_outputs"],
        "scale_scores": False,
        "bias": False,
        "dropout": config.get("dropout_rate", 0.1),
    }
    layers = config.get("num_decoder_layers") or config["num_layers"]
    return part, {**part, "layers": layers, "output_bias": False}


def feed_forward(config: Config) -> tuple[bool, str]:
    """Returns whether it is gated, and what our activation is called."""
    written = config.get("feed_forward_proj", "relu")
    gate, _, activation = written.rpartition("-")
    if written == "gated-gelu":  # and only there
        activation = "gelu_new"
    activation = config.get("dense_act_fn", activation)
    if gate not in ("", "gated") or activation not in ACTIVATIONS:
        raise CheckpointError(
            "T5 expected a feed_forward_proj such as 'relu' or 'gated-gelu', and a dense_act_fn "
            f"of {', '.join(ACTIVATIONS)}. Received: {written!r}, {activation!r}."
        )
    return config.get("is_gated_act", gate == "gated"), ACTIVATIONS[activation]


def scale(name: str, config: Config) -> float:
    """What a tensor is multiplied by.

    The first T5 reads the rows of the embedding as they are and divides the logits by sqrt(E);
    here the rows are multiplied by sqrt(E) when they are read: the same, with rows divided by it.
    """
    if not config["scale_decoder_outputs"]:
        return 1
    matrix = "embedding/embeddings" if config["tie_word_embeddings"] else "decoder/output/kernel"
    return config["d_model"] ** -0.5 if name.endswith(matrix) else 1


def names(name: str, config: Config) -> tuple[str, ...]:
    if name.endswith("embedding/embeddings"):
        return matrix_names(name.split("/")[0], config)
    for ours, theirs in NAMES:
        name = re.sub(ours, theirs, name)
    gated, _ = feed_forward(config)
    name = name.replace("Dense/hidden", "Dense/wi_0" if gated else "Dense/wi")
    return (name.replace("Dense/gate", "Dense/wi_1").replace("/", "."),)


def tokenizer(files: Files, config: Config) -> Read:
    """SentencePiece pieces; bytes for a ByT5, byte-level BPE for a CodeT5."""
    kind = str(config.get("tokenizer_class"))
    if kind.startswith("ByT5"):
        return ByteTokenizer(count(config, "extra_ids", 125)), ()
    if kind.startswith("Roberta"):
        return byte_level(files, config, "t5")

    def number(pieces):
        extra_ids = count(config, "extra_ids", 100)
        vocabulary = {piece: i for i, piece in enumerate(pieces)}
        extra = [f"<extra_id_{i}>" for i in reversed(range(extra_ids))]
        vocabulary |= {piece: len(pieces) + i for i, piece in enumerate(extra)}
        return vocabulary, [*SPECIAL[1:4], *extra]

    return renumbered(files, "t5", "spiece.model", number)


IDS = {"pad_token_id": 0, "eos_token_id": 1}
FAMILY = Family(
    task="text2text",
    defaults=IDS,
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    tokenizer_options=("extra_ids", "add_prefix_space"),
    unify=unify,
    scale=scale,
    # A bias that the first T5 had and never used.
    needless=("layer.1.EncDecAttention.relative_attention_bias.weight",),
)
