"""Beam search."""

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
from s2s_zoo.generation.options import check_counts, check_values
from s2s_zoo.generation.penalties import coverage_score, normalise
from s2s_zoo.generation.rows import while_active
from s2s_zoo.generation.rules import Rules, repeat_rows
from s2s_zoo.generation.scores import flat_cells, log_softmax
from s2s_zoo.protocol import END, PAD, START, SearchResult


def beam_search(
    step,
    state,
    memory,
    batch_size,
    max_length,
    num_beams=4,
    num_return=1,
    length_penalty=1.0,
    length_penalty_form="power",
    coverage_penalty=0.0,
    early_stopping=None,
    return_alignments=False,
    **rules,
):
    """Keeps the K most probable unfinished texts, and apart from them the best finished ones.

    Every step ranks the 2K best extensions of the live beams. An END among the best K finishes a
    hypothesis, an END among the others is dropped; the best K extensions without END live on, as
    in fairseq, T5X and transformers. Finished hypotheses compete by

        log P(Y|X) / lp(Y) + cp(X, Y)

    with `lp` of `normalise` and `cp` of `coverage_score`. A row ends when none of its live beams
    can still enter the hypotheses to return, whatever the model says next, so stopping early
    never changes the answer. With one beam the first hypothesis is the answer: greedy search.

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
    if coverage_penalty and (not isinstance(memory, dict) or "mask" not in memory):
        raise ValueError(
            "The coverage penalty needs memory['mask'] (B, S), True where the source is real. "
            f"Received: coverage_penalty={coverage_penalty}. Give the mask, or use 0."
        )
    rules = Rules(max_length, num_beams, **rules)
    slots = batch_size * num_beams
    kept_count = num_return if early_stopping is None else num_beams

    def score(log_probs, length):
        return normalise(log_probs, length, length_penalty, length_penalty_form)

    state, memory = repeat_rows(state, num_beams), repeat_rows(memory, num_beams)
    # The beams of a row begin alike: only the first may live.
    first = ops.zeros((batch_size, 1), dtype="float32")
    others = ops.full((batch_size, num_beams - 1), -np.inf, dtype="float32")
    carry = {
        "tokens": ops.full((slots,), START, dtype="int32"),
        "live": ops.concatenate([first, others], axis=1),
        "finished": ops.full((batch_size, kept_count), -np.inf, dtype="float32"),
        "written": {"tokens": empty_history(slots, max_length)},
        "kept": {"tokens": empty_history(batch_size * kept_count, max_length)},
        "coverage": {},
        "state": state,
    }
    if return_alignments:
        carry["written"].update(empty_records(state, slots, max_length))
        carry["kept"].update(empty_records(state, batch_size * kept_count, max_length))
    if coverage_penalty:
        carry["coverage"]["sum"] = ops.zeros_like(alignment(state), dtype="float32")

    def body(index, carry, fixed):
        memory, own_rules = fixed[0], rules.of_rows(fixed[1])
        written, coverage, live = carry["written"], carry["coverage"], carry["live"]
        batch_size = ops.shape(live)[0]
        rows = ops.arange(batch_size, dtype="int32")[:, None]

        logits, state = step(carry["tokens"], index, carry["state"], memory)
        if return_alignments:
            written = record(written, index, state)
        if coverage_penalty:
            coverage = {"sum": coverage["sum"] + ops.cast(state["alignment"], "float32")}
        totals, parents, tokens = _candidates(logits, index, written["tokens"], live, own_rules)
        ends = tokens == END
        parents = parents + rows * num_beams

        candidates = score(ops.where(ends, totals, -np.inf)[:, :num_beams], index + 1)
        if coverage_penalty:
            penalty = coverage_score(coverage["sum"], memory["mask"], coverage_penalty)
            candidates = candidates + ops.take(penalty, parents[:, :num_beams])
        candidates = ops.concatenate([carry["finished"], candidates], axis=1)
        finished, best = ops.top_k(candidates, kept_count)
        own = rows * kept_count + ops.arange(kept_count, dtype="int32")
        others = batch_size * kept_count + parents[:, :num_beams]
        origin = _pick(ops.concatenate([own, others], axis=1), best, rows)
        kept = _map(
            lambda x, y: ops.take(ops.concatenate([x, y]), origin, axis=0), carry["kept"], written
        )

        live, best = ops.top_k(ops.where(ends, -np.inf, totals), num_beams)
        parents, tokens = _pick(parents, best, rows), _pick(tokens, best, rows)
        written, coverage, state = _map(
            lambda x: ops.take(x, parents, axis=0), (written, coverage, state)
        )
        written = {**written, "tokens": write(written["tokens"], index, tokens)}

        # log P only falls and cp is at most 0. Dividing by lp helps most where lp is largest.
        if early_stopping is None:
            length = own_rules.limits if length_penalty > 0 else index + 2
        else:
            length = index + 1
        done = score(live[:, 0], length) <= finished[:, -1]
        if early_stopping:
            done = finished[:, -1] > -np.inf
        if num_beams == 1:
            done = ops.logical_or(done, finished[:, 0] > -np.inf)
        return {
            "tokens": tokens,
            "live": ops.where(done[:, None], -np.inf, live),
            "finished": finished,
            "written": written,
            "kept": kept,
            "coverage": coverage,
            "state": state,
        }

    finished, kept = while_active(
        lambda carry: ops.any(carry["live"] > -np.inf, axis=1),
        body,
        carry,
        (memory, rules.rows),
        lambda carry: (carry["finished"], carry["kept"]),
    )
    kept["tokens"] = pad_after_end(kept["tokens"])
    kept = {
        name: ops.reshape(x, (batch_size, kept_count, *ops.shape(x)[1:]))[:, :num_return]
        for name, x in kept.items()
    }
    finished = finished[:, :num_return]
    tokens = ops.where(finished[:, :, None] > -np.inf, kept["tokens"], PAD)
    return SearchResult(tokens, finished, kept.get("alignments"), kept.get("p_gen"))


def _candidates(logits, index, history, live, rules):
    """The 2K best extensions of each row.

    Args:
        logits: (N, V) of the next token.
        live: (B, K) log-probabilities of the live beams.

    Returns:
        totals (B, 2K), best first; the beam (B, 2K) each extends, 0 to K - 1; its token (B, 2K).
    """
    num_beams = live.shape[1]
    each = min(2 * num_beams, logits.shape[-1])
    if rules.repetition_penalty == 1:
        # Within a row logits rank as log-probabilities do: only what is chosen is normalised.
        scores = logits
        best, tokens, norm = rules.best(scores, index, history, each)
    else:
        scores, norm = rules.penalise(log_softmax(logits), history), 0.0
        best, tokens, _ = rules.best(scores, index, history, each)
    best = best - norm
    forced = rules.force(ops.full_like(history[:, 0], PAD), index)
    of_forced = ops.take(ops.reshape(scores, (-1,)), flat_cells(scores, forced))
    of_forced = ops.cast(of_forced, "float32")[:, None] - norm
    if not rules.score_forced:
        of_forced = ops.zeros_like(of_forced)
    of_forced = ops.where(np.arange(each) == 0, of_forced, -np.inf)
    forced = forced[:, None]
    best = ops.where(forced == PAD, best, of_forced)
    tokens = ops.where(forced == PAD, tokens, forced)

    width = num_beams * each
    totals = ops.reshape(ops.reshape(live, (-1, 1)) + best, (-1, width))
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
