"""How beams may go on: the best next tokens of each, and which of all of them are kept."""

import numpy as np
from keras import ops

from s2s_zoo.generation.rules import Rules
from s2s_zoo.generation.scores import flat_cells, log_normaliser, log_softmax
from s2s_zoo.protocol import END, PAD
from s2s_zoo.protocol.types import Tensor

NOTHING = -1  # the token of a beam that has ended


def best_tokens(
    logits: Tensor, index: Tensor, history: Tensor, rules: Rules, each: int, renormalize: bool
) -> tuple[Tensor, Tensor]:
    """The best next tokens of every beam.

    Args:
        logits: (N, V) of the next token.
        index: () int32, the number of tokens so far.
        history: (N, T) int32, the tokens so far, then END.
        rules: Rules.
        each: int, C.
        renormalize: bool, see `beam_search`.

    Returns:
        (N, C) log-probabilities, best first, and (N, C) tokens.
    """
    each = min(each, logits.shape[-1])
    if not rules.penalises:
        # Within a row logits rank as log-probabilities do: only what is chosen is normalised.
        scores = logits
        best, tokens, norm = rules.best(scores, index, history, each)  # (N, C), (N, C), (N, 1)
    else:
        scores, norm = rules.penalise(log_softmax(logits), index, history), 0.0
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
    return best, tokens


def best_of_rows(live: Tensor, best: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The 2K best extensions of the beams of each row.

    Args:
        live: (B, K) log-probabilities of the live beams.
        best, tokens: (N, C), of `best_tokens`.

    Returns:
        totals (B, 2K), best first; the beam (B, 2K) each extends, 0 to K - 1; its token (B, 2K).
    """
    num_beams, each = live.shape[1], best.shape[1]
    width = num_beams * each
    totals = ops.reshape(ops.reshape(live, (-1, 1)) + best, (-1, width))  # (N, C) to (B, K * C)
    totals, places = ops.top_k(totals, 2 * num_beams)
    places = ops.cast(places, "int32")
    return totals, places // each, picked(ops.reshape(tokens, (-1, width)), places)


def best_of_groups(
    live: Tensor, best: Tensor, tokens: Tensor, groups: int, diversity: float | Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same where the rows are groups of beams that avoid one another's tokens.

    Of one source the groups choose one after the other, each with `diversity` less for a token as
    often as beams of the groups before it go on with it (Vijayakumar et al. 2018, 1610.02424,
    equation 5 with the Hamming distance). Groups that have ended count no more.

    Args:
        live: (B * G, K) log-probabilities; the groups of a source are neighbours.
        best, tokens: (N, C), of `best_tokens`, C being at least 2K more than the tokens that the
            other groups choose, or all of the vocabulary.
        groups: int, G.
        diversity: float >= 0.

    Returns:
        ranks (B * G, 2K), the totals less what diversity costs, best first; totals, beams and
        tokens (B * G, 2K) as of `best_of_rows`.
    """
    num_beams, each = live.shape[1], best.shape[1]
    shape = (-1, groups, num_beams * each)
    totals = ops.reshape(ops.reshape(live, (-1, 1)) + best, shape)
    tokens = ops.reshape(tokens, shape)
    found: list[tuple[Tensor, ...]] = []
    chosen: list[Tensor] = []  # (B, K) of each group before
    for group in range(groups):
        own, words = totals[:, group], tokens[:, group]  # (B, K * C)
        ranks = own
        for others in chosen:
            same = words[:, :, None] == others[:, None, :]
            ranks = ranks - diversity * ops.sum(ops.cast(same, "float32"), axis=-1)
        ranks, places = ops.top_k(ranks, 2 * num_beams)
        places = ops.cast(places, "int32")
        own, words = picked(own, places), picked(words, places)
        lives, which = ops.top_k(ops.where(words == END, -np.inf, ranks), num_beams)
        said = picked(words, which)
        chosen.append(ops.where(lives > -np.inf, said, NOTHING))
        found.append((ranks, own, places // each, words))
    ranks, totals, beams, tokens = (
        ops.reshape(ops.stack(parts, axis=1), (-1, 2 * num_beams))
        for parts in zip(*found, strict=True)
    )
    return ranks, totals, beams, tokens


def picked(values: Tensor, places: Tensor) -> Tensor:
    """Returns values[row, place] (B, P) of values (B, M) for places (B, P)."""
    rows = ops.arange(ops.shape(values)[0], dtype="int32")[:, None]
    places = ops.cast(places, "int32") + rows * values.shape[1]
    return ops.take(ops.reshape(values, (-1,)), places)
