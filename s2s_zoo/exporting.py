"""Pipelines as files that run without this package."""

import os
import tempfile
from pathlib import Path

from s2s_zoo.errors import CheckpointError
from s2s_zoo.exporting_onnx import write_onnx
from s2s_zoo.generation import Generator
from s2s_zoo.pipeline import LONGEST_TARGET
from s2s_zoo.protocol import END, PAD
from s2s_zoo.registry import lookup


def export(pipeline, directory, format="saved_model", return_alignment=True, **options):
    """Writes a pipeline so that it runs without this package.

    "saved_model" is a TensorFlow SavedModel with the tokenizers and the whole search in its
    graph. Whatever loads it needs `tensorflow` and has to `import tensorflow_text`, which brings
    the tokenizer's operations. Its signature "serving_default" takes

        texts: (B,) string, UTF-8

    and returns, best answer first, K of them for each text (1 unless `num_return` is more),

        texts: (B, K) string; a blank text gives ""
        scores: (B, K) float32, as the search defines them
        source_tokens: (B, S), target_tokens: (B, K, T) string, the units, "" where none is
        alignments: (B, K, T, S) float32, only with `return_alignment`

    "onnx" has no search in it: a folder with

        encoder.onnx: "source", (B, S) int32 ids, or (B, H, W, 3) float32 pixels, to "memory_0", …
            and "state_0", …
        step.onnx: these, "tokens" (B,) int32 and "index" () int32, to "logits" (B, V) float32 and
            "next_0", …, the states of the next step
        search.json: the ids that begin, end, pad and are not to be written, and the longest target
        source.model, target.model: SentencePiece models, where text is read and written

    `recipes/onnx/greedy.py` is a search over it. Both graphs are run once and compared before they
    are given out: recurrent models pass, Transformers do not (tf2onnx 1.17). Needs
    `pip install 's2s-zoo[onnx]'`.

    Args:
        pipeline: a `Pipeline` whose tokenizers are SentencePiece models.
        directory: str or path, absent or empty.
        format: "saved_model" or "onnx".
        return_alignment: bool; without it long texts take less memory.
        **options: as in a call of the pipeline, now fixed: `num_beams`, `max_length`, …

    Raises:
        ValueError: for an unknown format or option, a pipeline that does not read text or has
            tokenizers that cannot run in a graph, and a model that ONNX cannot hold.
        CheckpointError: if the directory holds something, or cannot be written.
    """
    write = lookup(FORMATS, format, "export format")
    if format == "onnx" and options:
        raise ValueError(
            f"ONNX graphs have no search in them. Received: {', '.join(options)}. Leave it out."
        )
    if format != "onnx" and not hasattr(pipeline.processor, "source_tokenizer"):
        raise ValueError(
            f"export expected a pipeline that reads text. Received: task={pipeline.task!r}. "
            "Call the pipeline itself."
        )
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
    search = pipeline._search(True, return_alignment, options, pipeline.processor)
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
    import tensorflow as tf

    processor = pipeline.processor
    tokenizers = {
        side: getattr(processor, f"{side}_tokenizer").as_tensorflow()
        for side in ("source", "target")
    }
    limit = search.max_length or processor.max_target_length
    generator = Generator(pipeline.model, search.strategy, limit, **dict(search.options))

    def pieces(side, ids):
        return tf.where(ids == PAD, "", tokenizers[side].id_to_string(ids))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "texts")])
    def serve(texts):
        rows = tokenizers["source"].tokenize(texts)[:, : processor.max_source_length - 1]
        ends = tf.fill([tf.shape(texts)[0], 1], END)
        source = tf.concat([rows, ends], axis=1).to_tensor(PAD)
        inputs = {"source": source}
        if search.max_length is None:
            lengths = tf.cast(rows.row_lengths(), tf.int32) + 1
            longest = LONGEST_TARGET[pipeline.task](lengths)
            inputs["max_lengths"] = tf.minimum(longest, limit)
        if search.prefix is not None:
            inputs["forced_prefix"] = tf.tile(search.prefix[None], [tf.shape(texts)[0], 1])
        found = generator.call(inputs)
        blank = tf.reshape(rows.row_lengths() == 0, (-1, 1, 1))
        tokens = tf.where(blank, PAD, found["tokens"])
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(tokens != PAD, tf.int32), axis=-1))
        tokens = tokens[:, :, :longest]
        flat = tf.reshape(tokens, (-1, tf.shape(tokens)[-1]))
        written = tf.ragged.boolean_mask(flat, tf.logical_and(flat != PAD, flat != END))
        answers = {
            "texts": tf.reshape(tokenizers["target"].detokenize(written), tf.shape(tokens)[:-1]),
            "scores": found["scores"],
            "source_tokens": pieces("source", source),
            "target_tokens": pieces("target", tokens),
        }
        if "alignments" in found:
            answers["alignments"] = found["alignments"][:, :, :longest]
        return answers

    module = tf.Module()
    module.serve = serve
    module.resources = list(tokenizers.values())
    # What a function captures is saved only if the module holds it.
    module.captured = [variable.value for variable in generator.variables]
    tf.saved_model.save(
        module,
        str(directory),
        signatures={"serving_default": serve.get_concrete_function()},
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )


FORMATS = {"saved_model": _saved_model, "onnx": write_onnx}
