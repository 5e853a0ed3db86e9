"""The defaults of a search, as files of the Hub have them."""

import json
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from s2s_zoo.checkpoints.pretrained.generation import (
    NOT_DONE,
    NOT_DRAWN_SO,
    USED,
    WITHOUT_EFFECT,
    generation_part,
    search_defaults,
)
from s2s_zoo.generation.options import OPTIONS, check_names
from s2s_zoo.protocol import END
from s2s_zoo.protocol.errors import CheckpointError

PROCESSOR = SimpleNamespace(
    forces_language=False, to_ours=lambda token: token + 1, encode_target=lambda texts: [[5, END]]
)
TABLES = {
    "works": USED,
    "changes no text": WITHOUT_EFFECT,
    "warned of": NOT_DONE.keys() | NOT_DRAWN_SO.keys(),
}
# A value of each key that says something.
SAID = {
    "encoder_repetition_penalty": 1.5,
    "begin_suppress_tokens": [7],
    "sequence_bias": [[[7], -1.0]],
    "token_healing": True,
    "guidance_scale": 2.0,
    "watermarking_config": {"bias": 2.5},
    "max_time": 3.0,
    "stop_strings": ["."],
    "penalty_alpha": 0.6,
    "dola_layers": "high",
    "constraints": [1],
    "force_words_ids": [[7]],
    "forced_decoder_ids": [[1, 7]],
    "top_h": 0.5,
}
CHANGED = {
    "max_length": (20, {"max_length": 19}),
    "max_new_tokens": (20, {"max_length": 20}),
    "min_length": (5, {"min_length": 4}),
    "min_new_tokens": (5, {"min_length": 5}),
    "early_stopping": (True, {"early_stopping": True}),
    "do_sample": (True, {"strategy": "sample", "top_k": 50, "num_return": 1}),
    "num_beams": (3, {"num_beams": 3, "num_return": 1}),
    "length_penalty": (2.0, {"length_penalty": 2.0}),
    "no_repeat_ngram_size": (3, {"no_repeat_ngram_size": 3}),
    "encoder_no_repeat_ngram_size": (3, {"encoder_no_repeat_ngram_size": 3}),
    "bad_words_ids": ([[7], [7, 8]], {"suppress_tokens": [8, [8, 9]]}),
    "suppress_tokens": ([7], {"suppress_tokens": [8]}),
    "renormalize_logits": (True, {"renormalize": True}),
    "forced_bos_token_id": (4, {"forced_prefix": ""}),
}
OF_BEAMS = {
    "num_return_sequences": (2, {"num_return": 2}),
    "num_beam_groups": (3, {"num_beam_groups": 3, "diversity_penalty": 0.0}),
    "exponential_decay_length_penalty": ([5, 1.1], {"end_growth_start": 5, "end_growth": 1.1}),
}
OF_GROUPS = {"diversity_penalty": (0.5, {"diversity_penalty": 0.5})}
DRAWN = {
    "temperature": (0.5, {"temperature": 0.5}),
    "top_k": (7, {"top_k": 7}),
    "top_p": (0.5, {"top_p": 0.5}),
    "min_p": (0.5, {"min_p": 0.5}),
    "typical_p": (0.5, {"typical_p": 0.5}),
    "epsilon_cutoff": (0.5, {"epsilon_cutoff": 0.5}),
    "eta_cutoff": (0.5, {"eta_cutoff": 0.5}),
}


@pytest.mark.parametrize(
    "written, read", [(True, True), (False, False), (None, False), ("never", None)]
)
def test_early_stopping(written, read):
    options = search_defaults({"early_stopping": written, "num_beams": 3}, PROCESSOR, True)
    assert options["early_stopping"] is read


def test_they_are_options_of_ours():
    config = {"num_beams": 1, "do_sample": True, "top_k": 5, "top_p": 1.0, "max_length": 20}
    config |= {"bad_words_ids": [[3], [3, 4]], "early_stopping": "never", "length_penalty": 1}
    options = search_defaults(config, PROCESSOR, False)
    check_names(options)
    for name, value in json.loads(json.dumps(options)).items():
        assert OPTIONS[name].fits(value), name


def test_every_key_of_transformers_is_in_one_table():
    GenerationConfig = pytest.importorskip("transformers").GenerationConfig

    theirs = {*vars(GenerationConfig()), *GenerationConfig().to_dict()}
    theirs = {name for name in theirs if not name.startswith("_original")}
    assert sorted(theirs - set().union(*TABLES.values())) == []
    assert sum(map(len, TABLES.values())) == len(set().union(*TABLES.values()))


def test_no_field_of_transformers_is_dropped_without_a_word():
    """Each changes the options, is named in a warning, is refused, or changes no text anywhere."""
    GenerationConfig = pytest.importorskip("transformers").GenerationConfig

    used = {name: value for name, (value, _) in (CHANGED | OF_BEAMS | OF_GROUPS | DRAWN).items()}
    used |= {"repetition_penalty": 1.5, "forced_eos_token_id": 9, "eos_token_id": 7}
    said, found = {**SAID, **used}, {}
    elsewhere = {"decoder_start_token_id"}  # the first token is no option: `_start` of the loader
    for name in vars(GenerationConfig()).keys() - WITHOUT_EFFECT - elsewhere:
        others = {"num_beams": 6, "num_beam_groups": 2} if name in OF_GROUPS else {"num_beams": 6}
        others = {"do_sample": True} if name in DRAWN or name in NOT_DRAWN_SO else others
        before = search_defaults(others, PROCESSOR, False)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                after = search_defaults({**others, name: said[name]}, PROCESSOR, False)
            except CheckpointError as error:
                found[name] = "refused" if name in str(error) else "silent"
                continue
        named = any(name in str(warning.message) for warning in caught)
        found[name] = "changed" if after != before else "named" if named else "silent"
    assert [name for name, what in found.items() if what == "silent"] == []
    assert set(found.values()) == {"changed", "named", "refused"}


def test_every_key_that_is_used_changes_the_options():
    plain = search_defaults({}, PROCESSOR, False)
    for name, (value, changes) in CHANGED.items():
        assert search_defaults({name: value}, PROCESSOR, False) == plain | changes, name
    groups = {"num_beams": 3, "num_beam_groups": 3}
    for more, table in (
        ({"num_beams": 3}, OF_BEAMS),
        (groups, OF_GROUPS),
        ({"do_sample": True}, DRAWN),
    ):
        before = search_defaults(more, PROCESSOR, False)
        for name, (value, changes) in table.items():
            found = search_defaults({**more, name: value}, PROCESSOR, False)
            assert found == before | changes != before, name
    others = {"repetition_penalty", "forced_eos_token_id", "eos_token_id"}  # in tests of their own
    others |= {"decoder_start_token_id", "force_bos_token_to_be_generated"}
    assert USED == {*CHANGED, *OF_BEAMS, *OF_GROUPS, *DRAWN, *others}


def test_keys_without_effect_have_none():
    plain = search_defaults({}, PROCESSOR, False)
    for name in WITHOUT_EFFECT:
        assert search_defaults({name: 3}, PROCESSOR, False) == plain, name


@pytest.mark.parametrize("name", sorted(NOT_DONE.keys() | NOT_DRAWN_SO.keys()))
def test_what_is_not_done_is_named_unless_it_is_off(name):
    config = {"do_sample": True, "temperature": 0.5}
    off = {**NOT_DONE, **NOT_DRAWN_SO}[name]
    for value in (None, off):
        search_defaults({**config, name: value}, PROCESSOR, False)
    said = re.escape(f"generation_config.json says {name}={SAID[name]!r}, which no search here")
    with pytest.warns(UserWarning, match=said):
        found = search_defaults({**config, name: SAID[name]}, PROCESSOR, False)
    assert found == search_defaults(config, PROCESSOR, False)
    if name in NOT_DRAWN_SO:  # which says nothing where no tokens are drawn
        search_defaults({name: SAID[name]}, PROCESSOR, False)


@pytest.mark.parametrize(
    "config, start, name",
    [
        ({"an_invention": 1}, 0, "an_invention=1"),
        ({"num_beams": 2, "do_sample": True}, 0, "do_sample=True"),
        ({"repetition_penalty": 1.5}, 0, "repetition_penalty=1.5"),
        ({"repetition_penalty": 1.5, "num_beams": 2}, END, "repetition_penalty=1.5"),
        ({"diversity_penalty": 0.5, "num_beams": 2}, 0, "diversity_penalty=0.5"),
        (
            {"exponential_decay_length_penalty": [5, 1.1]},
            0,
            "exponential_decay_length_penalty=\\[5, 1.1\\]",
        ),
        ({"forced_eos_token_id": 9}, 0, "forced_eos_token_id=9"),
        ({"forced_bos_token_id": 9}, 0, "forced_bos_token_id=9"),
        ({"an_invention": 1, "max_time": 2}, 0, "an_invention=1, max_time=2"),
    ],
)
def test_what_is_done_in_another_way_is_named(config, start, name):
    with pytest.warns(UserWarning, match=f"says {name}, which no search here does"):
        search_defaults(config, PROCESSOR, False, start)


def test_a_repetition_penalty_of_beams_is_that_of_transformers():
    options = search_defaults({"repetition_penalty": 1.5, "num_beams": 2}, PROCESSOR, False, 0)
    assert options["repetition_penalty"] == 1.5


def test_top_k_0_is_off_and_50_where_nothing_is_said():
    for written, read in ((0, None), (None, 50), (7, 7)):
        config = {"do_sample": True, "top_k": written}
        assert search_defaults(config, PROCESSOR, False)["top_k"] == read


def test_min_new_tokens_is_more_than_min_length():
    config = {"min_new_tokens": 3, "min_length": 20}
    assert search_defaults(config, PROCESSOR, False)["min_length"] == 3


@pytest.mark.parametrize("ends", [[1, 7], 7])
def test_other_ends_are_refused(ends):
    search_defaults({"eos_token_id": [1]}, PROCESSOR, False)
    with pytest.raises(CheckpointError, match="expected eos_token_id to be the one of config.json"):
        search_defaults({"eos_token_id": ends}, PROCESSOR, False)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"num_beams": 0}, "num_beams to be int of at least 1. Received: 0"),
        ({"num_beams": "3"}, "num_beams to be int of at least 1"),
        ({"num_beams": 3, "length_penalty": float("inf")}, "length_penalty to be float. Rec"),
        ({"renormalize_logits": 1}, "renormalize_logits to be bool. Received: 1"),
        ({"do_sample": True, "temperature": 0.0}, "temperature to be float above 0"),
        ({"do_sample": True, "top_p": 1.5}, "top_p to be float above 0 and at most 1"),
        ({"num_beams": 3, "num_return_sequences": 0}, "num_return_sequences to be int of at"),
        ({"min_p": 1.5}, "min_p to be float from 0 to 1"),
        ({"do_sample": True, "typical_p": 0.0}, "typical_p to be float above 0 and at most 1"),
        ({"exponential_decay_length_penalty": 1.5}, "exponential_decay_length_penalty to be a num"),
        ({"exponential_decay_length_penalty": [2, 0]}, "exponential_decay_length_penalty to be a"),
        ({"exponential_decay_length_penalty": [2]}, "exponential_decay_length_penalty to be a num"),
    ],
)
def test_a_value_that_no_search_could_have_is_refused(config, message):
    with pytest.raises(CheckpointError, match=f"generation_config.json expected {message}"):
        search_defaults(config, PROCESSOR, False)


@pytest.mark.parametrize("beams", [1, 4])
def test_groups_that_do_not_divide_the_beams_are_refused(beams):
    with pytest.raises(ValueError, match=f"num_beam_groups=3, num_beams={beams}"):
        search_defaults({"num_beams": beams, "num_beam_groups": 3}, PROCESSOR, False)


def test_cuts_that_are_off_are_no_options():
    plain = search_defaults({"do_sample": True}, PROCESSOR, False)
    off = {"min_p": 0.0, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
    assert search_defaults({"do_sample": True, **off}, PROCESSOR, False) == plain


def test_of_a_config_what_tells_how_to_generate():
    config = {"d_model": 16, "num_beams": 3, "bos_token_id": 4}
    assert generation_part(config) == {"num_beams": 3, "bos_token_id": 4}
    config["force_bos_token_to_be_generated"] = True
    assert generation_part(config)["forced_bos_token_id"] == 4


def test_the_documents_have_the_same_tables():
    text = Path("docs/pretrained.md").read_text(encoding="utf-8").split("## tokenizer_config")[0]
    for title, names in TABLES.items():
        (row,) = re.findall(rf"^\| {title} \|(.*)\|$", text, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row.split("|")[0])) == names
