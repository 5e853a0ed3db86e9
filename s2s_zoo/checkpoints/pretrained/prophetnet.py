"""ProphetNet (Qi et al. 2020, 2001.04063): summaries and questions, by a stream that predicts."""

import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bert
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.tensors import Tensor, Tensors
from s2s_zoo.checkpoints.pretrained.tied import matrix_names
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read, need
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

VOCABULARY = "prophetnet.tokenizer"
BETWEEN = "x_sep_token"  # the setting of what stands between the sentences of a summary
STREAMS = "decoder.ngram_embeddings.weight"
# How a name of theirs becomes one that `names` expects.
RENAMED = (
    (r"^prophetnet\.", ""),
    (r"^word_embeddings\.", "shared."),
    (r"^(encoder|decoder)\.word_embeddings\.", r"\1.embed_tokens."),
)
# How a name of ours becomes one of theirs; what is left of "/" becomes ".".
NAMES = (
    ("stack/layer_", "layers."),
    ("self_attention_norm", "self_attn_layer_norm"),
    ("cross_attention_norm", "cross_attn_layer_norm"),
    ("feed_forward_norm", "feed_forward_layer_norm"),
    ("feed_forward/hidden", "feed_forward/intermediate"),
    ("self_attention", "self_attn"),
    ("cross_attention", "cross_attn"),
    ("attn/relative", "attn/relative_pos_embeddings"),
    ("attn/query", "attn/query_proj"),
    ("attn/key", "attn/key_proj"),
    ("attn/value", "attn/value_proj"),
    ("attn/output", "attn/out_proj"),
    ("stack/embedding_norm", "embeddings_layer_norm"),
    ("stack/positions/embeddings", "position_embeddings/weight"),
    ("decoder/output/kernel", "lm_head/weight"),
    *bert.LEAVES,
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors in the form the other families have.

    Raises:
        CheckpointError: for no stream that predicts.
    """
    if type(config["ngram"]) is not int or config["ngram"] < 1:
        raise CheckpointError(
            f"{directory / 'config.json'} expected ngram, the streams that predict, from 1. "
            f"Received: {config['ngram']!r:.50}. Download the checkpoint again."
        )
    found = {}
    for name, tensor in tensors.items():
        for theirs, ours in RENAMED:
            name = re.sub(theirs, ours, name)
        found[name] = _last(tensor) if name == STREAMS else tensor
    # Positions are counted from the id of the padding, plus one; what predicts is one further.
    first = config["pad_token_id"] + 1
    longest = config["max_position_embeddings"] - first
    return {
        **config,
        "positions": {"name": "learned", "length": longest, "offset": first},
        "max_position_embeddings": longest,
        "max_target_positions": longest - 1,
    }, found


def _last(tensor):
    """The last row of a matrix, which is that of the first stream; the others write nothing."""
    return Tensor(tensor.shape[1:], tensor.dtype, lambda: tensor.read()[-1])


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a unified config."""
    part = {
        "vocabulary_size": config["vocab_size"],
        "embedding_dim": config["hidden_size"],
        "activation": lookup(ACTIVATIONS, config["activation_function"], "activation_function"),
        "norm": "post",
        "embedding_norm": True,
        "positions": config["positions"],
        "scale_embedding": False,
        "dropout": config["dropout"],
    }

    def side(name):
        return {
            **part,
            "layers": config[f"num_{name}_layers"],
            "heads": config[f"num_{name}_attention_heads"],
            "hidden_dim": config[f"{name}_ffn_dim"],
        }

    relative = {"buckets": config["num_buckets"], "max_distance": config["relative_max_distance"]}
    return {"name": "transformer", **side("encoder")}, {
        "name": "two_stream",
        **side("decoder"),
        "relative_positions": relative,
        "output_bias": False,
    }


def names(name: str, config: Config) -> tuple[str, ...]:
    if name.endswith("embedding/embeddings"):
        return matrix_names(name.split("/")[0], config)
    if name == "decoder/stream":
        return (STREAMS,)
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


def tokenizer(files: Files, config: Config) -> Read:
    """That of a BERT, from a file of another name, with one more special piece."""
    need(files, "prophetnet", (VOCABULARY,))
    made, _ = bert.tokenizer({"vocab.txt": files[VOCABULARY]}, config)
    said = config.get(BETWEEN, "[X_SEP]")
    piece = str(said["content"] if isinstance(said, dict) else said)
    if piece in made.vocabulary:
        made.add({piece: {"id": made.vocabulary[piece], "special": True}})
    return made, (VOCABULARY,)


FAMILY = Family(
    task="summarization",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    tokenizer_options=(*bert.SETTINGS, BETWEEN),
    unify=unify,
    defaults={
        "vocab_size": 30522,
        "hidden_size": 1024,
        "activation_function": "gelu",
        "dropout": 0.1,
        "max_position_embeddings": 512,
        "ngram": 2,
        "num_buckets": 32,
        "relative_max_distance": 128,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 0,
        **{f"num_{side}_layers": 12 for side in ("encoder", "decoder")},
        **{f"num_{side}_attention_heads": 16 for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 4096 for side in ("encoder", "decoder")},
    },
)
