"""The one declaration of the options of a search, against everything that has them."""

import inspect

import pytest

from s2s_zoo.generation.generator import RECORDED, keys_of
from s2s_zoo.generation.options import (
    EVERY,
    LARGEST,
    OPTIONS,
    beams_of,
    check_counts,
    check_names,
    check_values,
    numbers_of,
    strategy_of,
)
from s2s_zoo.generation.penalties import LENGTH_PENALTIES
from s2s_zoo.generation.rules import Rules
from s2s_zoo.generation.strategies import STRATEGIES

OF_THE_LOOP = {
    "step",
    "state",
    "memory",
    "batch_size",
    "rules",
    "max_lengths",
    "open_lengths",
    "copies",
    "for_copies",
    "noise",
    "kept",
    "source",
}
OF_THE_PIPELINE = {"strategy", "shortlist"}


@pytest.mark.parametrize("strategy", EVERY)
def test_the_functions_have_the_options_of_the_table_and_its_defaults(strategy):
    parameters = {
        name: parameter.default
        for function in (STRATEGIES[strategy], Rules)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in OF_THE_LOOP
    }
    recorded = {name for name in parameters if name.startswith("return_")}
    assert recorded == set(RECORDED[strategy])
    declared = {name for name, option in OPTIONS.items() if strategy in option.strategies}
    assert parameters.keys() - recorded == declared - OF_THE_PIPELINE
    for name in declared - OF_THE_PIPELINE - {"max_length"}:  # which the functions must be given
        assert parameters[name] == OPTIONS[name].default, name
    assert keys_of(strategy) <= parameters.keys()


def test_choices_are_the_names_of_the_tables():
    assert tuple(STRATEGIES) == OPTIONS["strategy"].choices == EVERY
    assert tuple(LENGTH_PENALTIES) == OPTIONS["length_penalty_form"].choices


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_defaults_are_values_of_their_options(option):
    default = list(option.default) if option.kind is list else option.default
    assert option.fits(default)
    check_values(**{option.name: option.default})
    assert option.or_none or option.default is not None
    assert option.fits(None) == option.or_none


@pytest.mark.parametrize(
    "options, defaults, strategy, beams",
    [
        ({}, {}, "greedy", 1),
        ({}, {"num_beams": 5}, "beam", 5),
        ({}, {"strategy": "beam"}, "beam", 4),
        ({"strategy": "beam"}, {}, "beam", 4),
        ({"num_beams": 1}, {"strategy": "sample", "num_beams": 5}, "greedy", 1),
        ({"strategy": "greedy"}, {"num_beams": 5}, "greedy", 1),
        ({"num_beams": 3}, {"num_beams": 5}, "beam", 3),
        ({"strategy": None}, {"strategy": "sample"}, "sample", 1),
    ],
)
def test_strategy_and_beams(options, defaults, strategy, beams):
    assert strategy_of(options, defaults) == strategy
    assert beams_of(options, defaults) == beams


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("num_beams", "0", "expected a whole number of at least 1. Received: '0'."),
        ("num_beams", "2.5", "a whole number of at least 1"),
        ("num_beams", "9" * 30, "a whole number"),
        ("num_beams", "9" * 5000, "a whole number"),
        ("temperature", "0", "a number above 0. Received"),
        ("temperature", "nan", "a number above 0"),
        ("length_penalty", "inf", "expected a number. Received: 'inf'"),
        ("top_p", "1.1", "a number above 0 and at most 1. Received"),
        ("seed", "-1", f"a whole number from 0 to {LARGEST - 1}"),
    ],
)
def test_text_that_is_no_value(name, text, message):
    with pytest.raises(ValueError, match=message):
        OPTIONS[name].parse(text)


def test_text_that_is_a_value():
    assert OPTIONS["num_beams"].parse("5") == 5
    assert OPTIONS["length_penalty"].parse("-0.5") == -0.5
    assert OPTIONS["top_p"].parse("1") == 1.0


def test_names_are_checked():
    check_names({"num_beams": 2, "seed": 3})
    with pytest.raises(ValueError, match="Unknown option.*Did you mean 'num_beams'"):
        check_names({"num_beem": 2})
    with pytest.raises(ValueError, match="'top_k' belongs to .*'sample'.*top_k=2 with .*'beam'"):
        check_names({"top_k": 2}, "beam")


def test_values_are_checked():
    check_values(top_k=None, num_beams=1)
    with pytest.raises(ValueError, match="top_k of at least 1, or None. Received: top_k=0"):
        check_values(top_k=0)


@pytest.mark.parametrize(
    "name, value, message",
    [
        (
            "max_length",
            "7",
            "a whole number, 2147483648 at most, for max_length, or None. Received: max_length='7'",
        ),
        ("max_length", 2.0, "a whole number, .* for max_length"),
        ("max_length", 1 << 40, "2147483648 at most, for max_length"),
        ("min_length", [1], "a whole number, .* for min_length. Received"),
        ("min_length", True, "a whole number, .* for min_length"),
        ("num_beams", None, "a whole number, .* for num_beams. Received"),
        ("seed", 1.5, "a whole number, .* for seed, or None"),
        ("temperature", "a", "a number, and no infinite one, for temperature"),
        ("length_penalty", float("nan"), "no infinite one, for length_penalty"),
        ("early_stopping", "never", "True or False for early_stopping, or None"),
        ("length_penalty_form", "powr", "Unknown length penalty form.*mean 'power'"),
    ],
)
def test_values_of_another_kind_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        check_values(**{name: value})


def test_counts_are_whole_numbers_of_at_least_1():
    for num_beams, num_return in ((0, 1), (2.0, 1), (None, 1), (2, 0), (2, True), (2, 3)):
        with pytest.raises(ValueError, match="expected (num_|a whole number, .* for num_)"):
            check_counts(num_beams, num_return)


def test_numbers_are_parted_from_what_a_search_is_compiled_with():
    chosen = {"num_beams": 2, "length_penalty": 0.6, "min_length": 0, "return_alignments": True}
    assert numbers_of(chosen) == (
        {"num_beams": 2, "return_alignments": True},
        {"length_penalty": 0.6},
    )
    assert numbers_of({"top_k": 5, "top_p": None}) == ({"top_k": 8}, {"kept": 5})
    assert numbers_of({"top_k": 8, "temperature": 2}) == (
        {"top_k": 8},
        {"kept": 8, "temperature": 2},
    )
