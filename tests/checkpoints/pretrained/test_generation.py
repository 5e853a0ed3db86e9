"""The defaults of a search, as files of the Hub have them."""

import json
from types import SimpleNamespace

import pytest

from s2s_zoo.checkpoints.pretrained.generation import search_defaults
from s2s_zoo.generation.options import OPTIONS, check_names

PROCESSOR = SimpleNamespace(forces_language=False, to_ours=lambda token: token + 4)


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
