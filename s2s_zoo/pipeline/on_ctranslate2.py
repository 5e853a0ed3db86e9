"""Search and scores by CTranslate2, with the answers of Keras or an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.generation.options import BEAM, OPTIONS, SAMPLE, strategy_of
from s2s_zoo.generation.searcher import Search, Searcher
from s2s_zoo.protocol import END, PAD, START, SearchResult
from s2s_zoo.protocol.padding import pad_rows
from s2s_zoo.protocol.types import Config, Tensor

# What CTranslate2 does in every beam search, whatever a checkpoint says.
BEAM_SEARCH: Config = {"early_stopping": True, "renormalize": True}
# What it has no counterpart of, unless it says nothing.
LACKING = ("repetition_penalty", "end_growth", "coverage_penalty", "num_beam_groups")
IMPOSSIBLE = -1e6  # a score of what the rules leave no room for
ELSEWHERE = "Or load the checkpoint without engine='ctranslate2'."


class Found(NamedTuple):
    """One hypothesis.

    Attributes:
        tokens: list of int, ending in END.
        score: float.
        alignment: (T, S) float32, or None where not asked for.
    """

    tokens: list[int]
    score: float
    alignment: np.ndarray | None = None


def settings_of(generation: Mapping[str, Any]) -> Config:
    """The defaults of a search, as CTranslate2 can search.

    Its beam search has the options of `BEAM_SEARCH`. Where every text begins with a language, which
    is no part of the score, an END right behind it is not written.

    Args:
        generation: dict, those of a checkpoint.
    """
    found = {**generation, **BEAM_SEARCH}
    if generation.get("forced_prefix") is not None:
        found["score_forced"] = False
        if strategy_of({}, generation) == BEAM:
            found["min_length"] = max(2, generation.get("min_length", 0))
    return found


def completed(options: Config, generation: Mapping[str, Any]) -> Config:
    """The options of a call, with what CTranslate2 does otherwise than a checkpoint would have it.

    Args:
        options: dict, those of the call.
        generation: dict, those of the checkpoint.
    """
    beams = strategy_of(options, generation) == BEAM
    others = {
        name: value
        for name, value in settings_of(generation).items()
        if generation.get(name) != value and (beams or name not in BEAM_SEARCH)
    }
    return {**others, **options}


def call_of(search: Search, names: Sequence[str], positions: int | None = None) -> Config:
    """The options of `Translator.translate_batch` that search so.

    Args:
        search: a `Search`.
        names: what the ids of the target are called.
        positions: int, the most tokens that the model can read, or None.

    Returns:
        dict, without the prefix and the longest text.

    Raises:
        ValueError: for a search that CTranslate2 does not do, with what to do.
    """
    options = _said(search)
    if problems := list(_problems(search, options, positions)):
        raise ValueError(f"CTranslate2 {' CTranslate2 '.join(problems)} {ELSEWHERE}")
    banned = [PAD, START, *options["suppress_tokens"]]
    sequences = [item if isinstance(item, tuple) else (item,) for item in banned]
    beams = options["num_beams"] if search.strategy == BEAM else 1
    return {
        "beam_size": beams,
        "num_hypotheses": beams,
        # Without any it would stop by another rule.
        "length_penalty": options["length_penalty"] or 1e-30,
        "no_repeat_ngram_size": options["no_repeat_ngram_size"],
        "min_decoding_length": options["min_length"],
        "suppress_sequences": [[names[token] for token in tokens] for tokens in sequences],
        "max_input_length": 0,
    }


def _said(search):
    """The options of a search, with the defaults of those that nobody named."""
    return {name: option.default for name, option in OPTIONS.items()} | dict(search.options)


def _problems(search, options, positions):
    """Yields what of a search CTranslate2 does not do: after its name, with a remedy."""
    if search.strategy == SAMPLE:
        yield "draws from numbers of its own. Received: strategy='sample'. Use greedy or beam."
        return
    if search.shortlist:
        yield "has no shortlist of ours. Received: shortlist=True. Leave it out."
    for name in LACKING:
        if options[name] != OPTIONS[name].default:
            yield f"has no {name} as it is here. Received: {name}={options[name]!r}. Leave it out."
    if positions is not None and (search.max_length or 0) > positions:
        yield (
            f"knows {positions} positions of this model. Received: max_length="
            f"{search.max_length}. Ask for no more."
        )
    if search.strategy != BEAM:
        return
    for name, value in BEAM_SEARCH.items():
        if options[name] is not value:
            yield (
                f"searches with {name}={value}. Received: {name}={options[name]!r}. Leave it out."
            )
    if options["length_penalty_form"] != "power" and options["length_penalty"]:
        yield "has length_penalty_form='power'. Received: 'gnmt'. Leave it out."
    least = 0 if search.prefix is None else len(search.prefix) + 1
    if search.prefix is not None and (options["score_forced"] or options["min_length"] < least):
        yield (
            "does not count what is forced, and ends no text with it, where there are beams. "
            f"Received: a forced_prefix with score_forced={options['score_forced']}, min_length="
            f"{options['min_length']}. Use score_forced=False, min_length={least}, or num_beams=1."
        )


class CTranslate2Searcher(Searcher):
    """Runs searches in CTranslate2.

    A row that only Keras searches as it should, such as one whose beams come to the limit of its
    length, is searched there.

    Args:
        searcher: the `Searcher` of the same model.
        translator: a `ctranslate2.Translator`, whose vocabulary is the ids.
        positions: int, the most tokens of a text, or None.
    """

    def __init__(self, searcher: Searcher, translator: Any, positions: int | None) -> None:
        parts = searcher.model, searcher.longest_target, searcher.max_target_length
        super().__init__(*parts, searcher.shortlist)
        self.translator = translator
        self.positions = positions
        self.names = names_of(self.model)

    def plan(self, *args: Any, **kwargs: Any) -> Search:
        """As `Searcher.plan`, and ValueError for a search that CTranslate2 does not do."""
        search = super().plan(*args, **kwargs)
        call_of(search, self.names, self.positions)
        return search

    def run(
        self,
        search: Search,
        rows: Sequence[np.ndarray],
        turn: int = 0,
        prompt: np.ndarray | None = None,
    ) -> SearchResult:
        """As `Searcher.run`."""
        options = _said(search)
        limits = self.limits(search, rows)
        found: list[list[Found] | None] = [None] * len(rows)
        if asked := [i for i, row in enumerate(rows) if not _is_skipped(row)]:
            read = _of_beams if search.strategy == BEAM else _of_greedy
            results = self._translated(search, rows, limits, asked)
            for i, (result, first) in zip(asked, results, strict=True):
                found[i] = read(result, int(limits[i]), first)
        if search.strategy != BEAM and options.get("return_scores"):
            found = self._scored(search, rows, limits, found)
        if again := [i for i, row in enumerate(found) if row is None]:
            theirs = super().run(search, [rows[i] for i in again], turn)
            for place, i in enumerate(again):
                found[i] = _of_keras(theirs, place)
        every = [row for row in found if row is not None]
        return _result(
            every, rows, options, search.strategy == BEAM or options.get("return_scores")
        )

    def stream(self, search: Search, row: np.ndarray) -> Iterator[SearchResult]:
        """As `Searcher.stream`.

        Raises:
            ValueError: for alignments.
        """
        options = _said(search)
        if options.get("return_alignments"):
            raise ValueError(
                "CTranslate2 gives alignments when a text is done, and none of a stream. Received: "
                f"return_alignment=True. Call the pipeline itself. {ELSEWHERE}"
            )
        if _is_skipped(row):
            yield from super().stream(search, row)
            return
        [limit] = self.limits(search, [row])
        asked = call_of(search, self.names, self.positions)
        for name in ("beam_size", "num_hypotheses", "length_penalty"):
            del asked[name]
        steps = self.translator.generate_tokens(
            self._named(row),
            self._prefix(search),
            max_decoding_length=int(limit),
            **asked,
        )
        tokens: list[int] = []
        for step in steps:
            tokens.append(END if len(tokens) == limit - 1 else int(step.token))
            one = self._scored(search, [row], [limit], [[Found([*tokens], 0.0)]])
            yield _result(one, [row], options, True)

    def _translated(self, search, rows, limits, asked):
        """Yields what CTranslate2 finds for some of the rows, and for the first place of each."""
        prefix = self._prefix(search)
        sources = [self._named(rows[i]) for i in asked]
        aligned = dict(search.options).get("return_alignments", False)
        found = self.translator.translate_batch(
            sources,
            None if prefix is None else [prefix] * len(asked),
            **call_of(search, self.names, self.positions),
            max_decoding_length=int(max(limits)),
            return_end_token=True,
            return_scores=search.strategy == BEAM,
            return_attention=aligned,
        )
        # Of beams it gives the first step of another row (CTranslate2 4.8, decoding.cc: places in
        # B are taken for places in B * K). It is the same for all texts of a source.
        firsts = [None] * len(asked)
        if aligned and search.strategy == BEAM:
            firsts = self.translator.translate_batch(
                sources,
                beam_size=1,
                max_decoding_length=1,
                max_input_length=0,
                return_end_token=True,
                return_attention=True,
            )
        return zip(found, firsts, strict=True)

    def _scored(self, search, rows, limits, found):
        """Greedy hypotheses with the sums of what the model gives to their tokens."""
        known = [i for i, row in enumerate(found) if row is not None]
        if not known:
            return found
        first = 0 if search.prefix is None else len(search.prefix)
        counts_all = _said(search)["score_forced"]
        found = list(found)
        tokens = [found[i][0].tokens for i in known]
        for i, written, each in zip(
            known, tokens, log_probs_of(self, [rows[i] for i in known], tokens), strict=True
        ):
            if not counts_all:  # what was written first, and what is at the limit, was forced
                each[:first] = 0
                each[limits[i] - 1 :] = 0
            found[i] = [found[i][0]._replace(score=float(each[: len(written)].sum()))]
        return found

    def _named(self, row):
        return [self.names[token] for token in row]

    def _prefix(self, search):
        return None if search.prefix is None else self._named(search.prefix)


class CTranslate2Scorer:
    """Scores given targets in CTranslate2, as `Scorer` does.

    Args:
        searcher: the `CTranslate2Searcher` of the same model.
    """

    def __init__(self, searcher: CTranslate2Searcher) -> None:
        self.model = searcher.model
        self.translator = searcher.translator
        self.names = searcher.names

    def score(self, source: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """As `Scorer.score`."""
        tokens = self.score_tokens(source, target)
        lengths = np.sum(np.asarray(target) != PAD, axis=1).astype("int32")
        return tokens.sum(axis=1), lengths

    def score_tokens(self, source: Tensor, target: Tensor) -> np.ndarray:
        """As `Scorer.score_tokens`."""
        rows = [row[row != PAD] for row in np.asarray(source)]
        tokens = [row[row != PAD].tolist() for row in np.asarray(target)]
        found = np.zeros(np.shape(target), "float32")
        real = [i for i, row in enumerate(tokens) if row]
        each = log_probs_of(self, [rows[i] for i in real], [tokens[i] for i in real])
        for i, values in zip(real, each, strict=True):
            found[i, : len(tokens[i])] = values[: len(tokens[i])]
        return found


def names_of(model: Any) -> list[str]:
    """What ids are called in the vocabularies of a translator that is an engine."""
    sizes = model.encoder.vocabulary_size, model.decoder.vocabulary_size
    return [str(token) for token in range(max(sizes))]


def log_probs_of(
    engine: CTranslate2Searcher | CTranslate2Scorer,
    rows: Sequence[np.ndarray],
    tokens: Sequence[Sequence[int]],
) -> list[np.ndarray]:
    """The log-probability of each token of a target, and of END behind where it has none."""
    if not rows:
        return []
    targets = [row[:-1] if row[-1] == END else row for row in tokens]
    found = engine.translator.score_batch(
        [[engine.names[token] for token in row] for row in rows],
        [[engine.names[token] for token in row] for row in targets],
        max_input_length=0,
    )
    return [np.array(result.log_probs, "float32") for result in found]


def _is_skipped(row):
    """Whether CTranslate2 takes a source for empty, and would search nothing."""
    behind = 1 if row[-1] == END else 2 if len(row) > 1 and row[-2] == END else 0
    return len(row) <= behind


def _of_greedy(result, limit, first):
    """The hypothesis of a row, the last place of which is END."""
    [written] = result.hypotheses
    tokens = [int(token) for token in written]
    if len(tokens) >= limit:
        tokens = [*tokens[: limit - 1], END]
    alignment = None
    if result.attention:
        alignment = np.array(result.attention[0], "float32")[: len(tokens)]
    return [Found(tokens, 0.0, alignment)]


def _of_beams(result, limit, first):
    """The hypotheses of a row, or None where its beams came to its limit.

    The last hypothesis to end is among the best K: before it there were fewer. So the longest says
    how many steps there were.
    """
    every = [[int(token) for token in written] for written in result.hypotheses]
    steps = max(map(len, every))
    ended = all(tokens and tokens[-1] == END for tokens in every)
    if steps >= limit or not ended or min(result.scores) < IMPOSSIBLE:
        return None
    if first is None:
        return [Found(*one) for one in zip(every, result.scores, strict=True)]
    return [
        Found(tokens, score, np.array([first.attention[0][0], *each[1:]], "float32"))
        for tokens, score, each in zip(every, result.scores, result.attention, strict=True)
    ]


def _of_keras(found, place):
    """The hypotheses of a row of a SearchResult."""
    hypotheses = []
    for k, tokens in enumerate(found.tokens[place]):
        tokens = [int(token) for token in tokens[tokens != PAD]]
        score = 0.0 if found.scores is None else float(found.scores[place, k])
        alignment = None if found.alignments is None else found.alignments[place, k, : len(tokens)]
        hypotheses.append(Found(tokens, score, alignment))
    return hypotheses


def _result(found, rows, options, scored):
    """The SearchResult of the hypotheses of B rows."""
    count = options["num_return"]
    found = [[*row[:count], *[Found([], -np.inf)] * (count - len(row))] for row in found]
    longest = max(len(one.tokens) for row in found for one in row)
    tokens = np.stack([pad_rows([one.tokens for one in row], longest) for row in found])
    scores = np.array([[one.score for one in row] for row in found], "float32")
    alignments = None
    if options.get("return_alignments"):
        shape = (len(found), count, longest, max(map(len, rows)))
        alignments = np.zeros(shape, "float32")
        for i, row in enumerate(found):
            for k, one in enumerate(row):
                if one.alignment is not None:
                    length, width = len(one.tokens), len(rows[i])
                    alignments[i, k, :length, :width] = one.alignment[:, :width]
    return SearchResult(tokens, scores if scored else None, alignments)
