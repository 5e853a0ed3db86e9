"""How the cells of a recurrent decoder begin: from the summary of the source, or from zeros."""

import keras
from keras import ops

BRIDGES = ("dense", "zero")


def bridge_layers(bridge, cell, units, layers):
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


def initial_cells(bridges, summary, units, dtype):
    """The states (B, U) of every layer from the layers above and a summary (B, D')."""
    zeros = ops.zeros((ops.shape(summary)[0], units), dtype=dtype)
    return [[bridge(summary) if bridge else zeros for bridge in layer] for layer in bridges]
