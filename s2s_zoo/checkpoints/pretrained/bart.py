"""BART (Lewis et al. 2019, 1910.13461), and what its descendants share with it."""

from typing import Any

from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Family
from s2s_zoo.checkpoints.pretrained.tied import matrix_names
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read, byte_level
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

# How a name of ours becomes one of theirs; what is left of "/" becomes ".".
NAMES = (
    ("stack/layer_", "layers."),
    ("self_attention_norm", "self_attn_layer_norm"),
    ("cross_attention_norm", "encoder_attn_layer_norm"),
    ("feed_forward_norm", "final_layer_norm"),
    ("self_attention", "self_attn"),
    ("cross_attention", "encoder_attn"),
    ("feed_forward/hidden", "fc1"),
    ("feed_forward/output", "fc2"),
    ("attn/query", "attn/q_proj"),
    ("attn/key", "attn/k_proj"),
    ("attn/value", "attn/v_proj"),
    ("attn/output", "attn/out_proj"),
    ("stack/final_norm", "layer_norm"),
    ("stack/embedding_norm", "layernorm_embedding"),
    ("stack/positions/embeddings", "embed_positions/weight"),
    ("decoder/output_bias", "final_logits_bias"),
    ("decoder/output/kernel", "lm_head/weight"),
    ("/kernel", "/weight"),
    ("/gamma", "/weight"),
    ("/beta", "/bias"),
)

IDS = {"pad_token_id": 1, "eos_token_id": 2}  # of all that fairseq made


def describe(config: Config) -> tuple[Config, Config]:
    """Returns the configs of encoder and decoder for a published config."""
    positions = {"name": "learned", "length": config["max_position_embeddings"], "offset": 2}
    return stack(config, positions=positions, embedding_norm=True)


def names(name: str, config: Config) -> tuple[str, ...]:
    """Returns what a weight of ours may be called in the file, the likeliest first."""
    if name.endswith("embedding/embeddings"):
        return matrix_names(name.split("/")[0], config)
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return (name.replace("/", "."),)


def stack(config: Config, **options: Any) -> tuple[Config, Config]:
    """The part of `describe` that all descendants of BART share."""

    written = config.get("activation_function", "gelu")
    activation = lookup(ACTIVATIONS, written, "activation_function")

    def part(side):
        return {
            "name": "transformer",
            "vocabulary_size": config["vocab_size"],
            "embedding_dim": config["d_model"],
            "layers": config[f"{side}_layers"],
            "heads": config[f"{side}_attention_heads"],
            "hidden_dim": config[f"{side}_ffn_dim"],
            "activation": activation,
            "scale_embedding": config.get("scale_embedding", False),
            "dropout": config.get("dropout", 0.1),
            **options,
        }

    return part("encoder"), {**part("decoder"), "output_bias": True}


def tokenizer(files: Files, config: Config) -> Read:
    return byte_level(files, config, "bart")


FAMILY = Family(
    task="summarization",
    describe=describe,
    names=names,
    tokenizer=tokenizer,
    tokenizer_options=("add_prefix_space",),
    first="<s>",
    defaults={**IDS, "decoder_start_token_id": 2},
)
