"""Matrices whose rows are the ids of a vocabulary in another order."""

import numpy as np

from s2s_zoo.checkpoints.pretrained.tensors import Tensor


def arranged(tensor: Tensor, order: np.ndarray, added: float) -> Tensor:
    """A matrix or a vector with a row for each id.

    Args:
        tensor: (V, ...).
        order: (W,) int, the row of each id; -1 for one that is added.
        added: float, what is in that one.
    """

    def read() -> np.ndarray:
        found = np.asarray(tensor.read(), "float32")[order]
        found[order < 0] = added
        return found

    return Tensor((len(order), *tensor.shape[1:]), "float32", read)


def transposed(tensor: Tensor) -> Tensor:
    """A matrix the other way round."""
    return Tensor(tensor.shape[::-1], tensor.dtype, lambda: tensor.read().T)
