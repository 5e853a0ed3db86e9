"""Which tokens may come next: the rules every search strategy shares."""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
from keras import ops

from s2s_zoo.generation.options import check_lengths, check_tokens, check_values, is_default
from s2s_zoo.generation.scores import flat_cells, largest, log_normaliser, log_normaliser_by
from s2s_zoo.layers.sequences import repeat_rows
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.types import Tensor

MOST_GROWTH = 1e9  # beyond it sums of float32 would not be finite
FEW = 8  # tokens that are cheaper to leave out of the best than to mask in all scores


class Rules:
    """The tokens a search may choose from.

    PAD and START are never generated, and the last position of a row is END, so every hypothesis
    ends. Where rules disagree, the last position comes first, then the forced prefix, then the
    rest.

    Args:
        max_length: int, the most tokens of a hypothesis, END counted.
        copies: int, hypotheses per row of the batch; hypotheses of one row are neighbours.
        max_lengths: (B,) int or None, the limit of each row; at most `max_length`.
        open_lengths: (B,) int or None, in its place: limits that may be beyond `max_length`. The
            tokens of a row that is not done there are START, and say nothing.
        min_length: int, the fewest tokens before END.
        no_repeat_ngram_size: int, n-grams of this size occur at most once; 0 is off.
        repetition_penalty: float > 0, multiplies the log-probability of every token the
            hypothesis already has, once however often it occurs (Keskar et al. 2019, 1909.05858,
            section 4.1, applied to log-probabilities). The scores contain it.
        end_growth, end_growth_start: float > 0 and int; with n tokens more than the start the
            log-probability s of END is s + |s| (growth^n - 1). The scores contain it. With a
            growth of 1 it is s.
        suppress_tokens: ids never generated, except where forced; a tuple of ids bans its last
            right after the others.
        forced_prefix: (B, P) int or None, how each text begins; PAD where a row is free.
        score_forced: bool, count the log-probability of forced tokens: the prefix, and END at
            the last position. transformers does not count it.
        encoder_no_repeat_ngram_size: int, no n-gram of this size of `source` is written; 0 is off.
        source: (B, S) int, the ids of the sources, for the rule before; else None.

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(
        self,
        max_length: int,
        copies: int = 1,
        max_lengths: Tensor | None = None,
        open_lengths: Tensor | None = None,
        min_length: int | Tensor = 0,
        no_repeat_ngram_size: int = 0,
        repetition_penalty: float | Tensor = 1.0,
        end_growth: float | Tensor = 1.0,
        end_growth_start: int | Tensor = 0,
        suppress_tokens: Sequence[int | tuple[int, ...]] = (),
        forced_prefix: Tensor | None = None,
        score_forced: bool = True,
        encoder_no_repeat_ngram_size: int = 0,
        source: Tensor | None = None,
    ) -> None:
        check_lengths(min_length, max_length)
        check_values(
            no_repeat_ngram_size=no_repeat_ngram_size,
            encoder_no_repeat_ngram_size=encoder_no_repeat_ngram_size,
            repetition_penalty=repetition_penalty,
            end_growth=end_growth,
            end_growth_start=end_growth_start,
        )
        self.min_length = min_length
        self._has_least = not is_default("min_length", min_length)
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self.encoder_no_repeat_ngram_size = encoder_no_repeat_ngram_size
        self.source = None
        if encoder_no_repeat_ngram_size:
            of_ids = len(getattr(source, "shape", ())) == 2
            _require(
                of_ids,
                "a source of ids (B, S) for encoder_no_repeat_ngram_size",
                source=type(source).__name__,
                encoder_no_repeat_ngram_size=encoder_no_repeat_ngram_size,
            )
            self.source = repeat_rows(ops.cast(source, "int32"), copies)
        self.repetition_penalty = repetition_penalty
        self.end_growth, self.end_growth_start = end_growth, end_growth_start
        self.score_forced = score_forced
        sequences = [tokens for tokens in suppress_tokens if isinstance(tokens, tuple)]
        _require(all(sequences), "no empty tuple in suppress_tokens", suppress_tokens=sequences)
        single = [tokens for tokens in suppress_tokens if not isinstance(tokens, tuple)]
        single += [tokens[0] for tokens in sequences if len(tokens) == 1]
        self.suppressed = (PAD, START, *single)
        self.sequences = [tokens for tokens in sequences if len(tokens) > 1]
        self.limits = max_length
        self.last = max_length - 1
        self.is_open = open_lengths is not None
        if self.is_open or max_lengths is not None:
            given = open_lengths if self.is_open else max_lengths
            limits = ops.cast(ops.convert_to_tensor(given), "int32")
            self.limits = limits if self.is_open else ops.clip(limits, 1, max_length)
            self.last = repeat_rows(self.limits - 1, copies)
        self.prefix = None
        if forced_prefix is not None:
            prefix = ops.cast(ops.convert_to_tensor(forced_prefix), "int32")
            self.prefix = repeat_rows(prefix, copies)

    @property
    def rows(self) -> dict[str, Tensor]:
        """What belongs to the rows of the batch: dict of tensors (B, ...) or (B * copies, ...)."""
        return {
            name: getattr(self, name)
            for name in ("limits", "last", "prefix", "source")
            if not isinstance(getattr(self, name), int | None)
        }

    def of_rows(self, rows: dict[str, Tensor]) -> Self:
        """The same rules for fewer rows, of which `rows` is the property's part."""
        rules = copy.copy(self)
        vars(rules).update(rows)
        return rules

    @property
    def penalises(self) -> bool:
        """Whether `penalise` changes anything, so that it has to be given log-probabilities."""
        values = {name: getattr(self, name) for name in ("repetition_penalty", "end_growth")}
        return not all(is_default(name, value) for name, value in values.items())

    def penalise(self, scores: Tensor, index: Tensor, history: Tensor) -> Tensor:
        """Applies the repetition penalty and the growth of END.

        Args:
            scores: (N, V) log-probabilities.
            index: () int32, the number of tokens so far.
            history: (N, T) int32, the tokens so far, then END.
        """
        if not is_default("repetition_penalty", self.repetition_penalty):
            cells = flat_cells(scores, history)
            factors = ops.where(history == END, 1.0, self.repetition_penalty)
            scores = _set(scores, cells, ops.take(ops.reshape(scores, (-1,)), cells) * factors)
        if not is_default("end_growth", self.end_growth):
            cells = flat_cells(scores, ops.full_like(history[:, :1], END))
            ends = ops.take(ops.reshape(scores, (-1,)), cells)
            late = ops.cast(ops.maximum(index - self.end_growth_start, 0), "float32")
            growth = ops.minimum(ops.power(self.end_growth, late), MOST_GROWTH)
            gained = ops.where(ends > -np.inf, ops.abs(ends) * (growth - 1), 0.0)
            scores = _set(scores, cells, ends + gained)
        return scores

    def restrict(self, scores: Tensor, index: Tensor, history: Tensor) -> Tensor:
        """Puts -inf where a token may not be chosen freely.

        Args:
            scores: (N, V) logits or log-probabilities.
            index: () int32, the number of tokens so far.
            history: (N, T) int32, the tokens so far, then END.
        """
        scores = self._ban_by_history(scores, index, history)
        bias = self._bias(scores, self.suppressed)
        if self._has_least:
            early = self._bias(scores, (*self.suppressed, END))
            bias = ops.where(index < self.min_length, early, bias)
        return scores + bias

    def best(
        self, scores: Tensor, index: Tensor, history: Tensor, count: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The `count` best tokens of what `restrict` gives, and the normaliser of all scores.

        A few tokens that are always banned are left out of a longer list of the best: no array of
        the size of the scores is made for them.

        Args:
            scores, index, history: as in `restrict`.
            count: int, C.

        Returns:
            (N, C) float32 scores, best first, -inf where nothing is left; (N, C) int32 tokens;
            (N, 1) float32, the logarithm of the sum of exp of the scores without the rules.
        """
        banned = sorted({*self.suppressed, *([END] if self._has_least else [])})
        if len(banned) > FEW:
            best, tokens = largest(self.restrict(scores, index, history), count)
            return best, tokens, log_normaliser(scores)
        check_tokens((*self.suppressed, *self.sequences), scores.shape[-1])
        allowed = self._ban_by_history(scores, index, history)
        best, tokens = largest(allowed, min(count + len(banned), scores.shape[-1]))
        if allowed is scores:
            norm = log_normaliser_by(scores, best[:, :1], tokens[:, :1])
        else:
            norm = log_normaliser(scores)
        out = ops.any(ops.expand_dims(tokens, -1) == np.array(banned, "int32"), axis=-1)
        if self._has_least and END not in self.suppressed:
            late = ops.logical_and(tokens == END, index >= self.min_length)
            out = ops.logical_and(out, ops.logical_not(late))
        best, places = ops.top_k(ops.where(out, -np.inf, best), count)
        tokens = ops.take_along_axis(tokens, ops.cast(places, "int32"), axis=1)
        return best, tokens, norm

    def force(self, tokens: Tensor, index: Tensor) -> Tensor:
        """Replaces chosen tokens (N,) or () where another one must come."""
        if self.prefix is not None:
            width = ops.shape(self.prefix)[1]
            forced = ops.take(self.prefix, ops.minimum(index, width - 1), axis=1)
            tokens = ops.where(ops.logical_and(index < width, forced != PAD), forced, tokens)
        return ops.where(index >= self.last, END, tokens)

    def _bias(self, scores, suppressed):
        check_tokens((*self.suppressed, *self.sequences), scores.shape[-1])
        bias = np.zeros(scores.shape[-1], "float32")
        bias[list(suppressed)] = -np.inf
        return ops.convert_to_tensor(bias, dtype=scores.dtype)

    def _ban_by_history(self, scores, index, history):
        if self.no_repeat_ngram_size:
            scores = self._ban_repeats(scores, index, history)
        if self.encoder_no_repeat_ngram_size:
            scores = self._ban_of_source(scores, index, history)
        for length in sorted({len(tokens) for tokens in self.sequences}):
            scores = self._ban_sequences(scores, index, history, length)
        return scores

    def _ban_repeats(self, scores, index, history):
        """Bans the tokens that would complete an n-gram which is already there."""
        context, length = self.no_repeat_ngram_size - 1, history.shape[1]
        if length <= context:
            return scores
        repeats = ops.less(np.arange(context, length, dtype="int32"), index)
        for i in range(context):
            recent = ops.take(history, ops.maximum(index - context + i, 0), axis=1)
            earlier = history[:, i : length - context + i]
            repeats = ops.logical_and(repeats, earlier == ops.expand_dims(recent, 1))
        return _ban(scores, ops.where(repeats, history[:, context:], PAD))

    def _ban_of_source(self, scores, index, history):
        """Bans the tokens that would complete an n-gram of the source."""
        context = self.encoder_no_repeat_ngram_size - 1
        if history.shape[1] <= context:
            return scores
        width = ops.shape(self.source)[1]
        known = isinstance(width, int)
        places = max(width - context, 0) if known else ops.maximum(width - context, 0)
        last = self.source[:, context:]
        begun = ops.broadcast_to(index >= context, ops.shape(last))
        for i in range(context):
            recent = ops.take(history, ops.maximum(index - context + i, 0), axis=1)
            same = self.source[:, i : i + places] == ops.expand_dims(recent, 1)
            begun = ops.logical_and(begun, same)
        # Ids beyond the vocabulary are those of a copied word.
        begun = ops.logical_and(begun, last < scores.shape[-1])
        return _ban(scores, ops.where(begun, last, PAD))

    def _ban_sequences(self, scores, index, history, length):
        """Bans the last tokens of the sequences of a length whose others were just written."""
        table = np.array([tokens for tokens in self.sequences if len(tokens) == length], "int32")
        context = length - 1
        written = ops.broadcast_to(index >= context, (1, len(table)))
        for i in range(context):
            recent = ops.take(history, ops.maximum(index - context + i, 0), axis=1)
            written = ops.logical_and(written, ops.expand_dims(recent, 1) == table[:, i])
        return _ban(scores, ops.where(written, table[:, -1], PAD))


def _ban(scores, tokens):
    """Puts -inf at tokens (N, M). PAD stands for none: it is banned anyway."""
    updates = ops.full_like(tokens, -np.inf, dtype=scores.dtype)
    return _set(scores, flat_cells(scores, tokens), updates)


def _set(scores, cells, values):
    flat = ops.scatter_update(
        ops.reshape(scores, (-1,)), ops.reshape(cells, (-1, 1)), ops.reshape(values, (-1,))
    )
    return ops.reshape(flat, (-1, scores.shape[-1]))


def _require(condition, expected, **received):
    if not condition:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"The search expected {expected}. Received: {values}.")
