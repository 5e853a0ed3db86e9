"""The cells of a recurrent decoder: how they begin, and how they are run one above the other."""

from typing import Literal

import keras
from keras import ops

from s2s_zoo.layers.recurrence import run_layer, step_layer
from s2s_zoo.protocol.types import Tensor

BRIDGES = ("dense", "zero")


def bridge_layers(
    bridge: Literal["dense", "zero"], cell: str, units: int, layers: int
) -> list[list[keras.layers.Layer | None]]:
    """The layers that turn a summary of the source into the states of a stack of cells.

    Args:
        bridge: "dense" (every state is tanh(W s + b), s the summary) or "zero".
        cell: "lstm", which has two states, or a cell with one.
        units: int, U.
        layers: int, the height of the stack.

    Returns:
        a list for each layer of one Dense for each state; None instead of a Dense for "zero".
    """

    def make(name):
        if bridge == "zero":
            return None
        return keras.layers.Dense(units, activation="tanh", name=name)

    states = range(2 if cell == "lstm" else 1)
    return [[make(f"bridge_{i}_{j}") for j in states] for i in range(layers)]


def initial_cells(
    bridges: list[list[keras.layers.Layer | None]], summary: Tensor, units: int, dtype: str
) -> list[list[Tensor]]:
    """The states (B, U) of every layer from the layers above and a summary (B, D')."""
    zeros = ops.zeros((ops.shape(summary)[0], units), dtype=dtype)
    return [[bridge(summary) if bridge else zeros for bridge in layer] for layer in bridges]


def noise_between(
    stack: list[keras.layers.Layer], dropout: keras.layers.Dropout, rows: Tensor
) -> list[Tensor] | None:
    """Dropout masks (B, U) between the layers, drawn once: no random numbers in the loop.

    Args:
        stack: list of layers made by `recurrent_layer`.
        dropout: keras.layers.Dropout.
        rows: int, B.

    Returns:
        a list with a mask for every layer but the top one, or None where nothing is dropped.
    """
    if not dropout.rate or len(stack) == 1:
        return None
    ones = ops.ones((rows, stack[0].units), dtype=dropout.compute_dtype)
    return [dropout(ones, training=True) for _ in stack[1:]]


def step_stack(
    stack: list[keras.layers.Layer],
    x: Tensor,
    cells: list[list[Tensor]],
    residual: bool,
    noise: list[Tensor] | None = None,
) -> tuple[Tensor, list[list[Tensor]]]:
    """One step of all layers.

    Args:
        stack: list of layers made by `recurrent_layer`.
        x: (N, E), the input of the lowest.
        cells: a list for each layer of its states (N, U).
        residual: bool, add the input of every layer but the first to its output.
        noise: what `noise_between` gave.

    Returns:
        (N, U) of the top layer, and the next cells.
    """
    after = []
    for i, (layer, states) in enumerate(zip(stack, cells, strict=True)):
        h, states = step_layer(layer, x, states)
        after.append(list(states))
        x = _above(i, x, h, residual, noise)
    return x, after


def run_stack(
    stack: list[keras.layers.Layer],
    x: Tensor,
    cells: list[list[Tensor]],
    residual: bool,
    noise: list[Tensor] | None,
    training: bool,
) -> Tensor:
    """`step_stack` for all positions at once: x (B, T, E) to (B, T, U) of the top layer."""
    for i, (layer, states) in enumerate(zip(stack, cells, strict=True)):
        h, _ = run_layer(layer, x, initial_state=list(states), training=training)
        x = _above(i, x, h, residual, noise)
    return x


def _above(i, x, h, residual, noise):
    """What the layer above layer i reads, of its input x and its output h (N, [T,] U)."""
    if residual and i > 0:
        h = h + x
    if noise is not None and i < len(noise):
        mask = noise[i]
        h = h * (ops.expand_dims(mask, 1) if len(h.shape) == 3 else mask)
    return h
