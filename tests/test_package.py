"""The package imports fast and offers its names lazily."""

import os
import platform
import subprocess
import sys

import pytest

import s2s_zoo


def test_import_loads_neither_keras_nor_tensorflow():
    code = (
        "import sys, s2s_zoo; dir(s2s_zoo); s2s_zoo.list_checkpoints(); "
        "import s2s_zoo.apps.cli.main; "
        "heavy = {'tensorflow', 'tensorflow_text', 'keras', 'sacrebleu', 'huggingface_hub'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("[]\n", 0), result.stderr


@pytest.mark.parametrize("given, expected", [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_onednn_is_asked_for_unless_somebody_has_decided(given, expected):
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("oneDNN is for x86")
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    code = "import os, s2s_zoo; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env={**environment, **given})
    assert result.stdout == f"{expected}\n", result.stderr


def test_every_public_name_resolves_and_is_listed():
    for name in s2s_zoo.__all__:
        assert getattr(s2s_zoo, name) is not None
        assert name in dir(s2s_zoo)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'beam_serach'"):
        s2s_zoo.beam_serach  # noqa: B018
