"""What the tests of the benchmarks share: the scripts, imported as they import each other."""

import importlib
import sys
from pathlib import Path

import keras
import pytest

from tests.conftest import SENTENCES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(monkeypatch):
    """Imports a file of benchmarks/ as its scripts do."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__main__"}
    for name in (*scripts, "benchmarks.__main__"):
        sys.modules.pop(name, None)


@pytest.fixture
def data(tmp_path):
    for split in ("train", "test_2016_flickr"):
        for language, column in (("de", 0), ("en", 1)):
            lines = "".join(pair[column] + "\n" for pair in SENTENCES)
            (tmp_path / f"{split}.{language}").write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.fixture
def ours(load):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the benchmarks measure TensorFlow")
    return load("ours")
