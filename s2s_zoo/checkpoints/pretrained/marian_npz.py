"""Transformers that Marian trained, in its own files: *.npz, decoder.yml, vocabularies, .spm."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.pretrained.family import Family
from s2s_zoo.checkpoints.pretrained.listed import (
    LANGUAGES,
    OPTIONS,
    arrangement,
    tokenizer,
    vocabularies,
)
from s2s_zoo.checkpoints.pretrained.rearranged import arranged, transposed
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors, reshaped
from s2s_zoo.checkpoints.pretrained.vocabularies import read_settings_of_yaml
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

MODEL = "special:model.yml"
TOLD = {"unk_token": "<unk>", "eos_token": "</s>", "source_ends": True, "added_pad": True}
# What Marian calls its activations; its gelu is x sigmoid(1.702 x), which none here is.
ACTIVATIONS = ("relu", "swish")
# Other values of these are other networks.
ONLY = {
    "type": ("transformer",),
    "transformer-decoder-autoreg": ("self-attention",),
    "transformer-no-projection": ("false",),
    "transformer-postprocess-emb": ("", "d"),
    "transformer-ffn-activation": ACTIVATIONS,
    "transformer-train-position-embeddings": ("false",),
    "transformer-tied-layers": ("[]", ""),
    "lemma-dim-emb": ("0",),
    "input-types": ("[]", "", "sequence"),
}
NORMS = {  # preprocess, postprocess, postprocess-top
    ("", "dan", ""): "post",
    ("n", "da", "n"): "pre",
}
PARTS = {"self": "self_attention", "context": "cross_attention"}
PROJECTIONS = {"q": "query", "k": "key", "v": "value", "o": "output"}
NEVER = -1e9  # the logit of padding


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Says what special:model.yml says, with the tensors under our names."""
    said = _said(tensors)
    norm = NORMS[_norms(said)]
    sides = vocabularies(read_files(directory))
    tables = [_table(tensors, half) for half in ("encoder", "decoder")]
    taken = dict(_renamed(tensors))
    described = {}
    for half, pieces, table in zip(("encoder", "decoder"), sides, tables, strict=True):
        order = arrangement(pieces, TOLD)
        if table.shape[0] != len(pieces):
            raise CheckpointError(
                f"The model expected a vocabulary of {table.shape[0]}. Received: {len(pieces)} "
                f"pieces of the {half}. Use the vocabulary that it was trained with."
            )
        taken[f"{half}.embedding.embeddings"] = arranged(table, order, 0.0)
        described[half] = {
            "name": "transformer",
            "vocabulary_size": len(order),
            "embedding_dim": table.shape[1],
            "layers": int(said[f"{half[:3]}-depth"]),
            "heads": int(said["transformer-heads"]),
            "hidden_dim": taken[f"{half}.stack.layer_0.feed_forward.hidden.kernel"].shape[0],
            "activation": said.get("transformer-ffn-activation", "swish"),
            "norm": norm,
            "epsilon": 1e-6,
        }
    output = tensors.pop("decoder_ff_logit_out_Wt", None)
    if (upright := tensors.pop("decoder_ff_logit_out_W", None)) is not None:
        output = transposed(upright)
    if output is not None:
        taken["decoder.output.kernel"] = arranged(output, order, 0.0)
    bias = tensors.pop("decoder_ff_logit_out_b")
    row = arranged(reshaped(bias, (len(sides[1]),)), order, NEVER)
    taken["decoder.output_bias"] = reshaped(row, (1, len(order)))
    if left := sorted(name for name in tensors if not name.startswith("special:")):
        raise CheckpointError(
            f"The model has {', '.join(left[:5])}, which no Transformer has here. Use another one."
        )
    described["decoder"]["output_bias"] = True
    same = tables[0] is tables[1] and sides[0] == sides[1]
    if same:
        del taken["decoder.embedding.embeddings"]
    return {
        "model_type": config["model_type"],
        "described": described,
        "vocab_size": described["encoder"]["vocabulary_size"],
        "tie_word_embeddings": output is None,
        "share_encoder_decoder_embeddings": same,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,  # a row of zeros
        **TOLD,
    }, taken


def describe(config: Config) -> tuple[Config, Config]:
    """The configs of our encoder and decoder."""
    return config["described"]["encoder"], config["described"]["decoder"]


def names(name: str, config: Config) -> tuple[str, ...]:
    """The names that `unify` gave."""
    return (name.replace("/", "."),)


def _said(tensors: Tensors) -> dict[str, str]:
    """The settings inside the file."""
    if MODEL not in tensors:
        raise CheckpointError(
            f"A .npz of Marian expected {MODEL} among its arrays. Received: "
            f"{', '.join(sorted(tensors)[:5])}. Download the checkpoint again."
        )
    try:
        text = tensors.pop(MODEL).read().astype("uint8").tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{MODEL} is no text: {error}. Download it again.") from error
    said = {
        name: value if isinstance(value, str) else str(value)
        for name, value in read_settings_of_yaml(MODEL, text).items()
    }
    wrong = [
        f"{name}: {said[name]}"
        for name, values in ONLY.items()
        if said.get(name, values[0]) not in values
    ]
    if _norms(said) not in NORMS:
        wrong.append(f"transformer-preprocess, -postprocess, -postprocess-top: {_norms(said)}")
    missing = {"enc-depth", "dec-depth", "transformer-heads"} - said.keys()
    wrong += [f"no {name}" for name in sorted(missing)]
    if wrong:
        raise CheckpointError(
            f"{MODEL} expected a Transformer as the papers have it. Received: {'; '.join(wrong)}. "
            "Use another checkpoint."
        )
    return said


def _norms(said):
    where = ("preprocess", "postprocess", "postprocess-top")
    return tuple(said.get(f"transformer-{name}", "") for name in where)


def _table(tensors: Tensors, half: str) -> Tensor:
    """The embeddings of a half, which both may share."""
    for name in (f"{half}_Wemb", "Wemb"):
        if name in tensors:
            return tensors[name]
    raise CheckpointError(f"A model of Marian expected {half}_Wemb or Wemb. Use another one.")


def _renamed(tensors: Tensors) -> Iterator[tuple[str, Tensor]]:
    """Takes the tensors of the layers; yields each with its name here."""
    for name in sorted(tensors):
        if name in ("Wemb", "encoder_Wemb", "decoder_Wemb"):
            tensors.pop(name)
        elif (ours := _name(name)) is not None:
            tensor = tensors.pop(name)
            if ours.endswith("kernel"):
                yield ours, transposed(tensor)
            else:
                yield ours, reshaped(tensor, (int(np.prod(tensor.shape)),))


def _name(theirs: str) -> str | None:
    """What a tensor of a layer is called here."""
    ends = {"scale": "gamma", "bias": "beta"}
    if found := re.fullmatch(r"(encoder|decoder)_top_ln_(scale|bias)", theirs):
        return f"{found[1]}.stack.final_norm.{ends[found[2]]}"
    found = re.fullmatch(r"(encoder|decoder)_l([1-9]\d*)_(self|context|ffn)_(\w+)", theirs)
    if not found:
        return None
    half, number, part, rest = found.groups()
    layer = f"{half}.stack.layer_{int(number) - 1}"
    if norm := re.fullmatch(r"(?:Wo|ffn)_ln_(scale|bias)(?:_pre)?", rest):
        mixer = PARTS.get(part, "feed_forward")
        return f"{layer}.{mixer}_norm.{ends[norm[1]]}"
    kinds = {"W": "kernel", "b": "bias"}
    inner = PROJECTIONS if part in PARTS else {"1": "hidden", "2": "output"}
    kind, which = kinds.get(rest[0]), inner.get(rest[1:])
    return f"{layer}.{PARTS.get(part, 'feed_forward')}.{which}.{kind}" if kind and which else None


FAMILY = Family(
    task="translation",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    tokenizer_options=OPTIONS,
    unify=unify,
    languages=LANGUAGES,
)
