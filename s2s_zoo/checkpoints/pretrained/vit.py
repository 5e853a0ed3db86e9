"""ViT (Dosovitskiy et al. 2020, 2010.11929) and DeiT (2012.12877), the encoder of image models."""

import re
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS
from s2s_zoo.checkpoints.pretrained.tensors import (
    Tensor,
    Tensors,
    patches,
    reshaped,
    with_zero_biases,
)
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

KINDS = {"vit": 1, "deit": 2}  # and how many tokens come before those of the patches
DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "layer_norm_eps": 1e-12,
    "image_size": 224,
    "patch_size": 16,
}
# How a name of ours becomes one of theirs.
NAMES = (
    ("encoder/patches", "encoder.embeddings.patch_embeddings.projection"),
    ("encoder/class_token", "encoder.embeddings.cls_token"),
    ("encoder/projection", "enc_to_dec_proj"),
    ("encoder/stack/positions/embeddings", "encoder.embeddings.position_embeddings"),
    ("encoder/stack/final_norm", "encoder.layernorm"),
    ("encoder/stack/layer_", "encoder.encoder.layer."),
    ("self_attention_norm", "layernorm_before"),
    ("feed_forward_norm", "layernorm_after"),
    ("self_attention/output", "attention.output.dense"),
    ("self_attention", "attention.attention"),
    ("feed_forward/hidden", "intermediate.dense"),
    ("feed_forward/output", "output.dense"),
)
FIRST, SECOND = (f"encoder.embeddings.{name}_token" for name in ("cls", "distillation"))
UNUSED = r"^encoder\.(pooler\.|embeddings\.mask_token$)"


def complete(vit: Config, path: Path) -> Config:
    """Returns a config of theirs with all that is told of an encoder: it is."""
    return vit


def unified(tensors: Tensors) -> Tensors:
    """Returns the tensors of an encoder in the form that `NAMES` expects.

    Projections without biases get some of zeros, the two tokens of a DeiT become one tensor.
    """
    found = {}
    for name, tensor in tensors.items():
        if name.endswith("patch_embeddings.projection.weight"):
            tensor = patches(tensor)
        elif name.endswith("position_embeddings"):
            tensor = reshaped(tensor, tensor.shape[1:])
        elif name == FIRST and SECOND in tensors:
            tensor = _joined(tensor, tensors[SECOND])
        if name != SECOND and not re.search(UNUSED, name):
            found[name] = tensor
    return with_zero_biases(found, r"attention\.(query|key|value)\.weight$")


def _joined(one, other):
    shape = (1, one.shape[1] + other.shape[1], one.shape[2])
    return Tensor(shape, one.dtype, lambda: np.concatenate([one.read(), other.read()], axis=1))


def describe(vit: Config, pixels: Config, projection: int | None) -> Config:
    """Returns the config of our encoder.

    Args:
        vit: dict, the config of theirs, with all of `DEFAULTS`.
        pixels: dict, what `images.pixels` returns.
        projection: the width of the memory, or None for that of the encoder.
    """
    return {
        "name": "vision_transformer",
        **{name: pixels[name] for name in ("size", "mean", "std")},
        "patch": vit["patch_size"],
        "embedding_dim": vit["hidden_size"],
        "layers": vit["num_hidden_layers"],
        "heads": vit["num_attention_heads"],
        "hidden_dim": vit["intermediate_size"],
        "activation": lookup(ACTIVATIONS, vit["hidden_act"], "hidden_act"),
        "epsilon": vit["layer_norm_eps"],
        "projection": projection,
        "dropout": vit["hidden_dropout_prob"],
        "class_tokens": KINDS[vit["model_type"]],
    }
