"""A compiled function of TensorFlow is traced for few shapes, and nobody is blamed for it."""

import logging

import keras
import pytest

from s2s_zoo import Pipeline

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow alone traces, and warns of it"
)
TEXTS = ["ein hund rennt im garten"[: 2 * n] for n in range(1, 13)]


@pytest.fixture
def warned(monkeypatch):
    """What TensorFlow logs, a list. It warns twice of a function, so it begins to count anew."""
    from tensorflow.python.eager.polymorphic_function import polymorphic_function

    anew = polymorphic_function._FrequentTracingDetectorManager()
    monkeypatch.setattr(polymorphic_function, "_frequent_tracing_detector_manager", anew)
    records, handler = [], logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def test_texts_of_many_lengths_bring_no_warning(tiny_pipeline, warned):
    pipeline = Pipeline("translation", tiny_pipeline.model, tiny_pipeline.processor)
    for n, text in enumerate(TEXTS):
        pipeline([text] * (1 + n % 3), num_beams=1, max_length=4)
    assert warned == []
