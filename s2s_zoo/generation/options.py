"""The options of a search, each declared once.

The searches, the pipeline, generation.json, the server and the command line read this table. It
needs no Keras.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from s2s_zoo.protocol import UNK
from s2s_zoo.protocol.registry import lookup

GREEDY, BEAM, SAMPLE = "greedy", "beam", "sample"
EVERY = (GREEDY, BEAM, SAMPLE)
LARGEST = 1 << 31  # a number in a file; none that makes sense is beyond
MOST_BEAMS, MOST_TOKENS = 64, 1 << 16  # that a file may ask for
MOST_IN_A_ROW = 32  # ids of a text that is not written, in a file: each is a step of its own
BEAMS_OF_A_CALL, TOKENS_OF_A_CALL = 1000, 1 << 30
TOKENS_OF_A_STREAM = 1 << 20  # which keeps all of its places from the start
_KINDS = {
    int: f"a whole number, {LARGEST} at most,",
    float: "a number, and no infinite one,",
    bool: "True or False",
    str: "a text",
}


@dataclass(frozen=True)
class Option:
    """An option of a search.

    Attributes:
        name: str, under which every part of the package has it.
        kind: int, float, bool, str, or list, of ids or of lists of ids.
        default: what holds where nobody says anything.
        help: str, one line.
        strategies: the strategies that have it.
        least, above, most: what a number may be: at least, more than, at most; None is no limit.
        choices: what a text may be; () is any.
        or_none: bool, whether None says the same as leaving it out.
        compiled: bool, whether a compiled search is made with it. The others are settled anew in
            every call.
        number: bool, whether a compiled search can be called with it too, so that another value
            compiles nothing; see `numbers_of`.
        most_in_file: what a number in a file may be at most; a caller may ask for more.
    """

    name: str
    kind: type
    default: Any
    help: str
    strategies: tuple[str, ...] = EVERY
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    or_none: bool = False
    compiled: bool = True
    number: bool = False
    most_in_file: float = LARGEST

    @property
    def range(self) -> str:
        """What a number may be, in words that come after its name; "" where it may be any."""
        if self.least is not None and self.most is not None:
            return f"from {self.least} to {self.most}"
        words = [
            f"{words} {limit}"
            for words, limit in (
                ("of at least", self.least),
                ("above", self.above),
                ("at most", self.most),
            )
            if limit is not None
        ]
        return " and ".join(words)

    def allows(self, number: Any) -> bool:
        """Whether a number is in the range."""
        return (
            (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
        )

    def fits(self, value: Any) -> bool:
        """Whether a value of JSON is of its kind, and no number beyond `LARGEST`."""
        if value is None:
            return self.or_none
        if self.kind is list:
            return type(value) is list and all(
                _is_number(part, int)
                for item in value
                for part in (item if type(item) is list else [item])
            )
        if self.kind in (int, float):
            return _is_number(value, self.kind)
        return type(value) is self.kind

    def parse(self, text: str) -> float:
        """Returns the number that a text says.

        Raises:
            ValueError: for no number, or one outside the range; the message says the range.
        """
        try:
            number = self.kind(text)
        except ValueError:
            number = math.nan
        if _is_number(number, self.kind) and self.allows(number):
            return number
        kind = "a whole number" if self.kind is int else "a number"
        raise ValueError(f"expected {f'{kind} {self.range}'.rstrip()}. Received: {text!r}.")


_TABLE = (
    Option(
        "strategy",
        str,
        GREEDY,
        "how to search; beam where more than one beam is asked for",
        choices=EVERY,
        or_none=True,
        compiled=False,
    ),
    Option(
        "num_beams",
        int,
        4,
        "unfinished texts that are kept",
        (BEAM,),
        least=1,
        most_in_file=MOST_BEAMS,
    ),
    Option(
        "num_return",
        int,
        1,
        "answers to each source",
        (BEAM, SAMPLE),
        least=1,
        most_in_file=MOST_BEAMS,
    ),
    Option(
        "length_penalty", float, 1.0, "more favours longer texts, 0 is off", (BEAM,), number=True
    ),
    Option(
        "length_penalty_form",
        str,
        "power",
        "length^penalty, or ((5 + length) / 6)^penalty",
        (BEAM,),
        choices=("power", "gnmt"),
    ),
    Option(
        "coverage_penalty",
        float,
        0.0,
        "more looks at all of the source, 0 is off",
        (BEAM,),
        least=0,
        number=True,
    ),
    Option("early_stopping", bool, None, "end with as many texts as beams", (BEAM,), or_none=True),
    Option(
        "num_beam_groups",
        int,
        1,
        "groups of beams, each of which avoids the words of those before it",
        (BEAM,),
        least=1,
        most_in_file=MOST_BEAMS,
    ),
    Option(
        "diversity_penalty",
        float,
        0.5,
        "what a word costs a group for each beam of other groups that has it",
        (BEAM,),
        least=0,
        number=True,
    ),
    Option("renormalize", bool, False, "the tokens that may come share all probability", (BEAM,)),
    Option("temperature", float, 1.0, "below 1 is more careful", (SAMPLE,), above=0, number=True),
    Option("top_k", int, None, "draw from the K best tokens", (SAMPLE,), least=1, or_none=True),
    Option(
        "top_p",
        float,
        None,
        "draw from the best tokens of this probability",
        (SAMPLE,),
        above=0,
        most=1,
        or_none=True,
        number=True,
    ),
    Option(
        "min_p",
        float,
        None,
        "draw from the tokens that have at least this share of the first one's probability",
        (SAMPLE,),
        least=0,
        most=1,
        or_none=True,
        number=True,
    ),
    Option(
        "typical_p",
        float,
        None,
        "draw from the tokens of this probability that are neither too likely nor too unlikely",
        (SAMPLE,),
        above=0,
        most=1,
        or_none=True,
        number=True,
    ),
    Option(
        "epsilon_cutoff",
        float,
        None,
        "draw from the tokens of at least this probability",
        (SAMPLE,),
        least=0,
        most=1,
        or_none=True,
        number=True,
    ),
    Option(
        "eta_cutoff",
        float,
        None,
        "the same, and of less probability where many tokens may come",
        (SAMPLE,),
        least=0,
        most=1,
        or_none=True,
        number=True,
    ),
    Option(
        "seed",
        int,
        None,
        "draw the same texts every time",
        (SAMPLE,),
        least=0,
        most=LARGEST - 1,
        or_none=True,
        compiled=False,
    ),
    Option(
        "max_length",
        int,
        None,
        "tokens of a text at most, its end counted",
        least=1,
        or_none=True,
        compiled=False,
        most_in_file=MOST_TOKENS,
    ),
    Option(
        "min_length",
        int,
        0,
        "tokens of a text at least",
        least=0,
        number=True,
        most_in_file=MOST_TOKENS,
    ),
    Option("no_repeat_ngram_size", int, 0, "write no N tokens twice, 0 is off", least=0),
    Option(
        "encoder_no_repeat_ngram_size",
        int,
        0,
        "write no N tokens in a row that the source has, 0 is off",
        least=0,
    ),
    Option(
        "repetition_penalty", float, 1.0, "above 1 repeats less, 1 is off", above=0, number=True
    ),
    Option(
        "end_growth",
        float,
        1.0,
        "above 1 the end of a text comes closer with every token after end_growth_start, 1 is off",
        above=0,
        number=True,
    ),
    Option(
        "end_growth_start",
        int,
        0,
        "tokens of a text before its end comes closer",
        least=0,
        number=True,
        most_in_file=MOST_TOKENS,
    ),
    Option("suppress_tokens", list, (), "ids that are not written"),
    Option("forced_prefix", str, None, "how every text begins", or_none=True, compiled=False),
    Option("score_forced", bool, True, "count forced tokens in the score"),
    Option("shortlist", bool, False, "search among the candidates alone", compiled=False),
)
OPTIONS = {option.name: option for option in _TABLE}
# What a pipeline adds where nothing is said.
PIPELINE_DEFAULTS = {"suppress_tokens": [UNK]}


def strategy_of(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The strategy of a call: by its name, by a number of beams, or greedy search.

    Args:
        options: dict, those of the call. A number of beams there is more than a name in defaults.
        defaults: dict, those of the pipeline.
    """
    for given in (options, defaults):
        if given.get("strategy") is not None:
            return given["strategy"]
        if "num_beams" in given:
            return GREEDY if given["num_beams"] == 1 else BEAM
    return OPTIONS["strategy"].default


def beams_of(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> int:
    """The number of beams of a call; 1 where it is no beam search. Arguments: as `strategy_of`."""
    if strategy_of(options, defaults) != BEAM:
        return 1
    return {**defaults, **options}.get("num_beams", OPTIONS["num_beams"].default)


def compiled_options(strategy: str) -> frozenset[str]:
    """The options that a search of a strategy is compiled with."""
    return frozenset(x.name for x in OPTIONS.values() if strategy in x.strategies and x.compiled)


def numbers_of(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Parts the options of a search: what it is compiled with, and the numbers it is called with.

    A number that has its default is in neither, as there is nothing to compute for most of them.
    Of `top_k` the search is compiled for the next power of two, and called with the number `kept`.
    """
    compiled, numbers = {}, {}
    for name, value in options.items():
        if name not in OPTIONS or not OPTIONS[name].number:
            compiled[name] = value
        elif value != OPTIONS[name].default:
            numbers[name] = value
    if compiled.get("top_k") is not None:
        numbers["kept"] = compiled["top_k"]
        compiled["top_k"] = 1 << (compiled["top_k"] - 1).bit_length()
    return compiled, numbers


def is_default(name: str, value: Any) -> bool:
    """Whether an option says nothing new; never of a tensor, the number of a compiled search."""
    return not hasattr(value, "shape") and value == OPTIONS[name].default


def check_names(options: Mapping[str, Any], strategy: str | None = None) -> None:
    """Raises ValueError for an option that no strategy has, or not this one."""
    for name, value in options.items():
        owners = lookup(OPTIONS, name, "option").strategies
        if strategy is not None and strategy not in owners:
            raise ValueError(
                f"The option {name!r} belongs to strategy={' or '.join(map(repr, owners))}. "
                f"Received: {name}={value!r} with strategy={strategy!r}."
            )


def check_values(**values: Any) -> None:
    """Raises ValueError for a value of another kind, or a number outside the range of its option.

    Tensors are let through: they were checked when they were numbers. So are lists of ids.
    """
    for name, value in values.items():
        option = OPTIONS[name]
        if hasattr(value, "shape") or option.kind is list or (value is None and option.or_none):
            continue
        or_none = ", or None" * option.or_none
        if option.choices:
            lookup(dict.fromkeys(option.choices), value, name.replace("_", " "))
        elif type(value) in (int, float) and option.range and not option.allows(value):
            raise ValueError(
                f"The search expected {name} {option.range}{or_none}. Received: {name}={value!r}."
            )
        elif not option.fits(value):
            raise ValueError(
                f"The search expected {_KINDS[option.kind]} for {name}{or_none}. "
                f"Received: {name}={value!r}."
            )


def check_counts(num_beams: int, num_return: int) -> None:
    """Raises ValueError unless there are as many beams as answers, and not too many."""
    check_values(num_beams=num_beams, num_return=num_return)
    if num_beams > BEAMS_OF_A_CALL:
        raise ValueError(
            f"Beam search expected num_beams of at most {BEAMS_OF_A_CALL}, as each is a row of the "
            f"model. Received: num_beams={num_beams}."
        )
    if num_return > num_beams:
        raise ValueError(
            "Beam search expected num_return from 1 to num_beams. Received: "
            f"num_return={num_return}, num_beams={num_beams}. Use num_beams={num_return} or more."
        )


def check_groups(num_beams: int, num_beam_groups: int, diversity_penalty: Any) -> None:
    """Raises ValueError unless groups divide the beams, and there are some where they cost."""
    check_values(num_beam_groups=num_beam_groups, diversity_penalty=diversity_penalty)
    if num_beams % num_beam_groups:
        raise ValueError(
            "Beam search expected num_beam_groups to divide num_beams. Received: "
            f"num_beam_groups={num_beam_groups}, num_beams={num_beams}. Use num_beams="
            f"{num_beams // num_beam_groups * num_beam_groups or num_beam_groups}."
        )
    if num_beam_groups == 1 and not is_default("diversity_penalty", diversity_penalty):
        raise ValueError(
            "diversity_penalty keeps groups of beams apart. Received: diversity_penalty="
            f"{diversity_penalty}, num_beam_groups=1. Use num_beam_groups={num_beams}, or fewer."
        )


def check_lengths(min_length: int, max_length: int) -> None:
    """Raises ValueError unless a text of at least `min_length` tokens and END has room."""
    check_values(max_length=max_length)
    if not hasattr(max_length, "shape") and max_length > TOKENS_OF_A_CALL:
        raise ValueError(
            f"The search expected max_length of at most {TOKENS_OF_A_CALL}. "
            f"Received: max_length={max_length!r}."
        )
    if hasattr(min_length, "shape"):
        return
    if not 0 <= min_length < max_length:
        raise ValueError(
            "The search expected min_length from 0 to max_length - 1 (END is counted in "
            f"max_length). Received: min_length={min_length!r}, max_length={max_length!r}."
        )


def check_tokens(tokens: Iterable[Any], vocabulary_size: int) -> None:
    """Raises ValueError unless tokens, or sequences of them, are ids of a vocabulary."""
    parts = [
        token for item in tokens for token in (item if isinstance(item, tuple | list) else [item])
    ]
    if beyond := [token for token in parts if not 0 <= token < vocabulary_size]:
        raise ValueError(
            "The search expected suppress_tokens below the vocabulary size "
            f"{vocabulary_size}, from 0. Received: {beyond[0]!r}."
        )


def check_search(
    strategy: str, options: Mapping[str, Any], max_length: int, decoder: Any = None
) -> None:
    """Raises ValueError for what a search would refuse, before anything is compiled.

    Args:
        strategy: str.
        options: those of a search, and others that are not looked at.
        max_length: int.
        decoder: whose vocabulary tokens have to be in; None, or one without, says nothing of it.
    """
    known = {name: value for name, value in options.items() if name in OPTIONS}
    said = {name: option.default for name, option in OPTIONS.items()} | known
    if strategy == "beam":
        check_counts(said["num_beams"], said["num_return"])
        check_groups(said["num_beams"], said["num_beam_groups"], said["diversity_penalty"])
    check_values(**known)
    check_lengths(said["min_length"], max_length)
    if (size := getattr(decoder, "vocabulary_size", None)) is not None:
        check_tokens(said["suppress_tokens"], size + getattr(decoder, "extra_ids", 0))


def _is_number(value: Any, kind: type) -> bool:
    """Whether it is a number of a kind: an int is a float too, and True is none."""
    return type(value) in (int, kind) and abs(value) <= LARGEST
