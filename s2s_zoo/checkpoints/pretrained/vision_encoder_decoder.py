"""Image captioners: a ViT (2010.11929) and a GPT-2 that attends to it."""

import re
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.images import PretrainedImageProcessor, gpt2, image_options
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import read_optional_json
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

ADDED = 2  # tokens: padding and unknown, which a GPT-2 has not
NEVER = -1e9  # their logits
PARTS = {"encoder": "vit", "decoder": "gpt2"}
# How a name of ours becomes one of theirs, encoder and decoder apart.
ENCODER = (
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
DECODER = (
    ("decoder/embedding/embeddings", "decoder.transformer.wte.weight"),
    ("decoder/output_bias", "decoder.added_bias"),
    ("decoder/stack/positions/embeddings", "decoder.transformer.wpe.weight"),
    ("decoder/stack/final_norm", "decoder.transformer.ln_f"),
    ("decoder/stack/layer_", "decoder.transformer.h."),
    ("self_attention_norm", "ln_1"),
    ("cross_attention_norm", "ln_cross_attn"),
    ("feed_forward_norm", "ln_2"),
    ("self_attention/output", "attn.c_proj"),
    ("self_attention", "attn.c_attn"),
    ("cross_attention/output", "crossattention.c_proj"),
    ("cross_attention/query", "crossattention.q_attn"),
    ("cross_attention", "crossattention.c_attn"),
    ("feed_forward/hidden", "mlp.c_fc"),
    ("feed_forward/output", "mlp.c_proj"),
)
# Poolers, masks kept as buffers, the output matrix, which is that of the embedding.
UNUSED = r"(\.pooler\.|\.(attn|crossattention)\.(masked_)?bias$|lm_head\.weight$)"
OUTPUT = ("decoder.lm_head.weight", "decoder.transformer.wte.weight")
LEAVES = (("/kernel", ".weight"), ("/gamma", ".weight"), ("/beta", ".bias"))


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    The fused matrices of a GPT-2 become one for each purpose, its vocabulary gets the rows of two
    more tokens, and buffers are left out.

    Raises:
        CheckpointError: for other parts than a ViT and a GPT-2, or options they do not have here.
    """
    for side, kind in PARTS.items():
        if config[side].get("model_type") != kind:
            raise CheckpointError(
                f"{directory / 'config.json'} expected the {side} to be a {kind}. Received: "
                f"{config[side].get('model_type')!r}. Use a checkpoint of ViT and GPT-2."
            )
    decoder, encoder = config["decoder"], config["encoder"]
    refused = {
        "scale_attn_by_inverse_layer_idx": decoder.get("scale_attn_by_inverse_layer_idx", False),
        "scale_attn_weights=False": not decoder.get("scale_attn_weights", True),
        "add_cross_attention=False": not decoder.get("add_cross_attention", False),
        "tie_word_embeddings=False": not decoder.get("tie_word_embeddings", True),
        "qkv_bias=False": not encoder.get("qkv_bias", True),
    }
    if any(refused.values()):
        raise CheckpointError(
            f"{directory / 'config.json'} has what this package cannot do: "
            f"{', '.join(name for name, wrong in refused.items() if wrong)}."
        )
    head, embedding = (tensors.get(name) for name in OUTPUT)
    if head and embedding and not np.array_equal(head.read(), embedding.read()):
        raise CheckpointError(
            f"{directory} has a decoder whose output matrix is not its embedding, which this "
            "package cannot do. Use another checkpoint."
        )
    path = directory / "preprocessor_config.json"
    size, mean, std = image_options(read_optional_json(path), path)
    if size != _pair(encoder["image_size"]):
        raise CheckpointError(
            f"{path} makes images of {size}, and the encoder reads {encoder['image_size']}. "
            "Download the checkpoint again."
        )
    count, end = decoder["vocab_size"], config.get("eos_token_id")
    end = decoder["eos_token_id"] if end is None else end
    unified = {
        **config,
        "vocab_size": count + ADDED,
        "pad_token_id": count,
        "eos_token_id": end,
        "max_position_embeddings": decoder["n_positions"],
        "tie_word_embeddings": True,
        "share_encoder_decoder_embeddings": False,
        "pixels": {"size": size, "mean": mean, "std": std},
    }
    return unified, dict(_unified(tensors, count))


def _unified(tensors, count):
    for name, tensor in tensors.items():
        if re.search(UNUSED, name):
            continue
        if name.endswith("wte.weight"):
            yield name, _rows_added(tensor)
        elif found := re.search(r"\.(attn|crossattention)\.c_attn\.(weight|bias)$", name):
            uses = ("query", "key", "value") if found[1] == "attn" else ("key", "value")
            for i, use in enumerate(uses):
                part = _column_block(tensor, i, len(uses))
                yield f"{name[: -len(found[2])]}{use}.{found[2]}", part
        elif re.search(r"\.(c_proj|c_fc|q_attn)\.weight$", name):
            yield name, _column_block(tensor, 0, 1)
        elif name.endswith("patch_embeddings.projection.weight"):
            # The loader turns all axes round: height and width back again.
            shape = (*tensor.shape[:2], tensor.shape[3], tensor.shape[2])
            yield name, Tensor(shape, tensor.dtype, lambda x=tensor: x.read().swapaxes(2, 3))
        elif name.endswith("position_embeddings"):
            yield name, Tensor(tensor.shape[1:], tensor.dtype, lambda x=tensor: x.read()[0])
        else:
            yield name, tensor

    def bias():
        return np.array([[0] * count + [NEVER] * ADDED], "float32")

    yield "decoder.added_bias", Tensor((1, count + ADDED), "float32", bias)


def _column_block(tensor, i, count):
    """Part i of `count` of the last axis, as (out, in): GPT-2 keeps its matrices as (in, out)."""
    width = tensor.shape[-1] // count
    shape = (*tensor.shape[:-1], width)[::-1]

    def read():
        return tensor.read()[..., i * width : (i + 1) * width].T

    return Tensor(shape, tensor.dtype, read)


def _rows_added(tensor):
    rows, width = tensor.shape

    def read():
        value = tensor.read()
        return np.concatenate([value, np.zeros((ADDED, width), value.dtype)])

    return Tensor((rows + ADDED, width), tensor.dtype, read)


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    vit, gpt = config["encoder"], config["decoder"]
    apart = vit["hidden_size"] != gpt["n_embd"]
    encoder = {
        "name": "vision_transformer",
        **config["pixels"],
        "patch": vit["patch_size"],
        "embedding_dim": vit["hidden_size"],
        "layers": vit["num_hidden_layers"],
        "heads": vit["num_attention_heads"],
        "hidden_dim": vit["intermediate_size"],
        "activation": lookup(ACTIVATIONS, vit.get("hidden_act", "gelu"), "hidden_act"),
        "epsilon": vit.get("layer_norm_eps", 1e-12),
        "projection": gpt["n_embd"] if apart else None,
        "dropout": vit.get("hidden_dropout_prob", 0.0),
    }
    decoder = {
        "name": "transformer",
        "vocabulary_size": config["vocab_size"],
        "embedding_dim": gpt["n_embd"],
        "layers": gpt["n_layer"],
        "heads": gpt["n_head"],
        "hidden_dim": gpt.get("n_inner") or 4 * gpt["n_embd"],
        "activation": lookup(
            ACTIVATIONS, gpt.get("activation_function", "gelu_new"), "activation_function"
        ),
        "norm": "pre",
        "epsilon": gpt.get("layer_norm_epsilon", 1e-5),
        "positions": {"name": "learned", "length": gpt["n_positions"]},
        "scale_embedding": False,
        "dropout": gpt.get("resid_pdrop", 0.1),
        "output_bias": True,
    }
    return encoder, decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    for ours, theirs in (*(ENCODER if name.startswith("encoder") else DECODER), *LEAVES):
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


def processor(directory: Path, config: Config, max_target_length: int) -> PretrainedImageProcessor:
    return PretrainedImageProcessor(
        read_files(directory),
        {
            "family": config["decoder"]["model_type"],
            "vocabulary_size": config["vocab_size"],
            "end": config["eos_token_id"],
            "size": config["pixels"]["size"],
            "max_target_length": max_target_length,
        },
    )


def _pair(size):
    return [size, size] if isinstance(size, int) else list(size)


FAMILY = Family(
    task="captioning",
    describe=describe,
    names=names,
    tokenizer=gpt2,
    unify=unify,
    processor=processor,
)
