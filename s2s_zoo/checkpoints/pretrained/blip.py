"""BLIP (Li et al. 2022, 2201.12086): captions by a ViT and a BERT that attends to it."""

import re
from pathlib import Path
from typing import TypeAlias

from s2s_zoo.checkpoints.pretrained import bert
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.generation import generation_part
from s2s_zoo.checkpoints.pretrained.images import BICUBIC, PretrainedImageProcessor, pixels
from s2s_zoo.checkpoints.pretrained.settings import check_special, kept_settings, read_settings
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensors, patches, reshaped, rows
from s2s_zoo.checkpoints.pretrained.tied import HEAD, SHARED
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

Names: TypeAlias = tuple[tuple[str, str], ...]

# What the two parts of a config mean that do not say it.
TEXT = {
    "vocab_size": 30524,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "max_position_embeddings": 512,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.0,
    "bos_token_id": 30522,
    "sep_token_id": 102,
    "pad_token_id": 0,
}
VISION = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 384,
    "patch_size": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
# The mean and the deviation of colours that its preprocessor has where its file says nothing.
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
RENAMED = (
    (r"^vision_model\.", "encoder."),
    (r"^text_decoder\.cls\.predictions\.decoder\.weight$", HEAD),
    (r"^text_decoder\.bert\.embeddings\.word_embeddings\.", "decoder.embed_tokens."),
    (r"^text_decoder\.(bert\.(encoder\.)?|cls\.predictions\.)", "decoder."),
)
ENCODER = (
    ("encoder/patches", "encoder.embeddings.patch_embedding"),
    ("encoder/class_token", "encoder.embeddings.class_embedding"),
    ("encoder/stack/positions/embeddings", "encoder.embeddings.position_embedding"),
    ("encoder/stack/final_norm", "encoder.post_layernorm"),
    ("encoder/stack/layer_", "encoder.encoder.layers."),
    ("self_attention_norm", "layer_norm1"),
    ("feed_forward_norm", "layer_norm2"),
    ("self_attention/output", "self_attn.projection"),
    ("self_attention", "self_attn"),
    ("feed_forward/hidden", "mlp.fc1"),
    ("feed_forward/output", "mlp.fc2"),
)
DECODER = (
    ("decoder/embedding/embeddings", "decoder.embed_tokens.weight"),
    ("decoder/output/kernel", HEAD),
    ("decoder/output_bias", "decoder.bias"),
    ("decoder/stack/positions/embeddings", "decoder.embeddings.position_embeddings.weight"),
    ("decoder/stack/embedding_norm", "decoder.embeddings.LayerNorm"),
    ("decoder/stack/transform_norm", "decoder.transform.LayerNorm"),
    ("decoder/stack/transform", "decoder.transform.dense"),
    ("decoder/stack/layer_", "decoder.layer."),
    *bert.BLOCK,
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    How to generate is said in the config of the text.

    Raises:
        CheckpointError: for images of another size than the encoder reads.
    """
    text = {**TEXT, **(config.get("text_config") or {})}
    vision = {**VISION, **(config.get("vision_config") or {})}
    unified = {
        **config,
        **generation_part(text),
        "text": text,
        "vision": vision,
        "vocab_size": text["vocab_size"],
        "pad_token_id": text["pad_token_id"],
        "eos_token_id": text["sep_token_id"],
        "decoder_start_token_id": text["bos_token_id"],
        "max_position_embeddings": text["max_position_embeddings"],
        "tie_word_embeddings": config.get("tie_word_embeddings", True),
        SHARED: False,
        "pixels": pixels(directory, vision["image_size"], {"resample": BICUBIC, **CLIP}),
    }
    return unified, dict(_unified(tensors))


def _unified(tensors):
    for name, tensor in tensors.items():
        for theirs, ours in RENAMED:
            name = re.sub(theirs, ours, name)
        if name.endswith("position_ids"):
            continue
        if found := re.search(r"\.qkv\.(weight|bias)$", name):
            for i, use in enumerate(("query", "key", "value")):
                yield f"{name[: found.start()]}.{use}.{found[1]}", rows(tensor, i, 3)
        elif name.endswith("patch_embedding.weight"):
            yield name, patches(tensor)
        elif name.endswith("position_embedding"):
            yield name, reshaped(tensor, tensor.shape[1:])
        elif name == "decoder.decoder.bias":  # of the output matrix, which the other one copies
            yield "decoder.bias", reshaped(tensor, (1, *tensor.shape))
        elif name == "decoder.bias":
            if "text_decoder.cls.predictions.decoder.bias" not in tensors:
                yield name, reshaped(tensor, (1, *tensor.shape))
        else:
            yield name, tensor


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    text, vision = config["text"], config["vision"]

    size = {name: config["pixels"][name] for name in ("size", "mean", "std")}
    encoder = {"name": "vision_transformer", **sizes(vision), **size, "patch": vision["patch_size"]}
    decoder = {
        "name": "transformer",
        **sizes(text),
        "vocabulary_size": text["vocab_size"],
        "norm": "post",
        "embedding_norm": True,
        "positions": {"name": "learned", "length": text["max_position_embeddings"]},
        "scale_embedding": False,
        "dropout": text["hidden_dropout_prob"],
        "output_transform": True,
        "output_bias": True,
    }
    return encoder, decoder


def sizes(said: Config) -> Config:
    """What a config of theirs says of a stack, in our words."""
    return {
        "embedding_dim": said["hidden_size"],
        "layers": said["num_hidden_layers"],
        "heads": said["num_attention_heads"],
        "hidden_dim": said["intermediate_size"],
        "activation": lookup(ACTIVATIONS, said["hidden_act"], "hidden_act"),
        "epsilon": said["layer_norm_eps"],
    }


def named(name: str, encoder: Names, decoder: Names) -> tuple[str, ...]:
    """The name of theirs for one of ours, by the tables of an image's encoder and of a BERT."""
    for ours, theirs in (*(encoder if name.startswith("encoder") else decoder), *bert.LEAVES):
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


def names(name: str, config: Config) -> tuple[str, ...]:
    return named(name, ENCODER, DECODER)


def processor(directory: Path, config: Config, max_target_length: int) -> PretrainedImageProcessor:
    settings = read_settings(directory, {}, bert.SETTINGS)
    made = PretrainedImageProcessor(
        read_files(directory),
        {
            "family": "bert",
            "vocabulary_size": config["vocab_size"],
            "pad": config["pad_token_id"],
            "end": config["eos_token_id"],
            "size": config["pixels"]["size"],
            "resize": config["pixels"]["resize"],
            "tokenizer": kept_settings(settings, bert.SETTINGS),
            "max_target_length": max_target_length,
        },
    )
    check_special(settings, made.tokenizer, config["eos_token_id"], bert.FIRST)
    return made


FAMILY = Family(
    task="captioning",
    describe=describe,
    names=names,
    tokenizer=bert.tokenizer,
    unify=unify,
    processor=processor,
    consumed=("eos_token_id", "decoder_start_token_id"),  # of the config of the text, which lies
)
