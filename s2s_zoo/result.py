"""What a pipeline tells of a text it generated."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Result(NamedTuple):
    """A generated text with what is known of it.

    Attributes:
        text: str.
        score: float, as the search defines it, or None where it was not computed.
        source_tokens: sequence of str, S units, the last being the end of the text.
        target_tokens: sequence of str, T units.
        alignment: (T, S) float32, how much each target token attended to each source token, or
            None where not asked for.
        p_gen: (T,) float32, how much each target token came from the vocabulary; the rest was
            copied from where its row of `alignment` looked. None without a pointer, and without
            alignment.
    """

    text: str
    score: float | None = None
    source_tokens: Sequence = ()
    target_tokens: Sequence = ()
    alignment: Any = None
    p_gen: Any = None
