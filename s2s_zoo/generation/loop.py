"""The loop of greedy search and sampling, its single step, and the records a search keeps."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from keras import ops

from s2s_zoo.generation.rows import while_active
from s2s_zoo.generation.rules import Rules
from s2s_zoo.generation.scores import flat_cells, log_softmax
from s2s_zoo.protocol import END, PAD, START, SearchResult
from s2s_zoo.protocol.types import Nest, Step, Tensor

Carry: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor], Nest]


def decode(
    step: Step,
    state: Nest,
    memory: Nest,
    rows: int | Tensor,
    max_length: int,
    rules: Rules,
    choose: Callable[[Tensor, Tensor], Tensor],
    return_scores: bool,
    return_alignments: bool,
) -> SearchResult:
    """Extends one hypothesis for every row, in one loop that ends when every row has ended.

    Args:
        step: `step(tokens (N,), index (), state, memory) -> (logits (N, V), state)`.
        state, memory: nests of tensors with N rows.
        rows: int or scalar tensor, N.
        max_length: int, T.
        rules: Rules.
        choose: function of scores (N, V) and index () to tokens (N,) int32.
        return_scores: bool, sum the log-probabilities. Without them `choose` is given logits,
            unless a rule needs log-probabilities.
        return_alignments: bool.

    Returns:
        SearchResult with K = 1.
    """
    _, *carry = begin(state, rows, max_length, return_scores, return_alignments)

    def body(index, carry, fixed):
        memory, of_rules = fixed
        return advance(step, memory, rules.of_rows(of_rules), choose, index, *carry)[1:]

    def results(carry):
        _, unfinished, history, extra, _ = carry
        if rules.is_open:
            history = ops.where(unfinished[:, None], START, history)
        return history, extra

    history, extra = while_active(
        lambda carry: carry[1],
        body,
        tuple(carry),
        (memory, rules.rows),
        results,
        max_length if rules.is_open else None,
    )
    return result_of(history, extra)


def begin(
    state: Nest, rows: int | Tensor, max_length: int, return_scores: bool, return_alignments: bool
) -> Carry:
    """What `advance` takes and gives, before the first token: see there."""
    extra = {}
    if return_scores:
        extra["scores"] = ops.zeros((rows,), dtype="float32")
    if return_alignments:
        extra.update(empty_records(state, rows, max_length))
    return (
        ops.zeros((), dtype="int32"),
        ops.full((rows,), START, dtype="int32"),
        ops.ones((rows,), dtype="bool"),
        empty_history(rows, max_length),
        extra,
        state,
    )


def advance(
    step: Step,
    memory: Nest,
    rules: Rules,
    choose: Callable[[Tensor, Tensor], Tensor],
    index: Tensor,
    tokens: Tensor,
    unfinished: Tensor,
    history: Tensor,
    extra: dict[str, Tensor],
    state: Nest,
) -> Carry:
    """Extends every row by one token.

    Args:
        step, memory, rules, choose: as in `decode`.
        index: () int32, the number of tokens so far.
        tokens: (N,) int32, the last of each row.
        unfinished: (N,) bool.
        history: (N, T) int32, the tokens so far, then END.
        extra: dict, what is recorded: "scores" (N,) and the entries of `empty_records`.
        state: nest of tensors with N rows.

    Returns:
        index, tokens, unfinished, history, extra and state after the step.
    """
    logits, state = step(tokens, index, state, memory)
    needs_log_probs = "scores" in extra or rules.penalises
    scores = log_softmax(logits) if needs_log_probs else logits
    scores = rules.penalise(scores, index, history)
    chosen = choose(rules.restrict(scores, index, history), index)
    tokens = rules.force(chosen, index)
    extra = dict(extra)
    if "scores" in extra:
        gained = ops.take(ops.reshape(scores, (-1,)), flat_cells(scores, tokens))
        if not rules.score_forced:
            free = rules.force(ops.full_like(tokens, PAD), index) == PAD
            gained = ops.where(free, gained, 0.0)
        extra["scores"] = extra["scores"] + ops.where(unfinished, gained, 0.0)
    if "alignments" in extra:
        extra = record(extra, index, state)
    history = write(history, index, tokens)
    unfinished = ops.logical_and(unfinished, tokens != END)
    return index + 1, tokens, unfinished, history, extra, state


def result_of(history: Tensor, extra: dict[str, Tensor]) -> SearchResult:
    """The SearchResult, K = 1, of what `advance` gave last of these."""
    tokens = pad_after_end(history)
    extra = dict(extra)
    if "alignments" in extra:
        real = ops.cast(tokens != PAD, "float32")
        extra["alignments"] = extra["alignments"] * ops.expand_dims(real, -1)
    extra = {name: ops.expand_dims(value, 1) for name, value in extra.items()}
    return SearchResult(
        ops.expand_dims(tokens, 1), extra.get("scores"), extra.get("alignments"), extra.get("p_gen")
    )


def empty_history(rows: int | Tensor, max_length: int) -> Tensor:
    """Returns (N, T) int32 of END, so that a hypothesis ends wherever it was left."""
    return ops.full((rows, max_length), END, dtype="int32")


def empty_records(state: Nest, rows: int | Tensor, max_length: int) -> dict[str, Tensor]:
    """Where `record` writes: (N, T, S) float32 "alignments", with a pointer also (N, T) "p_gen".

    Raises:
        ValueError: if the state holds no alignment.
    """
    shape = (rows, max_length, ops.shape(alignment(state))[1])
    records = {"alignments": ops.zeros(shape, dtype="float32")}
    if "p_gen" in state:
        records["p_gen"] = ops.zeros(shape[:2], dtype="float32")
    return records


def record(records: dict[str, Tensor], index: Tensor, state: Nest) -> dict[str, Tensor]:
    """The records with what the state says of the step `index`."""
    entries = {"alignments": "alignment", "p_gen": "p_gen"}
    return {
        name: write(value, index, state[entries[name]]) if name in entries else value
        for name, value in records.items()
    }


def alignment(state: Nest) -> Tensor:
    """The attention weights (N, S) of the last step."""
    if not isinstance(state, dict) or "alignment" not in state:
        raise ValueError(
            "Alignments and the coverage penalty need a decoder whose state has the entry "
            f"'alignment'. Received: {sorted(state) if isinstance(state, dict) else type(state)}. "
            "Use a decoder with attention, or leave return_alignments and coverage_penalty."
        )
    return state["alignment"]


def write(record: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Sets record[:, index] (N, T, ...) to values (N, ...)."""
    positions = np.arange(record.shape[1], dtype="int32")
    positions = positions.reshape(-1, *[1] * (len(record.shape) - 2))
    values = ops.expand_dims(ops.cast(values, record.dtype), 1)
    return ops.where(ops.equal(positions, index), values, record)


def pad_after_end(history: Tensor) -> Tensor:
    """Puts PAD (N, T) behind the first END of each row."""
    ends = ops.cast(history == END, "int32")
    return ops.where(ops.cumsum(ends, axis=1) > ends, PAD, history)
