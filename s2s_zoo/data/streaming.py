"""Training batches of data too large for memory, made inside the graph by tensorflow-text."""

import warnings
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from s2s_zoo.data.buckets import LENGTHS, choose_shapes, rows_of
from s2s_zoo.data.columns import Columns
from s2s_zoo.data.pairs import PairSource, iterate_pairs
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import DataError

CHUNK = 1024


def stream_pairs(data: PairSource, swap: bool = False, columns: Columns | None = None) -> Any:
    """Reads pairs from disk while they are used.

    Args:
        data: what `read_pairs` takes and can be read again for each epoch, such as a path.
        swap: bool, exchange source and target.
        columns: as for `read_pairs`.

    Returns:
        `tf.data.Dataset` of (source, target) strings. A line that cannot be used stops the
        iteration with an error that names it.
    """
    import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip
    import tensorflow as tf

    def chunks():
        pairs = iterate_pairs(data, swap, columns)
        while chunk := list(islice(pairs, CHUNK)):
            yield tuple(map(list, zip(*chunk, strict=True)))

    texts = tf.TensorSpec((None,), tf.string)
    return tf.data.Dataset.from_generator(chunks, output_signature=(texts, texts)).unbatch()


def stream_batches(
    processor: Any,
    pairs: Any,
    batch_tokens: int = 4096,
    shuffle: bool = True,
    seed: int = 0,
    buffer_size: int = 10_000,
    lengths: Sequence[int] = LENGTHS,
    max_shapes: int | None = None,
) -> Any:
    """Batches of a stream: those of `TokenBatches`, put together as the pairs come.

    The first `buffer_size` pairs decide on the shapes (one more holds the longest pair allowed).
    Blank pairs and pairs above the lengths of the processor are dropped.

    Args:
        processor: a `TextProcessor`.
        pairs: `tf.data.Dataset` of (source, target) strings.
        batch_tokens: int, target positions in a batch, padding counted.
        shuffle: bool, draw from a buffer of `buffer_size` pairs, in another order each epoch.
        seed: int.
        buffer_size: int, in pairs.
        lengths: sequence of int, what S and T may be.
        max_shapes: int, how many shapes (S, T) the first pairs may ask for; None as for
            `TokenBatches`.

    Returns:
        `tf.data.Dataset` of ({"source", "target"}, labels, weights), of unknown length.

    Raises:
        DataError: if no pair among the first can be used.
    """
    import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip
    import tensorflow as tf

    pairs = _as_read(processor, pairs)
    source_tokenizer = processor.source_tokenizer.as_tensorflow()
    target_tokenizer = processor.target_tokenizer.as_tensorflow()
    limits = processor.max_source_length, processor.max_target_length

    def encode(source, target):
        rows = source_tokenizer.tokenize(source), target_tokenizer.tokenize(target)
        return tuple(tf.concat([row, [END]], 0) for row in rows)

    def is_usable(source, labels):
        sizes = tf.stack([tf.size(source), tf.size(labels)])
        return tf.reduce_all((sizes > 1) & (sizes <= limits))

    head = pairs.take(buffer_size).map(encode, tf.data.AUTOTUNE)
    sizes = np.array([(len(s), len(t)) for s, t in head.as_numpy_iterator()]).reshape(-1, 2)
    usable = sizes[((sizes > 1) & (sizes <= limits)).all(axis=1)]
    if not len(usable):
        raise DataError(
            f"None of the first {len(sizes)} pairs of the stream can be used: blank, or longer "
            f"than {limits[0]} source or {limits[1]} target tokens. Check the files, or raise "
            "max_source_length and max_target_length."
        )
    if long := int((sizes > limits).any(axis=1).sum()):
        warnings.warn(
            f"{long} of the first {len(sizes)} pairs of the stream are longer than {limits[0]} "
            f"source or {limits[1]} target tokens: such pairs are dropped.",
            stacklevel=2,
        )
    chosen = choose_shapes(usable[:, 0], usable[:, 1], batch_tokens, lengths, max_shapes)
    chosen = [*chosen, limits] if limits not in chosen else chosen
    shapes = tf.constant(chosen, tf.int64)
    rows_by_shape = tf.constant([rows_of(shape, batch_tokens) for shape in chosen], tf.int64)
    # What fills the last batch of a shape: no text, no labels.
    filler = tf.data.Dataset.from_tensors((tf.constant([END]), tf.constant([], tf.int32)))

    def shape_index(source, labels):
        sizes = tf.stack([tf.size(source, tf.int64), tf.size(labels, tf.int64)])
        return tf.argmax(tf.reduce_all(sizes <= shapes, axis=1))

    def to_batch(index, window):
        rows, (source_length, target_length) = rows_by_shape[index], tf.unstack(shapes[index])
        filled = window.concatenate(filler.repeat()).take(rows)
        return filled.padded_batch(rows, ([source_length], [target_length]), (PAD, PAD))

    def finish(source, labels):
        start = tf.fill([tf.shape(labels)[0], 1], START)
        shifted = tf.where(labels == END, PAD, labels)[:, :-1]
        target = tf.concat([start, shifted], 1)
        return {"source": source, "target": target}, labels, tf.cast(labels != PAD, tf.float32)

    if shuffle:
        pairs = pairs.shuffle(buffer_size, seed=seed)
    return (
        pairs.map(encode, tf.data.AUTOTUNE)
        .filter(is_usable)
        .group_by_window(shape_index, to_batch, window_size_func=rows_by_shape.__getitem__)
        .map(finish, tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def _as_read(processor: Any, pairs: Any) -> Any:
    """Pairs in their normal form and with their symbols, where the processor has such."""
    if not processor.prepares:
        return pairs
    import tensorflow as tf

    def read(*sides):
        texts = [[text.decode("utf-8") for text in side] for side in sides]
        return [np.array([x.encode() for x in side], object) for side in processor.as_read(*texts)]

    def chunk(source, target):
        sides = tf.numpy_function(read, [source, target], [tf.string, tf.string])
        return tuple(tf.ensure_shape(side, [None]) for side in sides)

    return pairs.batch(CHUNK).map(chunk, tf.data.AUTOTUNE).unbatch()
