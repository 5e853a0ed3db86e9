"""Encoder and decoder step as ONNX graphs, for a search of one's own in onnxruntime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from s2s_zoo.layers.kernels import native
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import CheckpointError

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search
    from s2s_zoo.pipeline.pipeline import Pipeline

OPSET = 18


def write_onnx(pipeline: Pipeline, search: Search, directory: Path) -> None:
    """Writes the two graphs, what a search has to know, and the vocabularies: see `export`."""
    import tensorflow as tf

    try:
        import tf2onnx
    except ModuleNotFoundError as error:
        raise CheckpointError(
            "ONNX needs a package: pip install 's2s-zoo[onnx]'. Received: no tf2onnx."
        ) from error
    model, limit = pipeline.model, search.max_length or pipeline.processor.max_target_length
    shape = model.encoder.source_shape
    pixels = pipeline.processor.reads == "image"
    spec = tf.TensorSpec([None, *shape[1:]], tf.float32 if pixels else tf.int32, "source")

    @tf.function(input_signature=[spec])
    def begin(source):
        memory, state = model.decoder.init(model.encode(source, training=False), limit)
        return {**_named("memory", memory), **_named("state", state)}

    with native.plain_operations():
        specs = begin.get_concrete_function().structured_outputs
        structures = {}

        def structure(source):
            structures["memory"], structures["state"] = model.decoder.init(
                model.encode(source, training=False), limit
            )

        tf.function(structure, input_signature=[spec]).get_concrete_function()

        def step(inputs):
            memory, state = (
                keras.tree.pack_sequence_as(structures[part], _flat(part, inputs))
                for part in ("memory", "state")
            )
            logits, state = model.decoder.step(inputs["tokens"], inputs["index"], state, memory)
            return {"logits": tf.cast(logits, tf.float32), **_named("next", state)}

        signature = {
            "tokens": tf.TensorSpec([None], tf.int32, "tokens"),
            "index": tf.TensorSpec([], tf.int32, "index"),
            **{
                name: tf.TensorSpec([None, *given.shape[1:]], given.dtype, name)
                for name, given in specs.items()
            },
        }
        traced = tf.function(step, input_signature=[signature])
        directory.mkdir()
        for name, function in (("encoder", begin), ("step", traced)):
            graph, _ = tf2onnx.convert.from_function(function, function.input_signature, OPSET)
            if unknown := _unknown(graph):
                raise ValueError(
                    f"The {name} of this model needs {', '.join(unknown)}, which ONNX lacks. "
                    "Use format='saved_model'."
                )
            (directory / f"{name}.onnx").write_bytes(graph.SerializeToString())
        _check(directory, begin, traced, spec)
    about = {
        "task": pipeline.task,
        "start": START,
        "end": END,
        "pad": PAD,
        "suppress": list(pipeline.generation.get("suppress_tokens", ())),
        "max_length": limit,
    }
    (directory / "search.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    pipeline.processor.save_tokenizers(directory)


def _check(directory, begin, step, spec):
    """Runs both graphs on a little and compares: a conversion can go wrong without a word."""
    import numpy as np
    import onnxruntime

    shape = (2, 5) if len(spec.shape) == 2 else (2, *spec.shape[1:])
    given = {"source": np.full(shape, END, spec.dtype.as_numpy_dtype)}
    for name, function in (("encoder", begin), ("step", step)):
        wanted = function(given["source"] if name == "encoder" else given)
        wanted = {key: value.numpy() for key, value in wanted.items()}
        try:
            session = onnxruntime.InferenceSession(directory / f"{name}.onnx")
            read = {value.name for value in session.get_inputs()}
            names = [value.name for value in session.get_outputs()]
            inputs = {key: value for key, value in given.items() if key in read}
            found = dict(zip(names, session.run(names, inputs), strict=True))
            good = all(np.allclose(found[key], wanted[key], atol=1e-3) for key in wanted)
        except Exception as error:  # onnxruntime has many kinds, of no common class
            raise _wrong(name) from error
        if not good:
            raise _wrong(name)
        given = {**wanted, "tokens": np.full(2, START, "int32"), "index": np.array(0, "int32")}


def _wrong(name):
    return ValueError(
        f"The ONNX graph of the {name} does not give what the model gives: tf2onnx cannot convert "
        "this architecture. Use format='saved_model'."
    )


def _unknown(graph):
    """Operations that were left as TensorFlow calls them: tf2onnx goes on where it knows none."""
    import onnx

    def operations(graph):
        for node in graph.node:
            yield node
            for attribute in node.attribute:
                for inner in (*attribute.graphs, attribute.g):
                    yield from operations(inner)

    names = {node.op_type for node in operations(graph.graph) if not node.domain}
    return sorted(name for name in names if not onnx.defs.has(name))


def _named(part, nest):
    return {f"{part}_{i}": value for i, value in enumerate(keras.tree.flatten(nest))}


def _flat(part, inputs):
    count = sum(name.startswith(f"{part}_") for name in inputs)
    return [inputs[f"{part}_{i}"] for i in range(count)]
