"""Files that an earlier version wrote load, and answer as they did then.

`golden/` was written when every module stood at the root of the package: the `.keras` file names
"s2s_zoo.model" as the place of its class.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import s2s_zoo

GOLDEN = Path(__file__).parent / "golden"
TEXTS = ["ein hund rennt", "die frau trinkt wasser"]


@pytest.fixture(scope="module")
def expected():
    return json.loads((GOLDEN / "expected.json").read_text())


def last_logits(model, expected):
    inputs = {name: np.array(expected[name], "int32") for name in ("source", "target")}
    return keras.ops.convert_to_numpy(model(inputs))[:, -1]


def test_checkpoint_directory(expected):
    pipeline = s2s_zoo.from_pretrained(GOLDEN / "checkpoint", dtype="float32")
    np.testing.assert_allclose(last_logits(pipeline.model, expected), expected["logits"], atol=1e-4)
    answers = pipeline(TEXTS, return_scores=True)
    assert [answer.text for answer in answers] == expected["text"]
    np.testing.assert_allclose([x.score for x in answers], expected["scores"], atol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning:keras")  # that `compile` is not Keras' own
def test_keras_file(expected):
    assert s2s_zoo.Seq2Seq  # which registers the classes
    model = keras.models.load_model(GOLDEN / "model.keras")
    assert type(model) is s2s_zoo.Seq2Seq
    np.testing.assert_allclose(last_logits(model, expected), expected["logits"], atol=1e-4)
