"""Which arguments of a recurrent decoder go together."""

from typing import Any

import keras

from s2s_zoo.decoders.cells import BRIDGES
from s2s_zoo.layers.config import LayerSpec
from s2s_zoo.layers.encoded import check_encoded, shape_of
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import Nest, Tensor

QUERIES = ("current", "previous")


def check_options(
    attention: LayerSpec | None,
    layers: int,
    query: str,
    input_feeding: bool,
    summary_feeding: bool,
    bridge: str,
) -> None:
    """Raises ValueError for an unknown option, and where nothing of the source would be known."""
    if layers < 1:
        raise ValueError(
            f"RecurrentDecoder expected at least one layer. Received: layers={layers}."
        )
    check_option("RecurrentDecoder", "query", query, QUERIES)
    check_option("RecurrentDecoder", "bridge", bridge, BRIDGES)
    if attention is None and (query == "previous" or input_feeding):
        raise ValueError(
            "RecurrentDecoder needs an attention for query='previous' and for input feeding. "
            f"Received: attention=None, query={query!r}, input_feeding={input_feeding}. "
            "Give an attention, or feed the source summary with summary_feeding=True."
        )
    if attention is None and bridge == "zero" and not summary_feeding:
        raise ValueError(
            "RecurrentDecoder would know nothing of the source. Received: attention=None, "
            "bridge='zero', summary_feeding=False. Change one of them."
        )


def check_copying(
    attention: LayerSpec | None, pointer: bool, extra_ids: int, coverage_loss: float
) -> None:
    """Raises ValueError for arguments of a decoder that do not go together."""
    if attention is None and (pointer or coverage_loss):
        raise ValueError(
            "A decoder copies and covers by attention. Received: attention=None, "
            f"pointer={pointer}, coverage_loss={coverage_loss}. Give an attention."
        )
    if extra_ids and not pointer:
        raise ValueError(
            "A decoder has ids beyond its vocabulary only to copy them. Received: "
            f"extra_ids={extra_ids}, pointer=False. Use pointer=True."
        )


def not_at_once(name: str) -> ValueError:
    """The error of a decoder that cannot read the beginning of a target in one pass."""
    return ValueError(
        f"{name} reads the beginning of a target token by token. Use `step` for each."
    )


def check_inputs(
    inputs: Tensor, encoded: Any, initial_state: Nest | None, width: int | None
) -> None:
    """Raises ValueError for what an `AttentionRNN` cannot run over.

    Args:
        inputs, encoded, initial_state: as of its call.
        width: int, the width of the inputs it was built for, or None.
    """
    check_encoded(encoded, "AttentionRNN")
    memory = encoded[0] if isinstance(encoded, tuple | list) else encoded
    states = [] if initial_state is None else keras.tree.flatten(initial_state)
    sizes = {x.shape[0] for x in (inputs, memory, *states)} - {None}
    if len(inputs.shape) != 3:
        expected, remedy = "inputs (B, T, E)", "Embed ids first."
    elif width is not None and inputs.shape[-1] != width:
        expected = f"inputs of width {width}, as it was built for"
        remedy = "Use a layer of its own for another width."
    elif len(sizes) > 1:
        expected = "inputs, memory and states of one batch size"
        remedy = "Repeat the smaller one, keras.ops.repeat(x, times, axis=0)."
    else:
        return
    raise ValueError(
        f"AttentionRNN expected {expected}. Received: inputs {shape_of(inputs)}, memory "
        f"{shape_of(memory)}, states {[*map(shape_of, states)]}. {remedy}"
    )
