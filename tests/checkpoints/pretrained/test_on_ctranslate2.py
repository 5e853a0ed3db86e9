"""Imported checkpoints write in CTranslate2 what they write in Keras, languages and all."""

import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.generation import Generator
from s2s_zoo.generation.searcher import Searcher
from tests.checkpoints.pretrained.lines import AS_IT_IS, LINES

for package in ("ctranslate2", "torch", "transformers"):
    pytest.importorskip(package)

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = LINES[::20]


@pytest.fixture(autouse=True)
def eager(monkeypatch, tmp_path):
    """Keras compiles nothing: each search of it runs once."""

    def generator(self, strategy, settings, inputs, rows):
        return Generator(self.model, strategy, **settings, run_eagerly=True)

    monkeypatch.setattr(Searcher, "_generator", generator)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["marian-separate", "bart", "mbart", "nllb", "umt5"])
def test_texts_are_those_of_keras(name, oracle):
    directory = oracle(name).directory
    keras, engine = from_pretrained(directory), from_pretrained(directory, engine="ctranslate2")
    least = {"min_length": engine.generation.get("min_length", 0), "max_length": 16}
    beams = {"num_beams": 2, "early_stopping": True, "renormalize": True}
    least |= AS_IT_IS if keras.task == "translation" else {}
    written = []
    for options in ({"num_beams": 1}, beams):
        written.append(engine(TEXTS, **least, **options))
        assert written[-1] == keras(TEXTS, **least, **options)
    assert len({text for texts in written for text in texts}) > 3
