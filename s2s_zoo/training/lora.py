"""Low-rank adaptation of Transformers (Hu et al. 2021, 2106.09685)."""

from typing import Any

from s2s_zoo.attention import MultiHeadAttention
from s2s_zoo.attention.hashing import LSHAttention
from s2s_zoo.attention.transformer import TransformerStack


def enable_lora(model: Any, rank: int = 8) -> None:
    """Freezes a model but for small matrices beside its attention: W + A B, of rank r.

    They go beside the query and value projections of every attention, as in section 4.2 of the
    paper. A checkpoint that is saved holds the sums, and so is one like any other.

    Call it before the model is compiled, trained or used.

    Args:
        model: a `Seq2Seq` of a Transformer encoder and decoder.
        rank: int, r.

    Raises:
        ValueError: for a rank below 1, or a model without such attention.
    """
    parts: list[Any] = [getattr(part, "stack", None) for part in (model.encoder, model.decoder)]
    if rank < 1 or not all(isinstance(part, TransformerStack) for part in parts):
        raise ValueError(
            "enable_lora expected a rank of at least 1 and a Transformer encoder and decoder. "
            f"Received: rank={rank}, {type(model.encoder).__name__} and "
            f"{type(model.decoder).__name__}. Train the whole model instead."
        )
    for weight in model.weights:
        weight.trainable = False
    for block in (block for stack in parts for block in stack.blocks):
        for attention in block.attentions:
            if isinstance(attention, MultiHeadAttention | LSHAttention):
                attention.query_projection.enable_lora(rank)
                attention.value_projection.enable_lora(rank)
