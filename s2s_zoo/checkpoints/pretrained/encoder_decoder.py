"""BERT2BERT (Rothe et al. 2019, 1907.12461): a BERT or RoBERTa, and another that attends to it."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bert
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors, reshaped
from s2s_zoo.checkpoints.pretrained.tied import HEAD, SHARED, matrix_names
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read, byte_level
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

TOKENIZERS = {"bert": "BertTokenizer", "roberta": "RobertaTokenizer"}  # by model_type
DEFAULTS = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
}
ROBERTA = {"vocab_size": 50265, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
# How a name of theirs becomes one that `names` expects.
RENAMED = (
    (r"^decoder\.(bert|roberta)\.", "decoder."),
    (r"^(encoder|decoder)\.encoder\.", r"\1."),
    (r"^(encoder|decoder)\.embeddings\.word_embeddings\.", r"\1.embed_tokens."),
    (r"^(encoder|decoder)\.embeddings\.position_embeddings\.weight$", r"\1.positions"),
    (r"^decoder\.(cls\.predictions|lm_head)\.decoder\.weight$", HEAD),
    (r"^decoder\.cls\.predictions\.", "decoder."),
    (r"^decoder\.lm_head\.dense\.", "decoder.transform.dense."),
    (r"^decoder\.lm_head\.layer_norm\.", "decoder.transform.LayerNorm."),
    (r"^decoder\.lm_head\.", "decoder."),
)
NAMES = (
    ("decoder/output/kernel", HEAD),
    ("decoder/output_bias", "decoder.bias"),
    ("stack/positions/embeddings", "positions"),
    ("stack/embedding_norm", "embeddings.LayerNorm"),
    ("stack/transform_norm", "transform.LayerNorm"),
    ("stack/transform", "transform.dense"),
    ("stack/layer_", "layer."),
    *bert.BLOCK,
    *bert.LEAVES,
)
TYPES = "embeddings.token_type_embeddings.weight"
UNUSED = r"\.pooler\.|position_ids$|token_type_ids$"


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    All tokens are of the first type, so its vector becomes part of those of the positions.

    Raises:
        CheckpointError: for other parts than BERT and RoBERTa, or options they do not have here.
    """
    sides = {}
    for side in ("encoder", "decoder"):
        kind = config[side].get("model_type")
        if kind not in TOKENIZERS:
            raise CheckpointError(
                f"{directory / 'config.json'} expected the {side} to be a "
                f"{' or a '.join(TOKENIZERS)}. Received: {kind!r}. Use another checkpoint."
            )
        part = {**DEFAULTS, **(ROBERTA if kind == "roberta" else {}), **config[side]}
        part["first"] = part["pad_token_id"] + 1 if kind == "roberta" else 0
        part["longest"] = part["max_position_embeddings"] - part["first"]
        sides[side] = part
    encoder, decoder = sides.values()
    head = decoder["model_type"] == "bert" or decoder["hidden_act"] == "gelu"
    refused = {
        "hidden sizes that differ": encoder["hidden_size"] != decoder["hidden_size"],
        "add_cross_attention=False": not decoder.get("add_cross_attention", False),
        "position_embedding_type": any(
            part.get("position_embedding_type") not in (None, "absolute") for part in sides.values()
        ),
        "hidden_act of a RoBERTa that is not gelu": not head,
    }
    if any(refused.values()):
        raise CheckpointError(
            f"{directory / 'config.json'} has what this package cannot do: "
            f"{', '.join(name for name, wrong in refused.items() if wrong)}."
        )
    unified = {
        "tokenizer_class": TOKENIZERS[encoder["model_type"]],
        **{name: value for name, value in config.items() if value is not None},
        **sides,
        "vocab_size": encoder["vocab_size"],
        "max_position_embeddings": min(encoder["longest"], decoder["longest"]),
        "tie_word_embeddings": decoder["tie_word_embeddings"],
        SHARED: False,
    }
    for name in ("pad_token_id", "eos_token_id"):
        unified.setdefault(name, decoder.get(name))
    unified.setdefault("decoder_start_token_id", decoder.get("bos_token_id"))
    return unified, dict(_unified(tensors))


def _unified(tensors):
    renamed = {}
    for theirs, tensor in tensors.items():
        name = theirs
        for pattern, ours in RENAMED:
            name = re.sub(pattern, ours, name)
        if not re.search(UNUSED, name):
            renamed[name] = tensor
    # Of the two biases that are tied, the one that is used.
    bias = renamed.pop("decoder.decoder.bias", None) or renamed.get("decoder.bias")
    if bias is not None:
        renamed["decoder.bias"] = reshaped(bias, (1, *bias.shape))
    for side in ("encoder", "decoder"):
        types, positions = renamed.pop(f"{side}.{TYPES}", None), renamed.get(f"{side}.positions")
        if types is not None and positions is not None:
            renamed[f"{side}.positions"] = _with_type(positions, types)
    return renamed


def _with_type(positions, types):
    return Tensor(positions.shape, positions.dtype, lambda: positions.read() + types.read()[:1])


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""

    def part(said):
        return {
            "name": "transformer",
            "vocabulary_size": said["vocab_size"],
            "embedding_dim": said["hidden_size"],
            "layers": said["num_hidden_layers"],
            "heads": said["num_attention_heads"],
            "hidden_dim": said["intermediate_size"],
            "activation": lookup(ACTIVATIONS, said["hidden_act"], "hidden_act"),
            "norm": "post",
            "epsilon": said["layer_norm_eps"],
            "embedding_norm": True,
            "positions": {"name": "learned", "length": said["longest"], "offset": said["first"]},
            "scale_embedding": False,
            "dropout": said["hidden_dropout_prob"],
        }

    decoder = {**part(config["decoder"]), "output_transform": True, "output_bias": True}
    return part(config["encoder"]), decoder


def names(name: str, config: Config) -> tuple[str, ...]:
    """Returns what a weight of ours may be called in the file, the likeliest first."""
    if name.endswith("embedding/embeddings"):
        found: tuple[str, ...] = matrix_names(name.split("/")[0], config)
    else:
        for ours, theirs in NAMES:
            name = name.replace(ours, theirs)
        found = (name.replace("/", "."),)
    if config.get("tie_encoder_decoder", False):  # one side is then all that a file may have
        other = {"encoder.": "decoder.", "decoder.": "encoder."}
        found += tuple(other[x[:8]] + x[8:] for x in found if x[:8] in other)
    return found


def tokenizer(files: Files, config: Config) -> Read:
    if str(config.get("tokenizer_class")).startswith("Roberta"):
        return byte_level(files, config, "roberta")
    return bert.tokenizer(files, config)


FAMILY = Family(
    task="summarization",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    tokenizer_options=(*bert.SETTINGS, "add_prefix_space"),
    first=bert.FIRST,
    target_begins=False,
    unify=unify,
)
