"""The random numbers of sampled calls."""

import random
import threading

import numpy as np


class Draws:
    """Gives every batch of every call its random numbers, in whatever threads they run.

    A call with a seed has the same numbers every time, whatever runs beside it. A call without
    goes on where the one before it ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = random.randrange(1 << 31), 0

    def key(self, seed: int | None, turn: int) -> tuple[int, int]:
        """What the numbers of one batch follow from.

        Args:
            seed: int, or None to go on.
            turn: int, the number of the batch in its call; it counts where there is a seed.
        """
        with self._lock:
            key = self._next if seed is None else (seed, turn)
            self._next = key[0], key[1] + 1
        return key


def noise(key: tuple[int, int], steps: int, rows: int) -> np.ndarray:
    """Returns (T, N) float32 from 0 to 1, the latter excluded. More steps begin the same."""
    generator = np.random.Generator(np.random.Philox(key=np.array(key, "uint64")))
    return generator.random((steps, rows), "float32")
