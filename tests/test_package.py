"""The package imports fast and offers its names lazily."""

import subprocess
import sys

import pytest

import s2s_zoo


def test_import_loads_neither_keras_nor_tensorflow():
    code = (
        "import sys, s2s_zoo; dir(s2s_zoo); s2s_zoo.list_checkpoints(); "
        "import s2s_zoo.cli; "
        "heavy = {'tensorflow', 'tensorflow_text', 'keras', 'sacrebleu', 'huggingface_hub'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("[]\n", 0), result.stderr


def test_every_public_name_resolves_and_is_listed():
    for name in s2s_zoo.__all__:
        assert getattr(s2s_zoo, name) is not None
        assert name in dir(s2s_zoo)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'beam_serach'"):
        s2s_zoo.beam_serach  # noqa: B018
