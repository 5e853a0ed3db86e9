"""GPT-2 with attention to an encoder, the decoder of image models."""

import re
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Half
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

ADDED = 2  # tokens: padding and unknown, which a GPT-2 has not
NEVER = -1e9  # their logits
NAMES = (
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
LEAVES = (("/kernel", ".weight"), ("/gamma", ".weight"), ("/beta", ".bias"))
# Masks kept as buffers, the output matrix, which is that of the embedding.
UNUSED = r"(\.(attn|crossattention)\.(masked_)?bias$|lm_head\.weight$)"
OUTPUT = ("decoder.lm_head.weight", "decoder.transformer.wte.weight")


def unify(gpt: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns what the config of a whole checkpoint says of this decoder, and its tensors.

    The fused matrices become one for each purpose, the vocabulary gets the rows of two more
    tokens, and buffers are left out.

    Raises:
        CheckpointError: for options that it does not have here.
    """
    refused = {
        "scale_attn_by_inverse_layer_idx": gpt.get("scale_attn_by_inverse_layer_idx", False),
        "scale_attn_weights=False": not gpt.get("scale_attn_weights", True),
        "add_cross_attention=False": not gpt.get("add_cross_attention", False),
        "tie_word_embeddings=False": not gpt.get("tie_word_embeddings", True),
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
    count = gpt["vocab_size"]
    said = {
        "vocab_size": count + ADDED,
        "pad_token_id": count,
        "max_position_embeddings": gpt["n_positions"],
        "tie_word_embeddings": True,
        "hidden_size": gpt["n_embd"],
        "tokenizer": "gpt2",
    }
    return said, dict(_unified(tensors, count))


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


def describe(gpt: Config) -> Config:
    return {
        "name": "transformer",
        "vocabulary_size": gpt["vocab_size"] + ADDED,
        "embedding_dim": gpt["n_embd"],
        "layers": gpt["n_layer"],
        "heads": gpt["n_head"],
        "hidden_dim": gpt.get("n_inner") or 4 * gpt["n_embd"],
        "activation": lookup(ACTIVATIONS, gpt["activation_function"], "activation_function"),
        "norm": "pre",
        "epsilon": gpt["layer_norm_epsilon"],
        "positions": {"name": "learned", "length": gpt["n_positions"]},
        "scale_embedding": False,
        "dropout": gpt["resid_pdrop"],
        "output_bias": True,
    }


def names(name: str, config: Config) -> tuple[str, ...]:
    for ours, theirs in (*NAMES, *LEAVES):
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


HALF = Half(
    defaults={
        "vocab_size": 50257,
        "n_positions": 1024,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "activation_function": "gelu_new",
        "resid_pdrop": 0.1,
        "layer_norm_epsilon": 1e-5,
        "eos_token_id": 50256,
    },
    unify=unify,
    describe=describe,
    names=names,
)
