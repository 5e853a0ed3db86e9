"""Beam search."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.loop import (
    alignment,
    empty_history,
    empty_records,
    pad_after_end,
    record,
    write,
)
from s2s_zoo.generation.options import check_counts, check_values, is_default
from s2s_zoo.generation.penalties import coverage_score, normalise
from s2s_zoo.generation.rows import while_active
from s2s_zoo.generation.rules import Rules, repeat_rows
from s2s_zoo.generation.scores import flat_cells, log_normaliser, log_softmax
from s2s_zoo.protocol import END, PAD, START, SearchResult
from s2s_zoo.protocol.types import Nest, Step, Tensor

CERTAIN = 64  # tokens for which a live beam has the benefit of the doubt


def beam_search(
    step: Step,
    state: Nest,
    memory: Nest,
    batch_size: int | Tensor,
    max_length: int,
    num_beams: int = 4,
    num_return: int = 1,
    length_penalty: float | Tensor = 1.0,
    length_penalty_form: Literal["power", "gnmt"] = "power",
    coverage_penalty: float | Tensor = 0.0,
    early_stopping: bool | None = None,
    renormalize: bool = False,
    return_alignments: bool = False,
    **rules: Any,
) -> SearchResult:
    """Keeps the K most probable unfinished texts, and apart from them the best finished ones.

    Every step ranks the 2K best extensions of the live beams. An END among the best K finishes a
    hypothesis, an END among the others is dropped; the best K extensions without END live on, as
    in fairseq, T5X and transformers. Finished hypotheses compete by

        log P(Y|X) / lp(Y) + cp(X, Y)

    with `lp` of `normalise` and `cp` of `coverage_score`. A row ends when none of its live beams
    can still enter the hypotheses to return, were the model sure of the next `CERTAIN` tokens. Up
    to a limit of so many stopping early never changes the answer, and beyond it the time follows
    what is written, not what may be. With one beam the first hypothesis is the answer: greedy
    search.

    Args:
        step, state, memory, batch_size, max_length: as in `greedy_search`. `step` is called with
            N = B * K rows; `state` and `memory` have B.
        num_beams: int, K.
        num_return: int, R <= K, hypotheses to return for each row.
        length_penalty: float, alpha. The length counts the generated tokens and END, not START.
        length_penalty_form: "power" (length^alpha) or "gnmt" (((5 + length) / 6)^alpha).
        coverage_penalty: float >= 0, beta; needs `memory["mask"]` (B, S), True where the source
            is real, and `state["alignment"]`.
        early_stopping: None for the stopping above. As in transformers, True ends a row with its
            K-th hypothesis, and False once there are K and the best live beam, normalised by its
            present length, is no better than the worst of them: both may end too early.
        renormalize: bool, the probabilities of a step are those of the tokens that the rules
            leave, so that what a model thinks of the others does not count.
        return_alignments: bool, return `state["alignment"]` of the step that predicted each
            token.
        **rules: see `Rules`.

    Returns:
        SearchResult with R hypotheses a row, best first. Where the rules allow fewer, the rest
        have score -inf and PAD only.

    Raises:
        ValueError: for an option outside its range, or alignments the decoder does not have.
    """
    check_counts(num_beams, num_return)
    check_values(coverage_penalty=coverage_penalty)
    covers = not is_default("coverage_penalty", coverage_penalty)
    if covers and (not isinstance(memory, dict) or "mask" not in memory):
        raise ValueError(
            "The coverage penalty needs memory['mask'] (B, S), True where the source is real. "
            f"Received: coverage_penalty={coverage_penalty}. Give the mask, or use 0."
        )
    all_rules = Rules(max_length, num_beams, **rules)
    slots = batch_size * num_beams  # N, one for each live beam
    num_finished = num_return if early_stopping is None else num_beams  # F, of a row

    def score(log_probs, length):
        return normalise(log_probs, length, length_penalty, length_penalty_form)

    state, memory = repeat_rows(state, num_beams), repeat_rows(memory, num_beams)
    # The beams of a row begin alike: only the first may live.
    first = ops.zeros((batch_size, 1), dtype="float32")
    others = ops.full((batch_size, num_beams - 1), -np.inf, dtype="float32")
    carry = {
        "tokens": ops.full((slots,), START, dtype="int32"),  # (N,), the last of each beam
        "live": ops.concatenate([first, others], axis=1),  # (B, K), log-probabilities
        "finished": ops.full((batch_size, num_finished), -np.inf, dtype="float32"),  # (B, F)
        "of_live": {"tokens": empty_history(slots, max_length)},  # (N, T, ...)
        "of_finished": {"tokens": empty_history(batch_size * num_finished, max_length)},  # B * F
        "coverage": {},
        "state": state,  # (N, ...)
    }
    if return_alignments:
        carry["of_live"].update(empty_records(state, slots, max_length))
        carry["of_finished"].update(empty_records(state, batch_size * num_finished, max_length))
    if covers:
        carry["coverage"]["sum"] = ops.zeros_like(alignment(state), dtype="float32")  # (N, S)

    def body(index, carry, fixed):
        memory, own_rules = fixed[0], all_rules.of_rows(fixed[1])
        of_live, coverage, live = carry["of_live"], carry["coverage"], carry["live"]
        batch_size = ops.shape(live)[0]
        rows = ops.arange(batch_size, dtype="int32")[:, None]  # (B, 1)

        logits, state = step(carry["tokens"], index, carry["state"], memory)  # (N, V), (N, ...)
        if return_alignments:
            of_live = record(of_live, index, state)
        if covers:
            coverage = {"sum": coverage["sum"] + ops.cast(state["alignment"], "float32")}
        totals, parents, tokens = _extensions(
            logits, index, of_live["tokens"], live, own_rules, renormalize
        )
        ends = tokens == END  # (B, 2K), as the three above
        parents = parents + rows * num_beams  # places in N

        # The hypotheses that end now, (B, K), against those that ended before, (B, F).
        ending = score(ops.where(ends, totals, -np.inf)[:, :num_beams], index + 1)
        if covers:
            penalty = coverage_score(coverage["sum"], memory["mask"], coverage_penalty)  # (N,)
            ending = ending + ops.take(penalty, parents[:, :num_beams])
        rivals = ops.concatenate([carry["finished"], ending], axis=1)  # (B, F + K)
        finished, best = ops.top_k(rivals, num_finished)  # (B, F)
        before = rows * num_finished + ops.arange(num_finished, dtype="int32")  # (B, F) in B * F
        now = batch_size * num_finished + parents[:, :num_beams]  # (B, K), behind these
        origin = _pick(ops.concatenate([before, now], axis=1), best, rows)  # (B * F,)
        of_finished = _map(
            lambda x, y: ops.take(ops.concatenate([x, y]), origin, axis=0),
            carry["of_finished"],
            of_live,
        )

        live, best = ops.top_k(ops.where(ends, -np.inf, totals), num_beams)  # (B, K)
        parents, tokens = _pick(parents, best, rows), _pick(tokens, best, rows)  # (N,)
        of_live, coverage, state = _map(
            lambda x: ops.take(x, parents, axis=0), (of_live, coverage, state)
        )
        of_live = {**of_live, "tokens": write(of_live["tokens"], index, tokens)}

        # log P only falls and cp is at most 0. Dividing by lp helps most where lp is largest.
        if early_stopping is None:
            longest = ops.minimum(own_rules.limits, index + 2 + CERTAIN)
            length = ops.where(length_penalty > 0, longest, index + 2)
        else:
            length = index + 1
        row_ends = score(live[:, 0], length) <= finished[:, -1]  # (B,)
        if early_stopping:
            row_ends = finished[:, -1] > -np.inf
        if num_beams == 1:
            row_ends = ops.logical_or(row_ends, finished[:, 0] > -np.inf)
        return {
            "tokens": tokens,
            "live": ops.where(row_ends[:, None], -np.inf, live),
            "finished": finished,
            "of_live": of_live,
            "of_finished": of_finished,
            "coverage": coverage,
            "state": state,
        }

    def results(carry):
        finished, records = carry["finished"], carry["of_finished"]
        if all_rules.is_open:
            live = ops.any(carry["live"] > -np.inf, axis=1)
            finished = ops.where(live[:, None], 0.0, finished)
            of_each = repeat_rows(live, num_finished)[:, None]
            records = {**records, "tokens": ops.where(of_each, START, records["tokens"])}
        return finished, records

    scores, records = while_active(
        lambda carry: ops.any(carry["live"] > -np.inf, axis=1),
        body,
        carry,
        (memory, all_rules.rows),
        results,
        max_length if all_rules.is_open else None,
    )
    records["tokens"] = pad_after_end(records["tokens"])
    records = {  # (B * F, T, ...) to (B, R, T, ...)
        name: ops.reshape(x, (batch_size, num_finished, *ops.shape(x)[1:]))[:, :num_return]
        for name, x in records.items()
    }
    scores = scores[:, :num_return]
    tokens = ops.where(scores[:, :, None] > -np.inf, records["tokens"], PAD)
    return SearchResult(tokens, scores, records.get("alignments"), records.get("p_gen"))


def _extensions(logits, index, history, live, rules, renormalize):
    """The 2K best extensions of the beams of each row.

    Args:
        logits: (N, V) of the next token.
        index: () int32, the number of tokens so far.
        history: (N, T) int32, the tokens so far, then END.
        live: (B, K) log-probabilities of the live beams.
        rules: Rules.
        renormalize: bool, see `beam_search`.

    Returns:
        totals (B, 2K), best first; the beam (B, 2K) each extends, 0 to K - 1; its token (B, 2K).
    """
    num_beams = live.shape[1]
    each = min(2 * num_beams, logits.shape[-1])  # C, extensions of one beam
    if is_default("repetition_penalty", rules.repetition_penalty):
        # Within a row logits rank as log-probabilities do: only what is chosen is normalised.
        scores = logits
        best, tokens, norm = rules.best(scores, index, history, each)  # (N, C), (N, C), (N, 1)
    else:
        scores, norm = rules.penalise(log_softmax(logits), history), 0.0
        best, tokens, _ = rules.best(scores, index, history, each)
    if renormalize:
        of_allowed = log_normaliser(rules.restrict(scores, index, history))
        best = best - ops.where(best[:, :1] > -np.inf, of_allowed, 0.0)  # perhaps none may come
    else:
        best = best - norm
    forced = rules.force(ops.full_like(history[:, 0], PAD), index)  # (N,), PAD where none is
    of_forced = ops.take(ops.reshape(scores, (-1,)), flat_cells(scores, forced))
    of_forced = ops.cast(of_forced, "float32")[:, None] - norm  # (N, 1)
    if not rules.score_forced:
        of_forced = ops.zeros_like(of_forced)
    of_forced = ops.where(np.arange(each) == 0, of_forced, -np.inf)  # (N, C), the first alone
    forced = forced[:, None]
    best = ops.where(forced == PAD, best, of_forced)
    tokens = ops.where(forced == PAD, tokens, forced)

    width = num_beams * each
    totals = ops.reshape(ops.reshape(live, (-1, 1)) + best, (-1, width))  # (N, C) to (B, K * C)
    totals, places = ops.top_k(totals, 2 * num_beams)
    places = ops.cast(places, "int32")
    rows = ops.arange(ops.shape(totals)[0], dtype="int32")[:, None]
    tokens = ops.take(ops.reshape(tokens, (-1,)), places + rows * width)
    return totals, places // each, tokens


def _pick(values, places, rows):
    """Returns values[row, place] of values (B, M) for places (B, P), flattened to (B * P,)."""
    places = ops.cast(places, "int32") + rows * values.shape[1]
    return ops.take(ops.reshape(values, (-1,)), ops.reshape(places, (-1,)))


def _map(function, *nests):
    return keras.tree.map_structure(function, *nests)
