"""Which tokens a transcription may go on with (Radford et al. 2022, 2212.04356, section 4.5)."""

from dataclasses import dataclass

import numpy as np
from keras import ops

from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.types import Nest, Tensor


@dataclass(frozen=True)
class SpeechRules:
    """The rules of a Whisper, applied to the logits of a step.

    Timestamps come in pairs, except before END; none is before the one that was last; a text
    begins with one. Where all timestamps together are more probable than any other token, one of
    them comes.

    Attributes:
        suppress: ids that are never written.
        begin_suppress: ids that are not written first.
        timestamps: (first, last) id of the timestamps, or None where none are written.
        latest_begin: id of the last timestamp that a text may begin with, or None for any.
        text: ids below this one, but for PAD, START and END, are text.
        keeps_mass: bool, the probability of what may not come stays where it is, with PAD, so that
            it is missing from the others: beam search counts as transformers does. Without it
            the tokens that may come share all probability.
    """

    suppress: tuple[int, ...] = ()
    begin_suppress: tuple[int, ...] = ()
    timestamps: tuple[int, int] | None = None
    latest_begin: int | None = None
    text: int = 0
    keeps_mass: bool = False

    def init(self, rows: Tensor) -> Nest:
        """What the rules remember of each row before the first token: dict of (N,) int32.

        Args:
            rows: (N, ...), of which there are as many.
        """
        zeros = ops.zeros_like(ops.reshape(rows, (ops.shape(rows)[0], -1))[:, 0], dtype="int32")
        return {"before": zeros, "latest": zeros}

    def restrict(
        self, logits: Tensor, tokens: Tensor, index: Tensor, past: Nest
    ) -> tuple[Tensor, Nest]:
        """Puts -inf where a token may not come.

        Args:
            logits: (N, V) of the next token.
            tokens: (N,) int32, the last token.
            index: () int32, the number of tokens so far.
            past: what `init` or the last `restrict` gave.

        Returns:
            (N, V) float32 and the next `past`.
        """
        logits = ops.cast(logits, "float32")
        size = logits.shape[-1]
        never, first = np.zeros((2, size), "bool")
        never[[PAD, START, *self.suppress]] = True
        first[[*self.begin_suppress]] = True
        banned = ops.logical_or(never, ops.logical_and(first, ops.equal(index, 0)))[None]
        if self.timestamps is not None:
            banned, past = self._timed(logits, banned, tokens, index, past)
        allowed = ops.where(banned, -np.inf, logits)
        if not self.keeps_mass:
            return allowed, past
        lost = ops.logsumexp(ops.where(banned, logits, -np.inf), axis=-1, keepdims=True)
        return ops.where(np.arange(size) == PAD, lost, allowed), past

    def _timed(self, logits, banned, tokens, index, past):
        """What is banned where timestamps are written, and what is remembered of them."""
        begin, last = self.timestamps
        ids = np.arange(logits.shape[-1], dtype="int32")
        times = np.logical_and(ids >= begin, ids <= last)
        text = np.logical_and(ids < self.text, ~np.isin(ids, (PAD, START, END)))
        written = index > 0
        is_time = ops.logical_and(tokens >= begin, written)
        # Of a text of one token the one before it counts as a timestamp.
        was_time = ops.logical_or(past["before"] >= begin, index < 2)
        latest = ops.where(is_time, tokens, past["latest"])
        closes = ops.logical_and(is_time, ops.logical_not(was_time))
        pair = ops.logical_and(is_time, was_time)
        least = ops.where(closes, latest, ops.where(latest > 0, latest + 1, begin))[:, None]
        rules = (
            ops.logical_and(pair[:, None], times),
            ops.logical_and(closes[:, None], text),
            ops.logical_and(times, ops.less(ids, least)),
            ops.logical_and(ops.equal(index, 0), self._not_first(ids, times)),
        )
        for rule in rules:
            banned = ops.logical_or(banned, rule)
        left = ops.where(banned, -np.inf, logits)
        of_times = ops.logsumexp(ops.where(times, left, -np.inf), axis=-1)
        of_text = ops.max(ops.where(times, -np.inf, left), axis=-1)
        sure = ops.logical_and((of_times > of_text)[:, None], ~times)
        past = {"before": ops.where(written, tokens, 0), "latest": latest}
        return ops.logical_or(banned, sure), past

    def _not_first(self, ids, times):
        late = ids > (ids.max() if self.latest_begin is None else self.latest_begin)
        return np.logical_or(~times, late)
