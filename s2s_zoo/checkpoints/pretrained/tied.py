"""One matrix under several names: the embeddings of both sides, and the output matrix."""

from collections.abc import Iterable

import numpy as np

from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.protocol.types import Config

HEAD = "lm_head.weight"
OTHER = {"encoder": "decoder", "decoder": "encoder"}
SHARED = "share_encoder_decoder_embeddings"


def matrix_names(side: str, config: Config) -> tuple[str, ...]:
    """Returns what the embedding of a side may be called, its own name first.

    Args:
        side: "encoder" or "decoder".
        config: dict, as `as_tied` returns it.
    """
    names = [f"{side}.embed_tokens.weight", "shared.weight"]
    shared = config.get(SHARED, True)
    if shared:
        names.append(f"{OTHER[side]}.embed_tokens.weight")
    if config["tie_word_embeddings"] and (shared or side == "decoder"):
        names.append(HEAD)
    return tuple(names)


def as_tied(config: Config, tensors: Tensors) -> Config:
    """Returns the config with what is one matrix in the file.

    As transformers does it: what the config ties is one matrix under whichever of its names the
    file has it, unless the file has two that differ.
    """
    tied = config.get("tie_word_embeddings", True)
    told = {**config, "tie_word_embeddings": False}
    encoder, decoder = (_first(tensors, matrix_names(side, told)) for side in OTHER)
    tied = tied and _same(tensors, decoder, HEAD)
    shared = config.get(SHARED, True) and _same(tensors, encoder, decoder)
    return {**config, "tie_word_embeddings": tied, SHARED: shared}


def _first(tensors: Tensors, names: Iterable[str]) -> str | None:
    return next((name for name in names if name in tensors), None)


def _same(tensors, one, other):
    """Whether two names stand for one matrix: equal ones, or one of them is not in the file."""
    if one == other or one not in tensors or other not in tensors:
        return True
    one, other = tensors[one], tensors[other]
    return one.shape == other.shape and np.array_equal(one.read(), other.read())
