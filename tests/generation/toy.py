"""A small decoder made of random tables, and slow searches over it in plain Python."""

import numpy as np
from keras import ops

from s2s_zoo.protocol import END, PAD, START

UNITS = 4


class Toy:
    """Its logits depend on the row, the last token, the position and, through a recurrent state,
    on every token before, so that a beam whose state was not moved with it is found out."""

    def __init__(self, rows=3, vocabulary=7, source=5, scale=1.5, seed=0):
        rng = np.random.default_rng(seed)

        def table(*shape):
            return (scale * rng.normal(size=shape)).astype("float32")

        self.rows, self.source = rows, source
        self.recurrent, self.embedding = table(UNITS, UNITS), table(vocabulary, UNITS)
        self.output, self.bigrams = table(UNITS, vocabulary), table(vocabulary, vocabulary)
        self.positions = table(64, vocabulary)
        self.biases, self.keys = table(rows, vocabulary), table(rows, source, UNITS)
        self.mask = np.arange(source) < rng.integers(2, source + 1, (rows, 1))

    def start(self, rows=None):
        """The initial state and the memory of some rows (all if None)."""
        rows = list(range(self.rows)) if rows is None else rows
        state = {
            "cells": [ops.zeros((len(rows), UNITS))],
            "alignment": ops.zeros((len(rows), self.source)),
        }
        memory = {
            "biases": ops.convert_to_tensor(self.biases[rows]),
            "keys": ops.convert_to_tensor(self.keys[rows]),
            "mask": ops.convert_to_tensor(self.mask[rows]),
        }
        return state, memory

    def step(self, tokens, index, state, memory):
        embedded = ops.take(self.embedding, tokens, axis=0)
        hidden = ops.tanh(ops.matmul(state["cells"][0], self.recurrent) + embedded)
        energies = ops.sum(memory["keys"] * hidden[:, None], axis=-1)
        alignment = ops.softmax(ops.where(memory["mask"], energies, -1e9), axis=-1)
        logits = ops.matmul(hidden, self.output) + ops.take(self.bigrams, tokens, axis=0)
        logits = logits + memory["biases"] + ops.take(self.positions, index, axis=0)
        return logits, {"cells": [hidden], "alignment": alignment}

    def follow(self, row, tokens):
        """The log-probabilities (n + 1, V) and alignments (n + 1, S) along n given tokens."""
        hidden, log_probs, alignments = np.zeros(UNITS), [], []
        for index, token in enumerate([START, *tokens]):
            hidden = np.tanh(hidden @ self.recurrent + self.embedding[token])
            logits = hidden @ self.output + self.bigrams[token]
            logits = logits + self.biases[row] + self.positions[index]
            log_probs.append(logits - np.log(np.exp(logits).sum()))
            energies = np.exp(np.where(self.mask[row], self.keys[row] @ hidden, -np.inf))
            alignments.append(energies / energies.sum())
        return np.array(log_probs), np.array(alignments)

    def search(self, strategy, max_length, rows=None, **options):
        """Runs a strategy of the library; the result in numpy."""
        state, memory = self.start(rows)
        batch_size = self.rows if rows is None else len(rows)
        result = strategy(self.step, state, memory, batch_size, max_length, **options)
        return type(result)(*(None if x is None else ops.convert_to_numpy(x) for x in result))


def next_scores(
    toy,
    row,
    tokens,
    max_length,
    max_lengths=None,
    min_length=0,
    no_repeat_ngram_size=0,
    repetition_penalty=1.0,
    end_growth=1.0,
    end_growth_start=0,
    suppress_tokens=(),
    forced_prefix=None,
    score_forced=True,
    renormalize=False,
):
    """The scores (V,) of the tokens that may follow, -inf for those that may not."""
    scores = toy.follow(row, tokens)[0][-1]
    for token in set(tokens):
        scores[token] *= repetition_penalty
    index, n = len(tokens), no_repeat_ngram_size
    scores[END] += abs(scores[END]) * (end_growth ** max(0, index - end_growth_start) - 1)
    only = None
    if forced_prefix is not None and index < len(forced_prefix[row]):
        only = forced_prefix[row][index] or None
    if index == (max_length if max_lengths is None else max_lengths[row]) - 1:
        only = END
    banned = {PAD, START}
    for words in suppress_tokens:
        words = words if isinstance(words, tuple) else (words,)
        if tuple(tokens[index - len(words) + 1 :]) == words[:-1]:
            banned.add(words[-1])
    if index < min_length:
        banned.add(END)
    seen = {tuple(tokens[i : i + n]) for i in range(index - n + 1)} if n else set()
    for token in range(len(scores)):
        repeats = n and (*tokens[index - n + 1 :], token) in seen and index >= n - 1
        if token != only if only is not None else token in banned or repeats:
            scores[token] = -np.inf
    if only is not None and not score_forced:
        scores[only] = 0.0
    if renormalize and only is None:
        scores -= np.log(np.exp(scores).sum())
    return scores


def final_score(toy, row, tokens, log_prob, alpha=1.0, form="power", beta=0.0):
    length = len(tokens)
    score = log_prob / (length**alpha if form == "power" else ((5 + length) / 6) ** alpha)
    if beta:
        coverage = toy.follow(row, tokens[:-1])[1].sum(axis=0)[toy.mask[row]]
        score += beta * np.log(np.minimum(coverage, 1)).sum()
    return score


def every_text(toy, row, max_length, penalties=None, **rules):
    """All texts the rules allow, as (score, tokens), best first."""
    found, unfinished = [], [(0.0, [])]
    while unfinished:
        log_prob, tokens = unfinished.pop()
        for token, gained in enumerate(next_scores(toy, row, tokens, max_length, **rules)):
            text = (log_prob + gained, [*tokens, token])
            if gained > -np.inf:
                (found if token == END else unfinished).append(text)
    return sorted(
        ((final_score(toy, row, t, s, **penalties or {}), t) for s, t in found), reverse=True
    )


def slow_beam(toy, row, max_length, num_beams, penalties=None, early_stopping=None, **rules):
    """Beam search of one row with lists, as (score, tokens).

    Without `early_stopping` it runs to its full length; with it as transformers does.
    """
    live, finished = [(0.0, [])], []

    def score(text):
        return final_score(toy, row, text[1], text[0], **penalties or {})

    while live:
        if early_stopping is not None and len(finished) >= num_beams:
            worst = sorted(map(score, finished))[-num_beams]
            if early_stopping or score(live[0]) <= worst:
                break
        extensions = [
            (log_prob + gained, [*tokens, token])
            for log_prob, tokens in live
            for token, gained in enumerate(next_scores(toy, row, tokens, max_length, **rules))
            if gained > -np.inf
        ]
        best = sorted(extensions, reverse=True)[: 2 * num_beams]
        finished += [text for text in best[:num_beams] if text[1][-1] == END]
        live = [text for text in best if text[1][-1] != END][:num_beams]
    return sorted(
        ((final_score(toy, row, t, s, **penalties or {}), t) for s, t in finished), reverse=True
    )


def slow_diverse(toy, row, max_length, num_beams, groups, penalty, wanted, **rules):
    """Diverse beam search of one row: for each group its (score, tokens), best first.

    A group ends when it has as many texts as are wanted of it that none of its beams can beat.
    """
    width = num_beams // groups
    live = [[(0.0, [])] for _ in range(groups)]
    finished = [[] for _ in range(groups)]
    for _ in range(max_length):
        said = []
        for group in range(groups):
            extensions = [
                (log_prob + gained, [*tokens, token])
                for log_prob, tokens in live[group]
                for token, gained in enumerate(next_scores(toy, row, tokens, max_length, **rules))
                if gained > -np.inf
            ]

            def worth(text, said=tuple(said)):
                return text[0] - penalty * said.count(text[1][-1]), text[1]

            best = sorted(extensions, key=worth, reverse=True)[: 2 * width]
            finished[group] += [text for text in best[:width] if text[1][-1] == END]
            live[group] = [text for text in best if text[1][-1] != END][:width]
            said += [tokens[-1] for _, tokens in live[group]]
        for group in range(groups):
            done = sorted((s / len(t) for s, t in finished[group]), reverse=True)
            limit = rules.get("max_lengths", [max_length] * toy.rows)[row]
            enough = len(done) >= wanted
            if enough and width == 1:
                live[group] = []
            if enough and all(s / limit <= done[wanted - 1] for s, _ in live[group]):
                live[group] = []
    return [sorted(((s / len(t), t) for s, t in texts), reverse=True) for texts in finished]


def slow_greedy(toy, row, max_length, **rules):
    """Greedy search of one row, as (log-probability, tokens)."""
    log_prob, tokens = 0.0, []
    while END not in tokens:
        scores = next_scores(toy, row, tokens, max_length, **rules)
        tokens.append(int(np.argmax(scores)))
        log_prob += scores[tokens[-1]]
    return log_prob, tokens


def texts(result):
    """The token lists (B lists of K) of a SearchResult, without PAD."""
    return [[[int(t) for t in text if t != PAD] for text in row] for row in result.tokens]


def padded(lists, width=None):
    width = width or max(map(len, lists))
    return np.array([[*tokens, *[PAD] * (width - len(tokens))] for tokens in lists], "int32")


RULES = {
    "none": {},
    "min_length": {"min_length": 4},
    "max_lengths": {"max_lengths": np.array([3, 6, 1])},
    "bigrams": {"no_repeat_ngram_size": 2, "min_length": 5},
    "unigrams": {"no_repeat_ngram_size": 1},
    "repetition": {"repetition_penalty": 1.7},
    "growth": {"end_growth": 1.15, "end_growth_start": 1},
    "suppress": {"suppress_tokens": (5, 3)},
    "sequences": {"suppress_tokens": ((4, 4), (6,), (3, 4), (4, 3, 4), (5, END)), "min_length": 2},
    "prefix": {"forced_prefix": np.array([[4, 4, 4], [6, 0, 0], [3, 5, 0]])},
    "free": {"forced_prefix": np.array([[4, 4], [6, 0], [3, 5]]), "score_forced": False},
    "all": {
        "min_length": 3,
        "max_lengths": np.array([6, 4, 5]),
        "no_repeat_ngram_size": 2,
        "repetition_penalty": 1.3,
        "suppress_tokens": (4,),
        "forced_prefix": np.array([[4, 4, 4], [0, 0, 0], [6, 0, 0]]),
    },
}
PENALTIES = [
    {"form": "power", "alpha": 0.0},
    {"form": "power", "alpha": 0.6},
    {"form": "power", "alpha": 2.0},
    {"form": "power", "alpha": -0.5},
    {"form": "gnmt", "alpha": 0.6},
    {"form": "gnmt", "alpha": 2.0},
    {"form": "gnmt", "alpha": -0.5},
]


def library_names(penalties):
    """The options of beam_search for the options of `final_score`."""
    names = {"alpha": "length_penalty", "form": "length_penalty_form", "beta": "coverage_penalty"}
    return {names[key]: value for key, value in penalties.items()}
