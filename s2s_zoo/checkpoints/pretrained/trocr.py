"""TrOCR (Li et al. 2021, 2109.10282): its decoder, which is that of a BART, and its tokenizers."""

from pathlib import Path

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS, Half
from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.pretrained.tied import HEAD
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

FIRST = "<s>"  # of a text, to its tokenizer


def unify(trocr: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns what the config of a whole checkpoint says of this decoder, and its tensors."""
    said = {
        "vocab_size": trocr["vocab_size"],
        "pad_token_id": trocr["pad_token_id"],
        "max_position_embeddings": trocr["max_position_embeddings"],
        "tie_word_embeddings": trocr["tie_word_embeddings"],
        "hidden_size": trocr["d_model"],
        "tokenizer": "trocr",
    }
    return said, {_renamed(name): tensor for name, tensor in tensors.items() if _is_used(name)}


def _renamed(name):
    if name in ("decoder.output_projection.weight", "decoder.lm_head.weight"):
        return HEAD
    return name.replace("decoder.model.decoder.", "decoder.")


def _is_used(name):
    return not name.endswith(("embed_positions.weights", "embed_positions._float_tensor"))


def describe(trocr: Config) -> Config:
    length, activation = trocr["max_position_embeddings"], trocr["activation_function"]
    learned = {"name": "learned", "length": length, "offset": 2}
    # Positions are counted from the id of the padding, plus one.
    fixed = {
        "name": "sinusoidal",
        "spacing": "tensor2tensor",
        "offset": trocr["pad_token_id"] + 1,
    }
    return {
        "name": "transformer",
        "vocabulary_size": trocr["vocab_size"],
        "embedding_dim": trocr["d_model"],
        "layers": trocr["decoder_layers"],
        "heads": trocr["decoder_attention_heads"],
        "hidden_dim": trocr["decoder_ffn_dim"],
        "activation": lookup(ACTIVATIONS, activation, "activation_function"),
        "embedding_norm": trocr["layernorm_embedding"],
        "positions": learned if trocr["use_learned_position_embeddings"] else fixed,
        "scale_embedding": trocr["scale_embedding"],
        "dropout": trocr["dropout"],
        "output_bias": False,
    }


HALF = Half(
    defaults={
        "vocab_size": 50265,
        "d_model": 1024,
        "decoder_layers": 12,
        "decoder_attention_heads": 16,
        "decoder_ffn_dim": 4096,
        "activation_function": "gelu",
        "max_position_embeddings": 512,
        "dropout": 0.1,
        "scale_embedding": False,
        "use_learned_position_embeddings": True,
        "layernorm_embedding": True,
        "tie_word_embeddings": True,
        "decoder_start_token_id": 2,
        **bart.IDS,
    },
    unify=unify,
    describe=describe,
    names=bart.names,
)
