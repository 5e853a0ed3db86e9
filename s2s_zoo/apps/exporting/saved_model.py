"""A TensorFlow SavedModel with everything in its graph: files or text in, text out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from s2s_zoo.apps.exporting.graph_search import GraphSearch
from s2s_zoo.protocol import END, PAD

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search
    from s2s_zoo.pipeline.pipeline import Pipeline


def write_saved_model(pipeline: Pipeline, search: Search, directory: Path) -> None:
    """Writes the SavedModel: see `export`."""
    processor = pipeline.processor
    reader, pieces = READERS[processor.reads](processor), _Pieces(processor.target_tokenizer)
    found_for = GraphSearch(pipeline, search)

    def serve(given):
        source, lengths = reader.read(given)
        found = found_for(source, lengths)
        real = reader.real(lengths)
        tokens = tf.where(real[:, None, None], found["tokens"], PAD)
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(tokens != PAD, tf.int32), axis=-1))
        tokens = tokens[:, :, :longest]
        answers = {
            "texts": pieces.texts(tokens),
            "scores": tf.where(real[:, None], found["scores"], 0.0),
            "target_tokens": pieces(tokens),
            **reader.names(source, real),
        }
        if "alignments" in found:
            alignments = found["alignments"][:, :, :longest]
            answers["alignments"] = tf.where(real[:, None, None, None], alignments, 0.0)
        return answers

    module = tf.Module()
    module.serve = tf.function(serve, [tf.TensorSpec([None], tf.string, reader.name)])
    module.resources = [pieces.tokenizer, getattr(reader, "tokenizer", None)]
    module.captured = found_for.captured
    tf.saved_model.save(
        module,
        str(directory),
        signatures={"serving_default": module.serve.get_concrete_function()},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )


class _Pieces:
    """The units behind ids, "" where none is, and the texts of them."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer.as_tensorflow()

    def __call__(self, ids):
        return tf.where(ids == PAD, "", self.tokenizer.id_to_string(ids))

    def texts(self, tokens):
        """Returns (B, K) string of (B, K, T)."""
        flat = tf.reshape(tokens, (-1, tf.shape(tokens)[-1]))
        written = tf.ragged.boolean_mask(flat, tf.logical_and(flat != PAD, flat != END))
        return tf.reshape(self.tokenizer.detokenize(written), tf.shape(tokens)[:-1])


class _Texts:
    """What the signature makes of texts (B,) string."""

    name = "texts"

    def __init__(self, processor):
        self.pieces = _Pieces(processor.source_tokenizer)
        self.tokenizer = self.pieces.tokenizer
        self.longest = processor.max_source_length

    def read(self, texts):
        """Returns ids (B, S) and their number (B,), END counted."""
        same = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="ignore") == texts
        message = ["Expected UTF-8. Received other bytes as texts:", tf.where(~same)[:, 0]]
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(same), message)]):
            texts = tf.identity(texts)
        rows = self.tokenizer.tokenize(texts)[:, : self.longest - 1]
        source = tf.concat([rows, tf.fill([tf.shape(texts)[0], 1], END)], axis=1)
        return source.to_tensor(PAD), tf.cast(rows.row_lengths(), tf.int32) + 1

    def real(self, lengths):
        """Which are not blank, (B,) bool."""
        return lengths > 1

    def names(self, source, real):
        return {"source_tokens": self.pieces(tf.where(real[:, None], source, PAD))}


class _Images:
    """What the signature makes of files (B,) string."""

    name = "images"

    def __init__(self, processor):
        self.size, self.resize = processor.size, processor.resize

    def read(self, files):
        """Returns pixels (B, H, W, 3) uint8, and H for each."""
        from s2s_zoo.data.images_in_graph import read_pixels

        pixels = tf.map_fn(
            lambda data: read_pixels(data, self.size, self.resize),
            files,
            fn_output_signature=tf.TensorSpec((*self.size, 3), tf.uint8),
        )
        return pixels, tf.fill([tf.shape(files)[0]], self.size[0])

    def real(self, lengths):
        return tf.ones_like(lengths, tf.bool)

    def names(self, source, real):
        return {}


READERS: dict[str, Any] = {"text": _Texts, "image": _Images}
