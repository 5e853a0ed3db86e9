"""Pix2Struct (Lee et al. 2022, 2210.03347), DePlot (2212.10505) and MatCha (2212.09662)."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import t5
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.patches import (
    PretrainedPatchesProcessor,
    patch_options,
)
from s2s_zoo.checkpoints.pretrained.settings import check_special, kept_settings, read_settings
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.pretrained.tied import HEAD, SHARED
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

# What the two parts of a config mean that do not say it.
TEXT = {
    "vocab_size": 50244,
    "hidden_size": 768,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 12,
    "num_heads": 12,
    "dense_act_fn": "gelu_new",
    "decoder_start_token_id": 0,
    **t5.IDS,
}
VISION = {
    "hidden_size": 768,
    "d_kv": 64,
    "d_ff": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "dense_act_fn": "gelu_new",
    "layer_norm_eps": 1e-6,
    "dropout_rate": 0.0,
    "seq_len": 4096,
}
PATCHES = 2048  # of an image, where no file says it
SETTINGS = ("extra_ids",)
# How a name of ours becomes one of theirs.
ENCODER = (
    ("encoder/patches", "encoder.embeddings.patch_projection"),
    ("encoder/rows/embeddings", "encoder.embeddings.row_embedder.weight"),
    ("encoder/columns/embeddings", "encoder.embeddings.column_embedder.weight"),
    ("encoder/stack/final_norm/scale", "encoder.layernorm.weight"),
    ("encoder/stack/layer_", "encoder.encoder.layer."),
    ("self_attention_norm/scale", "pre_attention_layer_norm.weight"),
    ("feed_forward_norm/scale", "pre_mlp_layer_norm.weight"),
    ("self_attention", "attention"),
    ("feed_forward", "mlp"),
)
DECODER = (
    ("decoder/embedding/embeddings", "decoder.embed_tokens.weight"),
    ("decoder/output/kernel", HEAD),
    ("decoder/stack/final_norm/scale", "decoder.final_layer_norm.weight"),
    ("decoder/stack/relative_bias/embeddings", "decoder.stack.layer_0.relative_bias"),
    (r"decoder.stack.layer_(\d+)", r"decoder.layer.\1"),
    ("relative_bias", "self_attention.attention.relative_attention_bias.weight"),
    ("cross_attention", "encoder_decoder_attention"),
    ("_attention_norm/scale", "_attention.layer_norm.weight"),
    ("feed_forward_norm/scale", "mlp.layer_norm.weight"),
    ("_attention/", "_attention.attention."),
    ("feed_forward", "mlp.DenseReluDense"),
)
LEAVES = (
    ("(mlp|Dense)/hidden", r"\1/wi_0"),
    ("(mlp|Dense)/gate", r"\1/wi_1"),
    ("(mlp|Dense)/output", r"\1/wo"),
    ("/kernel", ".weight"),
    ("/", "."),
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    Raises:
        CheckpointError: for another way from an image to patches.
    """
    text = {**TEXT, **(config.get("text_config") or {})}
    vision = {**VISION, **(config.get("vision_config") or {})}
    unified = {
        **config,
        **{name: text[name] for name in ("vocab_size", "decoder_start_token_id", *t5.IDS)},
        "text": text,
        "vision": vision,
        "tie_word_embeddings": config.get("tie_word_embeddings", False),
        SHARED: False,
        **patch_options(directory, PATCHES, config.get("is_vqa", False)),
    }
    return unified, {
        name.replace("decoder.lm_head.", "lm_head."): tensor for name, tensor in tensors.items()
    }


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    text, vision = config["text"], config["vision"]
    encoder = {
        "name": "patches",
        "patch": config["patch"],
        "longest": config["patches"],
        "positions": vision["seq_len"],
        "embedding_dim": vision["hidden_size"],
        "layers": vision["num_hidden_layers"],
        "heads": vision["num_attention_heads"],
        "head_dim": vision["d_kv"],
        "hidden_dim": vision["d_ff"],
        "activation": lookup(ACTIVATIONS, vision["dense_act_fn"], "dense_act_fn"),
        "epsilon": vision["layer_norm_eps"],
        "dropout": vision["dropout_rate"],
    }
    said = {
        "d_model": text["hidden_size"],
        "is_gated_act": True,
        "tie_word_embeddings": False,  # of which a T5 makes a scale
    }
    _, decoder = t5.describe({**text, **said})
    return encoder, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    for ours, theirs in (*(ENCODER if name.startswith("encoder") else DECODER), *LEAVES):
        name = re.sub(ours, theirs, name)
    return (name,)


def processor(
    directory: Path, config: Config, max_target_length: int
) -> PretrainedPatchesProcessor:
    settings = read_settings(directory, {}, SETTINGS)
    made = PretrainedPatchesProcessor(
        read_files(directory),
        {
            "vocabulary_size": config["vocab_size"],
            "special": [config["pad_token_id"], config["eos_token_id"]],
            **{name: config[name] for name in ("patches", "patch", "asks")},
            "max_target_length": max_target_length,
            "tokenizer": kept_settings(settings, SETTINGS),
        },
    )
    check_special(settings, made.tokenizer, config["eos_token_id"], None)
    return made


FAMILY = Family(
    task="captioning",
    describe=describe,
    names=names,
    tokenizer=t5.tokenizer,
    tokenizer_options=SETTINGS,
    unify=unify,
    processor=processor,
)
