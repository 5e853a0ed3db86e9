"""Pipelines as files that run without this package."""

from __future__ import annotations

import functools
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from s2s_zoo.apps.exporting.onnx import write_onnx
from s2s_zoo.pipeline.on_ctranslate2 import completed
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline


def export(
    pipeline: Pipeline,
    directory: StrPath,
    format: Literal["saved_model", "onnx", "litert", "ctranslate2"] = "saved_model",
    return_alignment: bool = True,
    quantization: str | None = None,
    **options: Any,
) -> None:
    """Writes a pipeline so that it runs without this package.

    "saved_model" is a TensorFlow SavedModel with the tokenizers and the whole search in its
    graph. Whatever loads it needs `tensorflow` and has to `import tensorflow_text`, which brings
    the tokenizer's operations. Its signature "serving_default" takes one of

        texts: (B,) string, UTF-8
        images: (B,) string, JPEG or PNG files: see `data.images_in_graph.read_pixels`

    and returns, best answer first, K of them for each source (1 unless `num_return` is more),

        texts: (B, K) string; a blank text gives ""
        scores: (B, K) float32, as the search defines them; of a blank text 0
        source_tokens: (B, S), of texts alone, target_tokens: (B, K, T) string, the units, ""
            where none is
        alignments: (B, K, T, S) float32, only with `return_alignment`; S may be regions

    TensorFlow Serving takes a folder that has it as the sub-folder "1".

    "onnx" has no search in it: a folder with

        encoder.onnx: "source", (B, S) int32 ids, or (B, H, W, 3) float32 pixels, to "memory_0", …
            and "state_0", …
        step.onnx: these, "tokens" (B,) int32 and "index" () int32, to "logits" (B, V) float32 and
            "next_0", …, the states of the next step
        search.json: the ids that begin, end, pad and are not to be written, and the longest target
        source.model, target.model: SentencePiece models, where text is read and written; of an
            imported checkpoint the files of its tokenizer, and source.json and target.json, the
            piece of each id

    `recipes/onnx/greedy.py` is a search over it. Both graphs are run once and compared before they
    are given out: recurrent models pass, Transformers do not (tf2onnx 1.17). Needs
    `pip install 's2s-zoo[onnx]'`.

    "litert" is for phones and other devices, with the whole search in it, one source at a time:

        model.tflite: signature "serving_default", of "source", (1, S) int32 ids ending in END, or
            (1, H, W, 3) float32 pixels, to "tokens" (1, K, T) int32, PAD behind END, "scores"
            (1, K) float32 and, with `return_alignment`, "alignments" (1, K, T, S)
        search.json: the ids that end and pad, and the longest source and target, or the size of
            the images and how they are brought to it
        source.model, target.model: as above

    It needs the built-in operations of LiteRT alone, no "Flex". `recipes/litert/run.py` runs it.
    It is run and compared before it is given out, and refused where it differs. What has no
    counterpart (TensorFlow 2.21): sampling (`tf.StatelessRandomUniformV2`), and in recurrent
    models a batch of any size (`tf.TensorListReserve` "requires element_shape to be static").

    "ctranslate2" is for the engine of that name, which serves Transformers fast on CPUs: a folder
    that `ctranslate2.Translator` opens, with

        model.bin, config.json, source_vocabulary.json, target_vocabulary.json or, where they are
            the same, shared_vocabulary.json: the model. END behind a source is put there by
            CTranslate2, but of an imported checkpoint by its tokenizer
        search.json: "translate_batch", its options for the search of this pipeline, and
            "target_prefix"
        source.model, target.model: as above

    It needs `pip install 's2s-zoo[ctranslate2]'`, and no torch. `from_pretrained(…,
    engine="ctranslate2")` is the same with the whole pipeline around it.

    None of them parts texts into sentences, puts what must not change behind symbols and back, or
    brings texts to their normal form: a warning says so where the model was trained with that.

    Args:
        pipeline: a `Pipeline`. The tokenizers of imported checkpoints cannot run in the graph of
            a SavedModel.
        directory: str or path, absent or empty.
        format: "saved_model", "onnx", "litert" or "ctranslate2".
        return_alignment: bool; without it long texts take less memory.
        quantization: str, of "ctranslate2" alone: "int8", "int8_float32", "int8_float16",
            "int8_bfloat16", "int16", "float16" or "bfloat16"; None is "float32".
        **options: as in a call of the pipeline, now fixed: `num_beams`, `max_length`, …

    Raises:
        ValueError: for an unknown format or option, tokenizers that cannot run in a graph, a model
            that the format cannot hold, and a search that CTranslate2 does not do.
        CheckpointError: if the directory holds something, or cannot be written.
    """
    write: Callable[..., None] = lookup(FORMATS, format, "export format")
    if pipeline.processor.reads == "audio":
        raise ValueError(
            f"export expected a model that reads text or images. Received: one of {pipeline.task}, "
            "which reads audio. Use it with this package."
        )
    if format == "onnx" and options:
        raise ValueError(
            f"ONNX graphs have no search in them. Received: {', '.join(options)}. Leave it out."
        )
    if quantization is not None:
        if format != "ctranslate2":
            raise ValueError(
                "quantization belongs to format='ctranslate2'. Received: "
                f"{quantization!r} with format={format!r}. Leave it out."
            )
        write = functools.partial(write, quantization=quantization)
    directory = Path(directory).resolve()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CheckpointError(
            f"{directory} exists and is not empty. Give a directory that does not exist yet: "
            "nothing is replaced."
        )
    if options.get("shortlist"):
        raise ValueError(
            "An exported search is over the whole vocabulary. Received: shortlist=True. Leave it "
            "out."
        )
    if format == "ctranslate2":
        options = completed(options, pipeline.generation)
    search = pipeline.plan(options, True, return_alignment)
    if pipeline.processor.prepares:
        warnings.warn(
            "The export reads one sentence at a time, as it is: it neither parts texts nor brings "
            "them to their normal form, and what must not change is the business of the model. "
            "Do that before and after, with s2s_zoo.data.text.",
            stacklevel=2,
        )
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".export-") as folder:
            write(pipeline, search, Path(folder) / "model")
            os.replace(Path(folder) / "model", directory)
    except OSError as error:
        raise CheckpointError(
            f"The model could not be exported to {directory}: {error.strerror or error}. Make "
            "room or choose another directory."
        ) from error


def _saved_model(pipeline, search, directory):
    from s2s_zoo.apps.exporting.saved_model import write_saved_model

    write_saved_model(pipeline, search, directory)


def _litert(pipeline, search, directory):
    from s2s_zoo.apps.exporting.litert import write_litert

    write_litert(pipeline, search, directory)


def _ctranslate2(pipeline, search, directory, quantization=None):
    from s2s_zoo.apps.exporting.ctranslate2 import write_ctranslate2

    write_ctranslate2(pipeline, search, directory, quantization)


FORMATS = {
    "saved_model": _saved_model,
    "onnx": write_onnx,
    "litert": _litert,
    "ctranslate2": _ctranslate2,
}
