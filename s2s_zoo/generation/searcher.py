"""From rows of source ids and the options of a call to hypotheses, by compiled searches."""

import itertools
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from s2s_zoo.generation.draws import Draws, noise
from s2s_zoo.generation.generator import RECORDED, Generator
from s2s_zoo.generation.options import (
    check_names,
    check_search,
    check_values,
    compiled_options,
    numbers_of,
    strategy_of,
)
from s2s_zoo.generation.shortlist import Shortlist
from s2s_zoo.generation.strategies import STRATEGIES
from s2s_zoo.generation.streamer import Streamer
from s2s_zoo.generation.tiered import TieredGenerator
from s2s_zoo.layers.kernels.compiled import kernels_available
from s2s_zoo.protocol import END, PAD, START, SearchResult
from s2s_zoo.protocol.padding import pad_rows
from s2s_zoo.protocol.registry import lookup

SHORTEST_LOOP, FIRST_LOOP, LENGTH_STEP = 32, 64, 8  # few shapes, so few compilations
KEPT = 16  # compiled searches
# Of the rows of a source, by its rank, how many for one token: ids, frames of sound, pixels.
SHARES = {1: 1, 2: 32, 3: 1 << 30}
EAGER_LENGTH = 16  # source tokens up to which one eager search is faster than one trace


class Search(NamedTuple):
    """What one call asks for.

    Attributes:
        strategy: str.
        options: tuple of (name, value), of the strategy and of `Rules`.
        max_length: int, a limit for every row, or None for one by the length of its source.
        prefix: (P,) int ids, how every text begins, or None.
        shortlist: bool, search among the candidates of each source alone.
        seed: int, the random numbers of a sampled call, or None to go on with those before.
    """

    strategy: str
    options: tuple
    max_length: int | None
    prefix: Any
    shortlist: bool
    seed: int | None = None


class Searcher:
    """Runs searches over a model, each compiled once for a few shapes.

    The limit of a row depends on its own source alone, so what is found for it does not depend
    on the rows beside it.

    Args:
        model: a `Seq2Seq`.
        longest_target: function of a source length to the most tokens of its target.
        max_target_length: int, the most tokens of any target.
        shortlist: a `Shortlist` of the model, or None.
    """

    def __init__(
        self,
        model: Any,
        longest_target: Callable[[Any], Any],
        max_target_length: int,
        shortlist: Shortlist | None = None,
    ) -> None:
        self.model = model
        self.longest_target = longest_target
        self.max_target_length = max_target_length
        self.shortlist = shortlist
        self._draws = Draws()
        self._generators: dict[Any, Any] = {}

    def plan(
        self,
        options: dict[str, Any],
        defaults: dict[str, Any],
        return_scores: bool = False,
        return_alignments: bool = False,
    ) -> Search:
        """Checks the options of a call and joins them with the defaults of their strategy.

        Args:
            options: dict, what the caller asked for; "forced_prefix" as ids.
            defaults: dict, what holds where the strategy has such an option.
            return_scores: bool.
            return_alignments: bool.

        Returns:
            Search.

        Raises:
            ValueError: for an unknown option, or one of another strategy.
        """
        options = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in options.items()
        }
        merged = {**defaults, **options}
        strategy = strategy_of(options, defaults)
        lookup(STRATEGIES, strategy, "search strategy")
        if strategy == "greedy" and options.get("num_beams") == 1:
            options = {name: value for name, value in options.items() if name != "num_beams"}
        check_names(options, strategy)
        compiled = compiled_options(strategy)
        chosen = {name: value for name, value in merged.items() if name in compiled}
        records = {"return_scores": return_scores, "return_alignments": return_alignments}
        seed = merged.get("seed") if strategy == "sample" else None
        check_values(seed=seed)
        self._check(strategy, chosen, merged.get("max_length"))
        chosen |= {name: records[name] for name in RECORDED[strategy]}
        chosen["suppress_tokens"] = tuple(
            int(tokens) if isinstance(tokens, numbers.Integral) else tuple(map(int, tokens))
            for tokens in chosen["suppress_tokens"]
        )
        return Search(
            strategy,
            tuple(sorted(chosen.items())),
            merged.get("max_length"),
            merged.get("forced_prefix"),
            self._has_shortlist(merged.get("shortlist", False)),
            seed,
        )

    def _check(self, strategy, chosen, max_length):
        """Raises ValueError for what a search of this model would refuse, before it is compiled."""
        check_values(max_length=max_length)
        check_search(strategy, chosen, self._limit(max_length), self.model.decoder)
        attention = getattr(self.model.decoder, "attention", True)  # who does not say has one
        if chosen.get("coverage_penalty") and attention is None:
            raise ValueError(
                "The coverage penalty needs a model with attention, and this one has none. "
                f"Received: coverage_penalty={chosen['coverage_penalty']!r}. Leave it out."
            )

    def _has_shortlist(self, wanted):
        if not isinstance(wanted, bool):
            raise ValueError(f"Pipeline expected shortlist=True or False. Received: {wanted!r}.")
        if wanted and self.shortlist is None:
            raise ValueError(
                "This checkpoint has no shortlist. Received: shortlist=True. Build one, with "
                "Pipeline.build_shortlist or `s2s-zoo shortlist`, or leave it out."
            )
        return wanted

    def run(
        self,
        search: Search,
        rows: Sequence[np.ndarray],
        turn: int = 0,
        prompt: np.ndarray | None = None,
    ) -> SearchResult:
        """Searches for the targets of a batch.

        Args:
            search: Search.
            rows: list of B int arrays, each ending in END, or of B images of one size, or of
                frames (S, D) of sound.
            turn: int, the number of the batch in its call: each has random numbers of its own.
            prompt: (B, P) int, what a `Prompted` model reads before it writes, or None.

        Returns:
            SearchResult of numpy arrays with B rows.
        """
        # What was encoded has no mask: it is of one length, and stays so.
        settings, inputs = self._prepared(search, rows, None if prompt is None else len(rows[0]))
        if prompt is not None:
            added = np.repeat(prompt[:1], len(inputs["source"]) - len(prompt), axis=0)
            prompt = np.concatenate([prompt, added]).astype("int32")
            inputs["source"] = {"memory": inputs["source"], "prompt": prompt}
        limits, limit = inputs.pop("max_lengths"), settings["max_length"]
        key = self._draws.key(search.seed, turn) if search.strategy == "sample" else None
        length = min(limit, self._room(rows, limits.max()))
        while True:  # in twice the room, until every row is done
            settings["max_length"] = length
            bounds = {"open_lengths" if limits.max() > length else "max_lengths": limits}
            if key is not None:
                drawn = len(limits) * settings.get("num_return", 1)
                bounds["noise"] = noise(key, length, drawn)
            generator = self._generator(search.strategy, settings, inputs | bounds, rows)
            result = generator.generate(**inputs, **bounds)
            if not (result.tokens == START).any():
                return SearchResult(*(None if x is None else x[: len(rows)] for x in result))
            length = min(limit, 2 * length)

    def _room(self, rows, most):
        """Tokens that rows may need at first: few numbers, so few compilations."""
        longest = max(len(row) // SHARES[row.ndim] for row in rows)
        needed = min(most, max(FIRST_LOOP, 4 * longest))
        return max(SHORTEST_LOOP, _power_of_two(needed))

    def stream(self, search: Search, row: np.ndarray) -> Iterator[SearchResult]:
        """Yields a SearchResult (K = 1) of one row after each token: see `Streamer`."""
        settings, inputs = self._prepared(search, [row])
        most = _power_of_two(inputs["max_lengths"].max())
        settings["max_length"] = min(settings["max_length"], max(SHORTEST_LOOP, most))
        key = (Streamer, *_key(settings, inputs))
        streamer = self._kept(key, lambda: Streamer(self.model, **settings))
        return streamer.stream(**inputs)

    def limits(self, search: Search, rows: Sequence[np.ndarray]) -> np.ndarray:
        """The most tokens of the target of each row, (B,) int."""
        lengths = np.array([len(row) for row in rows])
        limit = self._limit(search.max_length)
        if search.max_length is not None:
            return np.full(len(rows), limit)
        least = dict(search.options).get("min_length", 0) + 1
        return np.minimum(np.maximum(self.longest_target(lengths), least), limit)

    def _prepared(self, search, rows, most=None):
        """What a search is made with and called with, for a batch: two dicts of arguments."""
        if most is None:
            most = getattr(getattr(self.model, "encoder", None), "longest", None)
        source = pad(rows, most)
        options, limit = dict(search.options), self._limit(search.max_length)
        limits = np.full(len(source), 1)  # a filler row ends at once
        limits[: len(rows)] = self.limits(search, rows)
        compiled, numbers = numbers_of(options)
        settings = {"max_length": limit, **compiled}
        inputs = {"source": source, "max_lengths": limits, **numbers}
        prefix = search.prefix
        if search.shortlist:
            named = [x if isinstance(x, tuple) else (x,) for x in settings["suppress_tokens"]]
            first = itertools.chain(*named)
            narrowed = self.shortlist.narrow(source, first, () if prefix is None else prefix)
            inputs |= {"ids": narrowed.ids, "allowed": narrowed.allowed}
            settings["suppress_tokens"] = tuple(
                tuple(map(narrowed.place, x)) if isinstance(x, tuple) else narrowed.place(x)
                for x in settings["suppress_tokens"]
            )
            prefix = None if prefix is None else np.array([narrowed.place(x) for x in prefix])
        if prefix is not None:
            inputs["forced_prefix"] = np.tile(_padded(prefix), (len(source), 1))
        return settings, inputs

    def _limit(self, max_length):
        return self.max_target_length if max_length is None else max_length

    def _generator(self, strategy, settings, inputs, rows):
        """The compiled search, or at first an eager one.

        Tracing a TensorFlow graph takes about 1 s (beam 5), a step without 0.06 s: one short
        text or one image, as on the command line, is not worth a trace, a second one is.
        """
        alone = len(rows) == 1
        key = (strategy, *_key(settings, inputs), alone)

        def make(**options):
            return Generator(self.model, strategy, **settings, **options)

        first = alone and key not in self._generators and keras.backend.backend() == "tensorflow"
        if first and (rows[0].ndim > 1 or len(rows[0]) <= EAGER_LENGTH):
            self._generators[key] = None
            return make(run_eagerly=True)
        tiered = alone and strategy == "greedy" and self._has_tiers()
        return self._kept(key, (lambda: TieredGenerator(make)) if tiered else make)

    def _has_tiers(self):
        """Whether XLA may take over: on a CPU, in float32, where it rounds as the graph does."""
        return kernels_available() and self.model.compute_dtype == "float32"

    def _kept(self, key, make):
        """What was made for a key, or is now; of the rest, what was used last."""
        generator = self._generators.pop(key, None) or make()
        self._generators[key] = generator  # the last used comes last
        if len(self._generators) > KEPT:
            del self._generators[next(iter(self._generators))]
        return generator


def pad(rows: Sequence[np.ndarray], most: int | None = None) -> np.ndarray:
    """Pads rows of ids to one of few shapes.

    Args:
        rows: list of int arrays, each ending in END; or of images (H, W, 3) of one size; or of
            frames (S, D) of sound.
        most: int, the most frames that the model reads, or None for any number.

    Returns:
        (B', S) int32, the rows, then rows of END alone: B' is a power of two, S a multiple of
        `LENGTH_STEP`. Of images (B', H, W, 3), black ones filling up. Of frames (B', S, D), zeros
        filling up, S one of few lengths.
    """
    if rows[0].ndim == 2:
        longest = max(map(len, rows))
        step = LENGTH_STEP * max(1, _power_of_two(longest) // 256)
        length = -(-longest // step) * step
        length = length if most is None else max(longest, min(length, most))
        padded = np.zeros((_power_of_two(len(rows)), length, rows[0].shape[1]), rows[0].dtype)
        for i, row in enumerate(rows):
            padded[i, : len(row)] = row
        return padded
    if rows[0].ndim > 1:
        fillers = _power_of_two(len(rows)) - len(rows)
        return np.stack([*rows, *[np.zeros_like(rows[0])] * fillers])
    longest = max(map(len, rows))
    length = -(-longest // LENGTH_STEP) * LENGTH_STEP
    padded = pad_rows(rows, length, count=_power_of_two(len(rows)))
    padded[len(rows) :, 0] = END
    return padded


def _key(settings, inputs):
    """What one compiled search serves: its settings and which inputs it has, not what they are.

    The first places of a shortlist follow from the settings, so its length is enough. The room of
    a search begins with its prompt.
    """
    shortlist = len(inputs["ids"]) if "ids" in inputs else None
    source = inputs["source"]
    prompt = source["prompt"].shape[1] if isinstance(source, dict) else 0
    return tuple(sorted(settings.items())), frozenset(inputs), shortlist, prompt


def _padded(prefix):
    """A prefix (P,) of one of few lengths; PAD leaves a place free."""
    return np.pad(prefix, (0, -len(prefix) % LENGTH_STEP), constant_values=PAD)


def _power_of_two(number):
    return 1 << int(number - 1).bit_length()
