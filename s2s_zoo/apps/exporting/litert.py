"""A LiteRT model with the whole search in it, of built-in operations alone."""

from __future__ import annotations

import json
import re
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from s2s_zoo.apps.exporting.graph_search import GraphSearch
from s2s_zoo.layers.kernels import native
from s2s_zoo.protocol import END, PAD, UNK

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search
    from s2s_zoo.pipeline.pipeline import Pipeline

CHECKED = (3, 8)  # source lengths
TOLERANCE = 1e-3  # of scores


def write_litert(pipeline: Pipeline, search: Search, directory: Path) -> None:
    """Writes the model, what whoever runs it has to know, and the vocabularies: see `export`."""
    processor, found_for = pipeline.processor, GraphSearch(pipeline, search)
    shape = pipeline.model.encoder.source_shape
    pixels = processor.reads == "image"
    spec = tf.TensorSpec([1, *shape[1:]], tf.float32 if pixels else tf.int32, "source")
    module = tf.Module()
    module.search = tf.function(lambda source: found_for(source, tf.shape(source)[1:2]), [spec])
    module.captured = found_for.captured
    with native.plain_operations():
        function = module.search.get_concrete_function()
    content = _converted(module, function)
    _check(content, function, None if pixels else processor.source_tokenizer.vocabulary_size)
    directory.mkdir()
    (directory / "model.tflite").write_bytes(content)
    about = {"task": pipeline.task, "end": END, "pad": PAD, "max_target_length": found_for.limit}
    if pixels:
        about |= {"size": list(processor.size), "resize": processor.resize}
    else:
        about["max_source_length"] = processor.max_source_length
    (directory / "search.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    processor.save_tokenizers(directory)


def _converted(module, function):
    """The bytes of a model without the operations of TensorFlow itself ("Flex")."""
    with tempfile.TemporaryDirectory() as folder:
        # Signatures have names only by way of a SavedModel.
        tf.saved_model.save(module, folder, signatures={"serving_default": function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            return converter.convert()
        except Exception as error:  # the class is private
            operations = sorted(set(re.findall(r"'(tf\.\w+)' op", str(error))))
            raise ValueError(
                f"LiteRT has nothing for {', '.join(operations) or 'what this model does'}. Use "
                "format='saved_model'."
            ) from error


def _check(content, function, vocabulary_size):
    """Runs the model on a little and compares: a conversion can go wrong without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the interpreter is also another package
        interpreter = tf.lite.Interpreter(model_content=content)
    generator, spec = np.random.default_rng(0), function.structured_input_signature[0][0]
    for length in CHECKED:
        if vocabulary_size is None:
            source = generator.integers(0, 256, spec.shape).astype("float32")
        else:
            source = generator.integers(UNK + 1, vocabulary_size, (1, length)).astype("int32")
            source[0, -1] = END
        wanted = {name: value.numpy() for name, value in function(tf.constant(source)).items()}
        try:
            found = interpreter.get_signature_runner()(source=source)
        except (RuntimeError, ValueError) as error:
            raise _wrong() from error
        same = np.array_equal(found["tokens"], wanted["tokens"])
        if not same or not np.allclose(found["scores"], wanted["scores"], atol=TOLERANCE):
            raise _wrong()


def _wrong():
    return ValueError(
        "The LiteRT model does not give what the model gives: the converter of TensorFlow cannot "
        "convert this architecture. Use format='saved_model'."
    )
