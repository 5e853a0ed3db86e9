"""Swin (Liu et al. 2021, 2103.14030), also as the encoder of a Donut, without its last norm."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS
from s2s_zoo.checkpoints.pretrained.tensors import Tensors, patches, with_zero_biases
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

KINDS = {"swin": True, "donut-swin": False}  # and whether the memory is normalized
DEFAULTS = {
    "image_size": 224,
    "patch_size": 4,
    "embed_dim": 96,
    "depths": [2, 2, 6, 2],
    "num_heads": [3, 6, 12, 24],
    "window_size": 7,
    "mlp_ratio": 4.0,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0,
    "layer_norm_eps": 1e-5,
    "use_absolute_embeddings": False,
}
# How a name of ours becomes one of theirs.
NAMES = (
    ("encoder/patches", "encoder.embeddings.patch_embeddings.projection"),
    ("encoder/embedding_norm", "encoder.embeddings.norm"),
    ("encoder/projection", "enc_to_dec_proj"),
    ("encoder/final_norm", "encoder.layernorm"),
    ("encoder/stage_", "encoder.encoder.layers."),
    ("/merge_norm", ".downsample.norm"),
    ("/reduction", ".downsample.reduction"),
    ("/layer_", ".blocks."),
    ("relative_bias/embeddings", "attention.self.relative_position_bias_table"),
    ("self_attention_norm", "layernorm_before"),
    ("feed_forward_norm", "layernorm_after"),
    ("self_attention/output", "attention.output.dense"),
    ("self_attention", "attention.self"),
    ("feed_forward/hidden", "intermediate.dense"),
    ("feed_forward/output", "output.dense"),
)
UNUSED = r"relative_position_index$|embeddings\.mask_token$"


def complete(swin: Config, path: Path) -> Config:
    """Returns a config of theirs with "hidden_size", that of the last stage.

    Raises:
        CheckpointError: for options that it does not have here.
    """
    if swin["use_absolute_embeddings"]:
        raise CheckpointError(
            f"{path} has what this package cannot do: use_absolute_embeddings. Use another "
            "checkpoint."
        )
    return {**swin, "hidden_size": swin["embed_dim"] * 2 ** (len(swin["depths"][:8]) - 1)}


def unified(tensors: Tensors) -> Tensors:
    """Returns the tensors of an encoder in the form that `NAMES` expects.

    Projections without biases get some of zeros.
    """
    found = {}
    for name, tensor in tensors.items():
        if re.search(UNUSED, name):
            continue
        found[name] = patches(tensor) if name.endswith("projection.weight") else tensor
    return with_zero_biases(found, r"self\.(query|key|value)\.weight$")


def describe(swin: Config, pixels: Config, projection: int | None) -> Config:
    """Returns the config of our encoder.

    Args:
        swin: dict, the config of theirs, with all of `DEFAULTS`.
        pixels: dict, what `images.pixels` returns.
        projection: the width of the memory, or None for that of the encoder.
    """
    return {
        "name": "swin",
        **{name: pixels[name] for name in ("size", "mean", "std")},
        "patch": swin["patch_size"],
        "embedding_dim": swin["embed_dim"],
        "layers": swin["depths"],
        "heads": swin["num_heads"],
        "window": swin["window_size"],
        "hidden_ratio": swin["mlp_ratio"],
        "activation": lookup(ACTIVATIONS, swin["hidden_act"], "hidden_act"),
        "epsilon": swin["layer_norm_eps"],
        "final_norm": KINDS[swin["model_type"]],
        "projection": projection,
        "dropout": swin["hidden_dropout_prob"],
    }
