"""Beam search."""

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.extensions import best_of_groups, best_of_rows, best_tokens, picked
from s2s_zoo.generation.loop import (
    alignment,
    empty_history,
    empty_records,
    pad_after_end,
    record,
    write,
)
from s2s_zoo.generation.options import check_counts, check_groups, check_values, is_default
from s2s_zoo.generation.penalties import coverage_score, normalise
from s2s_zoo.generation.rows import while_active
from s2s_zoo.generation.rules import Rules
from s2s_zoo.layers.sequences import repeat_rows
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
    num_beam_groups: int = 1,
    diversity_penalty: float | Tensor = 0.5,
    for_copies: Callable[[Nest, int], Nest] = repeat_rows,
    **rules: Any,
) -> SearchResult:
    """Keeps the K most probable unfinished texts, and apart from them the best finished ones.

    Every step ranks the 2K best extensions of the live beams. An END among the best K finishes a
    hypothesis, an END among the others is dropped; the best K extensions without END live on, as
    in fairseq, T5X and transformers. Finished hypotheses compete by

        log P(Y|X) / lp(Y) + cp(X, Y)

    with `lp` of `normalise` and `cp` of `coverage_score`. A row ends when none of its live beams
    can still enter the hypotheses to return, were the model sure of the next `CERTAIN` tokens. Up
    to a limit of so many stopping early never changes the answer (unless `end_growth` makes an END
    worth more than nothing), and beyond it the time follows what is written, not what may be. With
    one beam the first hypothesis is the answer: greedy search.

    With G groups each has K / G of the beams and searches so on its own, but for what the groups
    before it cost it: see `best_of_groups`. What ranks hypotheses is the score above, without that.

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
        num_beam_groups: int, G, a divisor of K.
        diversity_penalty: float >= 0, what a token costs a group for every beam of the groups
            before that goes on with it.
        for_copies: function of `memory` and K to the memory that `step` is given, where it need not
            be repeated for each beam.
        **rules: see `Rules`.

    Returns:
        SearchResult with R hypotheses a row, best first. Where the rules allow fewer, the rest
        have score -inf and PAD only. With groups they are the best of each group; where these are
        too many, the best of them, and where they are too few, second ones too, and so on.

    Raises:
        ValueError: for an option outside its range, or alignments the decoder does not have.
    """
    check_counts(num_beams, num_return)
    check_groups(num_beams, num_beam_groups, diversity_penalty)
    check_values(coverage_penalty=coverage_penalty)
    covers = not is_default("coverage_penalty", coverage_penalty)
    if covers and (not isinstance(memory, dict) or "mask" not in memory):
        raise ValueError(
            "The coverage penalty needs memory['mask'] (B, S), True where the source is real. "
            f"Received: coverage_penalty={coverage_penalty}. Give the mask, or use 0."
        )
    all_rules = Rules(max_length, num_beams, **rules)
    slots = batch_size * num_beams  # N, one for each live beam
    # From here on a row is a group of a source, and has K beams.
    groups, num_beams = num_beam_groups, num_beams // num_beam_groups
    num_rows = batch_size * groups
    num_finished = -(-num_return // groups) if early_stopping is None else num_beams  # F, of a row

    def score(log_probs, length):
        return normalise(log_probs, length, length_penalty, length_penalty_form)

    copies = num_beams * groups
    sources = {"mask": repeat_rows(memory["mask"], copies)} if covers else {}
    state = repeat_rows(state, copies)
    memory = memory if copies == 1 else for_copies(memory, copies)
    # The beams of a row begin alike: only the first may live.
    first = ops.zeros((num_rows, 1), dtype="float32")
    others = ops.full((num_rows, num_beams - 1), -np.inf, dtype="float32")
    carry = {
        "tokens": ops.full((slots,), START, dtype="int32"),  # (N,), the last of each beam
        "live": ops.concatenate([first, others], axis=1),  # (B, K), log-probabilities
        "finished": ops.full((num_rows, num_finished), -np.inf, dtype="float32"),  # (B, F)
        "of_live": {"tokens": empty_history(slots, max_length)},  # (N, T, ...)
        "of_finished": {"tokens": empty_history(num_rows * num_finished, max_length)},  # B * F
        "coverage": {},
        "state": state,  # (N, ...)
    }
    if return_alignments:
        carry["of_live"].update(empty_records(state, slots, max_length))
        carry["of_finished"].update(empty_records(state, num_rows * num_finished, max_length))
    if covers:
        carry["coverage"]["sum"] = ops.zeros_like(alignment(state), dtype="float32")  # (N, S)

    def body(index, carry, fixed):
        memory, sources = fixed[0], fixed[2]
        own_rules = all_rules.of_rows(fixed[1])
        of_live, coverage, live = carry["of_live"], carry["coverage"], carry["live"]
        batch_size = ops.shape(live)[0]
        rows = ops.arange(batch_size, dtype="int32")[:, None]  # (B, 1)

        logits, state = step(carry["tokens"], index, carry["state"], memory)  # (N, V), (N, ...)
        if return_alignments:
            of_live = record(of_live, index, state)
        if covers:
            coverage = {"sum": coverage["sum"] + ops.cast(state["alignment"], "float32")}
        # What the other groups choose may push as many tokens of a beam behind others.
        each = 2 * num_beams + (groups - 1) * num_beams
        best, tokens = best_tokens(logits, index, of_live["tokens"], own_rules, each, renormalize)
        if groups == 1:
            totals, parents, tokens = best_of_rows(live, best, tokens)
        else:
            ranks, totals, parents, tokens = best_of_groups(
                live, best, tokens, groups, diversity_penalty
            )
        ends = tokens == END  # (B, 2K), as the three above
        parents = parents + rows * num_beams  # places in N

        # The hypotheses that end now, (B, K), against those that ended before, (B, F).
        ending = score(ops.where(ends, totals, -np.inf)[:, :num_beams], index + 1)
        if covers:
            penalty = coverage_score(coverage["sum"], sources["mask"], coverage_penalty)  # (N,)
            ending = ending + ops.take(penalty, parents[:, :num_beams])
        rivals = ops.concatenate([carry["finished"], ending], axis=1)  # (B, F + K)
        finished, best = ops.top_k(rivals, num_finished)  # (B, F)
        before = rows * num_finished + ops.arange(num_finished, dtype="int32")  # (B, F) in B * F
        now = batch_size * num_finished + parents[:, :num_beams]  # (B, K), behind these
        origin = _flat(ops.concatenate([before, now], axis=1), best)  # (B * F,)
        of_finished = _map(
            lambda x, y: ops.take(ops.concatenate([x, y]), origin, axis=0),
            carry["of_finished"],
            of_live,
        )

        if groups == 1:
            live, best = ops.top_k(ops.where(ends, -np.inf, totals), num_beams)  # (B, K)
        else:
            _, best = ops.top_k(ops.where(ends, -np.inf, ranks), num_beams)
            going = ops.where(ends, -np.inf, totals)
            live = picked(going, best)
        parents, tokens = _flat(parents, best), _flat(tokens, best)  # (N,)
        of_live, coverage, state = _map(
            lambda x: ops.take(x, parents, axis=0), (of_live, coverage, state)
        )
        of_live = {**of_live, "tokens": write(of_live["tokens"], index, tokens)}

        # log P only falls and cp is at most 0. Dividing by lp helps most where lp is largest.
        if early_stopping is None:
            limits = own_rules.limits
            if groups > 1 and not isinstance(limits, int):
                limits = repeat_rows(limits, groups)
            longest = ops.minimum(limits, index + 2 + CERTAIN)
            length = ops.where(length_penalty > 0, longest, index + 2)
        else:
            length = index + 1
        likeliest = live[:, 0] if groups == 1 else ops.max(live, axis=1)
        row_ends = score(likeliest, length) <= finished[:, -1]  # (B,)
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

    def active(carry):
        return ops.any(ops.reshape(carry["live"], (-1, groups * num_beams)) > -np.inf, axis=1)

    scores, records = while_active(
        active,
        body,
        carry,
        (memory, all_rules.rows, sources),
        results,
        max_length if all_rules.is_open else None,
    )
    records["tokens"] = pad_after_end(records["tokens"])
    records = {  # (B * F, T, ...) to (B, F, T, ...)
        name: ops.reshape(x, (num_rows, num_finished, *ops.shape(x)[1:]))
        for name, x in records.items()
    }
    if groups > 1:
        scores, records = _of_all_groups(scores, records, groups, num_return)
    records = {name: x[:, :num_return] for name, x in records.items()}  # (B, R, T, ...)
    scores = scores[:, :num_return]
    tokens = ops.where(scores[:, :, None] > -np.inf, records["tokens"], PAD)
    return SearchResult(tokens, scores, records.get("alignments"), records.get("p_gen"))


def _of_all_groups(scores, records, groups, num_return):
    """The best hypotheses of the groups, then the second ones, ..., R of them, best first.

    Args:
        scores: (B * G, F).
        records: dict of (B * G, F, ...).

    Returns:
        (B, R), and dict of (B, R, ...).
    """

    each = scores.shape[1]
    in_turn = ops.swapaxes(ops.reshape(scores, (-1, groups, each)), 1, 2)  # (B, F, G)
    in_turn, of_group = ops.top_k(in_turn, groups)
    rows = ops.arange(ops.shape(in_turn)[0], dtype="int32")[:, None, None]
    places = (rows * groups + ops.cast(of_group, "int32")) * each  # in B * G * F
    places = places + ops.arange(each, dtype="int32")[:, None]
    in_turn, places = (
        ops.reshape(x, (-1, each * groups))[:, :num_return] for x in (in_turn, places)
    )
    scores, order = ops.top_k(in_turn, num_return)  # (B, R)
    places = picked(places, order)
    return scores, {
        name: ops.take(ops.reshape(x, (-1, *ops.shape(x)[2:])), places, axis=0)
        for name, x in records.items()
    }


def _flat(values, places):
    """Returns values[row, place] of values (B, M) for places (B, P), as (B * P,)."""
    return ops.reshape(picked(values, places), (-1,))


def _map(function, *nests):
    return keras.tree.map_structure(function, *nests)
