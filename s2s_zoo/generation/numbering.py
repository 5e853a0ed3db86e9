"""The ids of a vocabulary whose special tokens stand elsewhere than ours."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from keras import ops

from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.types import Nest, Step, Tensor

OURS = {"pad_id": PAD, "start_id": START, "end_id": END}


class Numbering:
    """Between the ids of a model and the tokens of a search: PAD, START, END, then the others.

    Special tokens may share an id, as START and END do in BART and START and PAD in T5: the search
    tells them apart.

    Args:
        **ids: pad_id, start_id, end_id: int, of the model; None or nothing is ours.

    Raises:
        ValueError: for what is no id.
    """

    def __init__(self, **ids: int | None) -> None:
        for name, value in ids.items():
            if value is not None and (isinstance(value, bool) or not 0 <= int(value) == value):
                raise ValueError(
                    f"Generator expected {name} to be an id of the model. Received: {value!r}."
                )
        given = {name: int(value) for name, value in ids.items() if value is not None}
        self.pad, self.start, self.end = self.special = tuple({**OURS, **given}.values())
        self.distinct = sorted(set(self.special))
        self.is_ours = self.special == tuple(OURS.values())

    def check(self, size: int, owner: str) -> None:
        """Raises ValueError unless the special ids are below the size of the vocabulary."""
        if self.distinct[-1] >= size:
            names = dict(zip(OURS, self.special, strict=True))
            raise ValueError(
                f"Generator expected special ids below {size}, the vocabulary size of {owner}. "
                f"Received: {', '.join(f'{name}={value}' for name, value in names.items())}."
            )

    def theirs(self, tokens: Tensor) -> Tensor:
        """The ids of the model for tokens of the search."""
        ids = tokens - len(self.special)
        for special in self.distinct:
            ids = ids + ops.cast(ids >= special, "int32")
        for token, special in zip(OURS.values(), self.special, strict=True):
            ids = ops.where(tokens == token, special, ids)
        return ids

    def ours(self, ids: Tensor) -> Tensor:
        """The tokens of the search for ids of the model; an id that END shares is END."""
        tokens = ids + len(self.special)
        for special in self.distinct:
            tokens = tokens - ops.cast(ids > special, "int32")
        for token, special in ((START, self.start), (PAD, self.pad), (END, self.end)):
            tokens = ops.where(ids == special, token, tokens)
        return ops.where(ids < 0, ids, tokens)  # which is refused later

    def ours_of_prefix(self, ids: Tensor) -> Tensor:
        """As `ours`, but an id that PAD shares is PAD: there a row is free."""
        ids = ops.cast(ids, "int32")
        return ops.where(ids == self.pad, PAD, self.ours(ids))

    def ours_of_suppressed(self, tokens: Iterable[Any]) -> tuple[Any, ...]:
        """As `ours`, of what `Rules` has as `suppress_tokens`."""

        def ours(ids):
            return ops.convert_to_numpy(self.ours(ops.convert_to_tensor(ids, "int32"))).tolist()

        if self.is_ours:
            return tuple(tokens)
        return tuple(tuple(ours(x)) if isinstance(x, tuple) else ours(x) for x in tokens)

    def of_search(self, step: Step) -> Step:
        """A step of tokens of the search, to their logits, for one of ids of the model."""

        def renumbered(
            tokens: Tensor, index: Tensor, state: Nest, memory: Nest
        ) -> tuple[Tensor, Nest]:
            logits, state = step(self.theirs(tokens), index, state, memory)
            return self._columns(logits), state

        return renumbered

    def _columns(self, logits):
        """Of logits (N, V): those of PAD, START, END, then of the others."""
        size = logits.shape[-1]
        self.check(size, "the model")
        others = [i for i in range(size) if i not in self.distinct]
        logits = ops.take(logits, np.array([*self.special, *others], "int32"), axis=-1)
        absent = np.zeros(logits.shape[-1], "bool")
        absent[PAD] = self.pad == self.end
        absent[START] = self.start in (self.pad, self.end)
        return ops.where(absent, -np.inf, logits) if absent.any() else logits
