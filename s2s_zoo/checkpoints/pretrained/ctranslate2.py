"""Directories that CTranslate2 wrote, read back: argos-translate's, OPUS-MT's, our own exports.

They hold less than what they were made of: no dropout, no task, and of a checkpoint of many
languages nothing that says how it is told which.
"""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.checkpoints.pretrained.ctranslate2_file import SPECIFICATION
from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.listed import (
    LANGUAGES,
    OPTIONS,
    arrangement,
    place_of,
    tokenizer,
    vocabularies,
)
from s2s_zoo.checkpoints.pretrained.rearranged import arranged
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors, rows
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

REVISIONS = (5, 6, 7)
ACTIVATIONS = {0: "relu", 1: "gelu_tanh", 2: "swish", 3: "gelu"}
# What CTranslate2 adds where a file has no table, as OpenNMT does.
LEFT_OUT = {"name": "sinusoidal", "spacing": "tensor2tensor", "offset": 1}
BEGIN = "<s>"
NEVER = -1e9  # the logit of a token that was added
END_BY_TOKENIZER = ("source.spm", "spiece.model", "sentencepiece.bpe.model")  # of transformers
ORIGINAL = "Load the checkpoint that it was made of."


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Says what the file says in place of config.json, with the tensors under our names."""
    _check_kind(tensors.pop(SPECIFICATION))
    files = read_files(directory)
    pieces = vocabularies(files)
    told = {
        "unk_token": config.get("unk_token", "<unk>"),
        "eos_token": config.get("eos_token", "</s>"),
        "source_ends": bool(config.get("add_source_eos"))
        or any(name in files for name in END_BY_TOKENIZER),
        "added_pad": bool(_attribute(tensors, "decoder/start_from_zero_embedding", 0)),
    }
    if config.get("add_source_bos"):
        raise CheckpointError(f"A model that CTranslate2 begins sources of is not read. {ORIGINAL}")
    orders = [arrangement(side, told) for side in pieces]
    start = 0
    if not told["added_pad"]:
        name = config.get("decoder_start_token", BEGIN)
        start = place_of(pieces[1], name, "decoder_start_token")
        start = orders[1].tolist().index(start)
    taken: Tensors = {}
    described = {
        half: _side(half, tensors, taken, order)
        for half, order in zip(("encoder", "decoder"), orders, strict=True)
    }
    if left := sorted(tensors):
        raise CheckpointError(
            f"model.bin has {', '.join(left[:5])}, which no Transformer has here. {ORIGINAL}"
        )
    epsilon = config.get("layer_norm_epsilon")
    for side in described.values():
        side["epsilon"] = epsilon or (1e-6 if side["normalization"] == "rms" else 1e-5)
    same = pieces[0] == pieces[1] and _same(taken, "encoder", "decoder")
    tied = "decoder.output.kernel" not in taken
    if same:
        del taken["decoder.embedding.embeddings"]
    tables = [side["positions"] or {} for side in described.values()]
    lengths = [table["length"] for table in tables if "length" in table]
    found = {
        "model_type": config["model_type"],
        "described": described,
        "vocab_size": len(orders[0]),
        "tie_word_embeddings": tied,
        "share_encoder_decoder_embeddings": same,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": start,
        **told,
    }
    if BEGIN in pieces[1]:  # which nobody wants to read
        found["suppress_tokens"] = [orders[1].tolist().index(pieces[1].index(BEGIN))]
    if lengths:
        found["max_position_embeddings"] = min(lengths)
    return found, taken


def describe(config: Config) -> tuple[Config, Config]:
    """The configs of our encoder and decoder, which `unify` found in the file."""
    return config["described"]["encoder"], config["described"]["decoder"]


def names(name: str, config: Config) -> tuple[str, ...]:
    """The names that `unify` gave."""
    return (name.replace("/", "."),)


def _check_kind(specification: Tensor) -> None:
    kind, revision = specification.dtype.rsplit(" ", 1)
    if kind != "TransformerSpec":
        raise CheckpointError(
            f"model.bin expected a TransformerSpec, of encoder and decoder. Received: {kind:.50}. "
            f"{ORIGINAL}"
        )
    if int(revision) not in REVISIONS:
        raise CheckpointError(
            f"model.bin expected revision {REVISIONS[0]} to {REVISIONS[-1]} of a Transformer. "
            f"Received: {revision}. Convert the original again with the present ctranslate2."
        )


def _side(half: str, tensors: Tensors, taken: Tensors, order: np.ndarray) -> Config:
    """Takes what belongs to one half out of the tensors; returns its config."""
    take = partial(_take, tensors, taken)

    def attribute(name: str, default: Any = None) -> Any:
        return _attribute(tensors, f"{half}/{name}", default)

    decodes = half == "decoder"
    layers = len({name.split("/")[1] for name in tensors if name.startswith(f"{half}/layer_")})
    layers -= f"{half}/layer_norm/gamma" in tensors
    first = f"{half}/layer_0/self_attention"
    table = f"{half}/embeddings{'' if decodes else '_0'}/weight"
    table = table if table in tensors else f"{half}/embeddings/weight"
    if table not in tensors:
        raise CheckpointError(f"model.bin has no {table}. {ORIGINAL}")
    matrix = tensors.pop(table)
    width = matrix.shape[1]
    scale = tensors.pop(f"{half}/scale_embeddings", None)
    activation = attribute("activation", 0)
    if activation not in ACTIVATIONS:
        raise CheckpointError(
            f"model.bin has the activation {activation}, which no Transformer has here: expected "
            f"one of {', '.join(ACTIVATIONS.values())}. {ORIGINAL}"
        )
    heads = attribute("num_heads")
    head_dim = _attribute(tensors, f"{first}/head_dim", None)
    taken[f"{half}.embedding.embeddings"] = arranged(matrix, order, 0.0)
    side = {
        "name": "transformer",
        "vocabulary_size": len(order),
        "embedding_dim": width,
        "layers": layers,
        "heads": heads,
        "head_dim": head_dim,
        "hidden_dim": tensors[f"{half}/layer_0/ffn/linear_0/weight"].shape[0],
        "activation": ACTIVATIONS[activation],
        "gated": f"{half}/layer_0/ffn/linear_0_noact/weight" in tensors,
        "norm": "pre" if attribute("pre_norm", 1) else "post",
        "normalization": "layer" if f"{half}/layer_0/ffn/layer_norm/beta" in tensors else "rms",
        "embedding_norm": f"{half}/layernorm_embedding/gamma" in tensors,
        "bias": f"{first}/linear_0/bias" in tensors,
        "scale_embedding": _scales(scale, width),
        "scale_scores": _scales_scores(tensors, first, head_dim or width // heads),
        **_positions(half, tensors, taken, layers),
    }
    for name in ("alignment_layer", "alignment_heads", "embeddings_merge", "alibi"):
        attribute(name)
    for name in ("alibi_use_positive_positions", "scale_alibi", "multi_query_attention"):
        attribute(name)
    stack = f"{half}.stack"
    for there, here in (("layernorm_embedding", "embedding_norm"), ("layer_norm", "final_norm")):
        _norm(take, f"{half}/{there}", f"{stack}.{here}")
    for i in range(layers):
        there, here = f"{half}/layer_{i}", f"{stack}.layer_{i}"
        for mixer, ours in (("self_attention", "self_attention"), ("attention", "cross_attention")):
            for name in ("queries_scale", "head_dim"):
                tensors.pop(f"{there}/{mixer}/{name}", None)
            _attention(tensors, taken, f"{there}/{mixer}", f"{here}.{ours}", mixer == "attention")
            _norm(take, f"{there}/{mixer}/layer_norm", f"{here}.{ours}_norm")
        parts = {"linear_0": "hidden", "linear_1": "output", "linear_0_noact": "gate"}
        for linear, ours in parts.items():
            take(f"{there}/ffn/{linear}/weight", f"{here}.feed_forward.{ours}.kernel")
            take(f"{there}/ffn/{linear}/bias", f"{here}.feed_forward.{ours}.bias")
        _norm(take, f"{there}/ffn/layer_norm", f"{here}.feed_forward_norm")
    if decodes:
        _output(tensors, taken, matrix, order, width)
        side["output_bias"] = True
    return side


def _output(tensors, taken, matrix, order, width):
    """The output matrix, where it is none of the embeddings, and the bias of every logit."""
    weight = tensors.pop("decoder/projection/weight")
    factor = float(_attribute(tensors, "decoder/scale_outputs", 0) or 0)
    if factor:
        scaled = width**-0.5 if factor == 1 else factor
        weight = Tensor(
            weight.shape, "float32", lambda whole=weight: whole.read().astype("float32") * scaled
        )
    if weight is not matrix:
        taken["decoder.output.kernel"] = arranged(weight, order, 0.0)
    bias = tensors.pop("decoder/projection/bias", None)
    if bias is None:
        bias = Tensor((len(order),), "float32", lambda: np.zeros(order.max() + 1, "float32"))
    row = arranged(bias, order, NEVER)
    shape = (1, len(order))
    taken["decoder.output_bias"] = Tensor(shape, row.dtype, lambda: row.read().reshape(shape))


def _attention(tensors, taken, there, here, across):
    """The projections, of which CTranslate2 keeps those together that read the same."""
    groups = (("query",), ("key", "value")) if across else (("query", "key", "value"),)
    for i, group in enumerate((*groups, ("output",))):
        for kind, ours in (("weight", "kernel"), ("bias", "bias")):
            tensor = tensors.pop(f"{there}/linear_{i}/{kind}", None)
            for k, part in enumerate(group if tensor is not None else ()):
                taken[f"{here}.{part}.{ours}"] = rows(tensor, k, len(group))


def _positions(half, tensors, taken, layers):
    """The options of positions, and their tables."""
    biases = {}
    for i in range(layers):
        scope = f"{half}/layer_{i}/self_attention"
        found = tensors.pop(f"{scope}/relative_attention_bias", None)
        farthest = tensors.pop(f"{scope}/relative_attention_max_distance", None)
        if found is not None:
            biases[i] = found, farthest
    if biases:
        table, farthest = biases[0]
        shared = all(one is table for one, _ in biases.values())
        for i, (one, _) in biases.items():
            if i == 0 or not shared:
                layer = "" if shared else f"layer_{i}."
                taken[f"{half}.stack.{layer}relative_bias.embeddings"] = one
        relative = {"buckets": table.shape[0], "max_distance": int(farthest.read())}
        relative |= {} if shared else {"shared": False}
        return {"positions": None, "relative_positions": relative}
    table = tensors.pop(f"{half}/position_encodings/encodings", None)
    if table is None:
        return {"positions": LEFT_OUT, "relative_positions": None}
    taken[f"{half}.stack.positions.embeddings"] = table
    positions = {"name": "learned", "length": table.shape[0]}
    return {"positions": positions, "relative_positions": None}


def _scales(scale, width):
    """Whether embedded tokens are multiplied by sqrt(E)."""
    if scale is None or scale.dtype == "int8":
        return scale is None or bool(scale.read())
    factor = float(scale.read())
    for value, scaled in ((1.0, False), (math.sqrt(width), True)):
        if math.isclose(factor, value, rel_tol=1e-5):
            return scaled
    raise CheckpointError(
        f"model.bin multiplies embeddings by {factor:g}, where 1 or {math.sqrt(width):g} is "
        f"expected. {ORIGINAL}"
    )


def _scales_scores(tensors, first, head_dim):
    factor = tensors.get(f"{first}/queries_scale")
    if factor is None:
        return True
    value = float(factor.read())
    if value != 1.0 and not math.isclose(value, head_dim**-0.5, rel_tol=1e-5):
        raise CheckpointError(
            f"model.bin multiplies queries by {value:g}, where 1 or {head_dim**-0.5:g} is "
            f"expected. {ORIGINAL}"
        )
    return value != 1.0


def _norm(take, there, here):
    centred = take(f"{there}/beta", f"{here}.beta")
    take(f"{there}/gamma", f"{here}.{'gamma' if centred else 'scale'}")


def _take(tensors, taken, there, here):
    """Moves a tensor; returns whether there is one."""
    if there not in tensors:
        return False
    taken[here] = tensors.pop(there)
    return True


def _attribute(tensors, name, default):
    """Takes an attribute out of the tensors: a number."""
    tensor = tensors.pop(name, None)
    return default if tensor is None else tensor.read().item()


def _same(taken, one, other):
    one, other = (taken[f"{half}.embedding.embeddings"] for half in (one, other))
    return one.shape == other.shape and np.array_equal(one.read(), other.read())


FAMILY = Family(
    task="translation",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    tokenizer_options=OPTIONS,
    unify=unify,
    languages=LANGUAGES,
)
