"""GIT (Wang et al. 2022, 2205.14100): captions by one stack, which begins with the image."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bert, blip
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.images import BICUBIC, pixels
from s2s_zoo.checkpoints.pretrained.tensors import Tensors, patches, reshaped, zeros
from s2s_zoo.checkpoints.pretrained.tied import HEAD, SHARED
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

# What the two parts of a config mean that do not say it.
TEXT = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "max_position_embeddings": 1024,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "bos_token_id": 101,
    "eos_token_id": 102,
    "tie_word_embeddings": False,
}
VISION = {**blip.VISION, "image_size": 224, "hidden_act": "quick_gelu"}
# How a name of theirs becomes one that `names` expects.
RENAMED = (
    (r"^git\.image_encoder\.vision_model\.", "encoder."),
    (r"^git\.visual_projection\.visual_projection\.0\.", "encoder.projection."),
    (r"^git\.visual_projection\.visual_projection\.1\.", "encoder.projection_norm."),
    (r"^git\.embeddings\.word_embeddings\.", "decoder.embed_tokens."),
    (r"^git\.(encoder\.)?", "decoder."),
    (r"^output\.weight$", HEAD),
    (r"^output\.bias$", "decoder.bias"),
)
ENCODER = (
    ("encoder/patches", "encoder.embeddings.patch_embedding"),
    ("encoder/class_token", "encoder.embeddings.class_embedding"),
    ("encoder/stack/positions/embeddings", "encoder.embeddings.position_embedding.weight"),
    ("encoder/stack/embedding_norm", "encoder.pre_layrnorm"),
    ("encoder/stack/final_norm", "encoder.post_layernorm"),
    ("encoder/stack/layer_", "encoder.encoder.layers."),
    ("self_attention_norm", "layer_norm1"),
    ("feed_forward_norm", "layer_norm2"),
    ("self_attention/query", "self_attn.q_proj"),
    ("self_attention/key", "self_attn.k_proj"),
    ("self_attention/value", "self_attn.v_proj"),
    ("self_attention/output", "self_attn.out_proj"),
    ("feed_forward/hidden", "mlp.fc1"),
    ("feed_forward/output", "mlp.fc2"),
)
DECODER = (
    ("decoder/embedding/embeddings", "decoder.embed_tokens.weight"),
    ("decoder/output/kernel", HEAD),
    ("decoder/output_bias", "decoder.bias"),
    ("decoder/stack/positions/embeddings", "decoder.embeddings.position_embeddings.weight"),
    ("decoder/stack/embedding_norm", "decoder.embeddings.LayerNorm"),
    ("decoder/stack/layer_", "decoder.layer."),
    *bert.BLOCK,
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    Raises:
        CheckpointError: for a GIT of videos, or images of another size than the encoder reads.
    """
    text = {**TEXT, **config}
    vision = {**VISION, **(config.get("vision_config") or {})}
    if config.get("num_image_with_embedding") is not None:
        raise CheckpointError(
            f"{directory / 'config.json'} expected a GIT of single images. Received: "
            f"num_image_with_embedding={config['num_image_with_embedding']!r}, of videos. Use "
            "another, such as microsoft/git-base-coco."
        )
    size = vision["image_size"]
    usual = {"size": {"shortest_edge": size}, "do_center_crop": True, "resample": BICUBIC}
    unified = {
        **text,
        "text": text,
        "vision": vision,
        "decoder_start_token_id": text["bos_token_id"],
        SHARED: False,
        "pixels": pixels(directory, size, {**usual, **blip.CLIP}),
    }
    return unified, dict(_unified(tensors))


def _unified(tensors):
    for name, tensor in tensors.items():
        for theirs, ours in RENAMED:
            name = re.sub(theirs, ours, name)
        if name.endswith("position_ids"):
            continue
        if name.endswith("patch_embedding.weight"):
            size = tensor.shape[:1]
            yield name.replace("weight", "bias"), zeros(size)
            yield name, patches(tensor)
        elif name.endswith("class_embedding"):
            yield name, reshaped(tensor, (1, 1, *tensor.shape))
        elif name == "decoder.bias":
            yield name, reshaped(tensor, (1, *tensor.shape))
        else:
            yield name, tensor


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    text, vision = config["text"], config["vision"]

    encoder = {
        "name": "vision_transformer",
        **blip.sizes(vision),
        **{name: config["pixels"][name] for name in ("size", "mean", "std")},
        "patch": vision["patch_size"],
        "embedding_norm": True,
        "projection": text["hidden_size"],
        "projection_norm": True,
    }
    decoder = {
        "name": "prefix",
        **blip.sizes(text),
        "vocabulary_size": text["vocab_size"],
        "norm": "post",
        "embedding_norm": True,
        "positions": {"name": "learned", "length": text["max_position_embeddings"]},
        "scale_embedding": False,
        "dropout": text["hidden_dropout_prob"],
        "output_bias": True,
    }
    return encoder, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    return blip.named(name, ENCODER, DECODER)


FAMILY = Family(
    task="captioning",
    describe=describe,
    names=names,
    tokenizer=bert.tokenizer,
    unify=unify,
    processor=blip.processor,
)
