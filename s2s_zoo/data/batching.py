"""Training batches: pairs of similar length in a few fixed shapes, counted in tokens."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

import sys
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from s2s_zoo.data.buckets import LENGTHS, rows_of, share_out
from s2s_zoo.data.noise import Noise
from s2s_zoo.data.pairs import PairSource, read_pairs
from s2s_zoo.data.streaming import stream_batches
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.types import Config


class TokenBatches(keras.utils.PyDataset):
    """Batches of encoded pairs; order and content depend on (seed, epoch) alone.

    A batch is ({"source": (B, S), "target": (B, T)}, labels (B, T), weights (B, T)) with
    target = START y, labels = y END, and weights 1 where there is a label. Every pair is in one
    batch an epoch. Batches of one shape (S, T) all have the same number of rows: what is missing
    in the last is filled with rows of weight 0.

    Each complete iteration, by hand or by `fit`, moves on to the next epoch. Give `fit`
    `shuffle=False`, or it changes the order of the batches again. With the TensorFlow backend
    give it `as_dataset()`: Keras takes the shapes of the first two batches for those of all.

    Args:
        processor: a `TextProcessor`.
        pairs: what `read_pairs` accepts.
        batch_tokens: int, target positions in a batch, padding counted.
        shuffle: bool.
        seed: int.
        start_epoch: int, the first epoch, for training that is resumed.
        parts: int, an epoch is one of so many parts of the batches, so that training on many
            pairs is scored and kept more often; `parts` epochs make one pass over all of them,
            in which up to `parts` - 1 batches come twice.
        too_long: "drop" or "truncate", for pairs above the lengths of the processor.
        lengths: sequence of int, what S and T may be.
        max_shapes: int, how many shapes (S, T) there may be; None is 12, and 3 with JAX, where
            every one is compiled for seconds.
        sampling: float > 0, subword regularization: each epoch draws another segmentation of
            every text, with this alpha of `SentencePieceTokenizer.sample`. A draw that does not
            fit the shape of its pair gives way to the usual segmentation. None draws nothing.
        word_dropout, scheduled_sampling: see `s2s_zoo.data.noise.Noise`.
        parallel: the `s2s_zoo.distribution.Parallel` of the training: batches are filled with
            rows of weight 0 to a multiple of its devices, and its process gets its rows of each.
            None is one device.

    Attributes:
        epoch: int, the epoch of the next iteration; may be set.
        tokens: int, target tokens of an epoch, END counted; with `parts` the mean of them.
        shapes: list of (B, S, T).
        padding: float, the share of positions that hold no token.
    """

    def __init__(
        self,
        processor: Any,
        pairs: PairSource,
        batch_tokens: int = 4096,
        shuffle: bool = True,
        seed: int = 0,
        start_epoch: int = 0,
        parts: int = 1,
        too_long: Literal["drop", "truncate"] = "drop",
        lengths: Sequence[int] = LENGTHS,
        max_shapes: int | None = None,
        sampling: float | None = None,
        word_dropout: float = 0.0,
        scheduled_sampling: Config | None = None,
        parallel: Any = None,
    ) -> None:
        super().__init__()
        if word_dropout and processor.reads != "text":
            raise ValueError(
                f"word_dropout is for sources of text. Received: word_dropout={word_dropout}."
            )
        if sampling is not None and not sampling > 0:
            raise ValueError(
                f"TokenBatches expected sampling > 0, or None. Received: sampling={sampling!r}."
            )
        if parts < 1:
            raise ValueError(f"TokenBatches expected parts of at least 1. Received: {parts!r}.")
        self.processor = processor
        self.sampling = sampling
        self.seed = seed
        self.parts = parts
        self._noise = Noise(seed, word_dropout, scheduled_sampling, processor.unknown_id)
        self._texts, self._rows = _encode(processor, read_pairs(pairs), too_long)
        source_lengths, label_lengths = self._lengths()
        shapes, owners = share_out(source_lengths, label_lengths, batch_tokens, lengths, max_shapes)
        self.shapes = [(int(rows_of(shape, batch_tokens)), *shape) for shape in shapes]
        self._members = [np.flatnonzero(owners == index) for index in range(len(shapes))]
        self._filled = None if sampling else self._fill(*self._rows)
        self.shuffle = shuffle
        self.parallel = parallel
        self.epoch = start_epoch
        self._plan = None, (), ()
        self._served: set[int] = set()
        positions = sum(
            steps * rows * (source + label)
            for steps, (rows, source, label) in zip(self._steps, self.shapes, strict=True)
        )
        self.tokens = int(label_lengths.sum()) // parts
        self.padding = 1 - int(source_lengths.sum() + label_lengths.sum()) / positions

    def plan(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        """Returns the list of (bucket, row indices), one for each batch of an epoch."""
        generator = np.random.default_rng([self.seed, epoch // self.parts])
        batches = []
        for bucket, (rows, *_) in enumerate(self.shapes):
            count = len(self._members[bucket])
            order = generator.permutation(count) if self.shuffle else np.arange(count)
            order = np.append(order, np.full(-count % rows, count))
            batches += [(bucket, part) for part in order.reshape(-1, rows)]
        if self.shuffle:
            batches = [batches[index] for index in generator.permutation(len(batches))]
        first = epoch % self.parts * len(self)
        return [batches[index % len(batches)] for index in range(first, first + len(self))]

    @property
    def num_batches(self) -> int:
        return -(-sum(self._steps) // self.parts)

    def __len__(self):
        return self.num_batches

    @property
    def _steps(self):
        """Batches of each shape in an epoch."""
        members = zip(self._members, self.shapes, strict=True)
        return [-(-len(pairs) // rows) for pairs, (rows, *_) in members]

    def __getitem__(self, index):
        if self._plan[0] != self.epoch:
            self._plan = self.epoch, self.plan(self.epoch), self._buckets(self.epoch)
        self._served.add(index)
        return self._noisy(self._plan[2], *self._plan[1][index], self.epoch, index)

    def __iter__(self):
        epoch = self.epoch
        plan, buckets = self.plan(epoch), self._buckets(epoch)
        for index, batch in enumerate(plan):
            # Before the last batch is out: who stops there never comes back here.
            if index == len(plan) - 1:
                self.epoch = epoch + 1
            yield self._noisy(buckets, *batch, epoch, index)

    def on_epoch_begin(self) -> None:
        self._served.clear()

    def on_epoch_end(self) -> None:
        # `fit` also calls this after looking at a batch or two to build the model.
        if len(self._served) == len(self):
            self.epoch += 1
        self._served.clear()

    def as_dataset(self) -> Any:
        """Returns the same batches as a `tf.data.Dataset`, each iteration being an epoch.

        Not by `from_generator`: that makes TensorFlow tell malloc to return freed memory to the
        kernel at once, and a training step on a CPU then takes half as long again.
        """
        import tensorflow as tf

        iterators: list[Any] = []

        def next_batch(index):
            if index == 0:
                iterators[:] = [iter(self)]
            return keras.tree.flatten(next(iterators[0]))

        example = self[0]
        first = keras.tree.flatten(example)

        def load(index):
            tensors = tf.numpy_function(next_batch, [index], [array.dtype for array in first])
            for tensor, array in zip(tensors, first, strict=True):
                tensor.set_shape((None, None, *array.shape[2:]))
            return keras.tree.pack_sequence_as(example, tensors)

        # Looking at one batch must not run through to the last, where the next epoch begins.
        dataset = tf.data.Dataset.range(len(self)).map(load)
        dataset = dataset.prefetch(max(0, min(2, len(self) - 2)))
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        # There is nothing to tune, and the end of an epoch would wait for the thread that does.
        options.autotune.enabled = False
        dataset = dataset.with_options(options)
        dataset.tokens = self.tokens
        return dataset

    def _lengths(self):
        """How long the sources and the labels are, and one draw of them, so that most draws fit."""
        lengths = [[len(row) for row in rows] for rows in self._rows]
        if self.sampling is None:
            return [np.array(side) for side in lengths]
        drawn = [[len(row) for row in rows] for rows in self._draw(0)]
        limits = self.processor.max_source_length, self.processor.max_target_length
        return [
            np.minimum(np.maximum(*sides), limit)
            for *sides, limit in zip(lengths, drawn, limits, strict=True)
        ]

    def _draw(self, epoch):
        """The sources and the labels in a segmentation of this epoch, of any length."""
        sources, targets = self._texts
        draws = [(self.sampling, [self.seed, epoch, side]) for side in (0, 1)]
        return [
            self.processor.encode_source(sources, truncate=False, sampling=draws[0]),
            self.processor.encode_target(
                targets, truncate=False, sampling=draws[1], sources=sources
            ),
        ]

    def _buckets(self, epoch):
        """For each shape the ids of its sources and labels in this epoch."""
        return self._filled or self._fill(*self._draw(epoch))

    def _fill(self, sources, labels):
        def padded(rows, usual, members, length, filler):
            fitting = [rows[m] if len(rows[m]) <= length else usual[m] for m in members]
            return self.processor.pad([*fitting, filler], length)

        return [
            (  # the last row fills batches: no text, no labels
                padded(sources, self._rows[0], members, source_length, [END]),
                padded(labels, self._rows[1], members, label_length, []),
            )
            for members, (_, source_length, label_length) in zip(
                self._members, self.shapes, strict=True
            )
        ]

    def _noisy(self, buckets, bucket, rows, epoch, index):
        batch = self._noise(self._batch(buckets, bucket, rows), epoch * len(self) + index)
        if self.parallel is None:
            return batch
        inputs, labels, weights = batch
        count = len(labels) + -len(labels) % self.parallel.devices
        weights = np.pad(weights, [(0, count - len(weights)), (0, 0)])
        share = np.array_split(np.arange(count), self.parallel.processes)[self.parallel.process]
        rows = share % len(labels)
        return {name: array[rows] for name, array in inputs.items()}, labels[rows], weights[share]

    def _batch(self, buckets, bucket, rows):
        source, labels = (array[rows] for array in buckets[bucket])
        target = np.empty_like(labels)
        target[:, 0] = START
        target[:, 1:] = np.where(labels[:, :-1] == END, PAD, labels[:, :-1])
        return {"source": source, "target": target}, labels, (labels != PAD).astype("float32")


def batches(
    processor: Any,
    pairs: PairSource,
    batch_tokens: int = 4096,
    shuffle: bool = True,
    seed: int = 0,
    **options: Any,
) -> Any:
    """Returns training batches for `model.fit`.

    Args:
        processor: a `TextProcessor`, an `ImageProcessor` for `CaptionBatches`, or an
            `AudioProcessor` for `AudioBatches`.
        pairs: what `read_pairs` accepts; or, for data too large for memory, a `tf.data.Dataset`
            of (source, target) strings, such as `stream_pairs` reads from files.
        batch_tokens: int, target positions in a batch, padding counted.
        shuffle: bool, in an order that depends on the seed and the epoch.
        seed: int.
        **options: further arguments of `TokenBatches`, or of `stream_batches`.

    Returns:
        A `tf.data.Dataset` with the TensorFlow backend, otherwise the `TokenBatches`: the same
        batches in the same order, for one number of `max_shapes`. `len` of either is the number of
        steps in an epoch. The length of a stream is not known.
    """
    tf = sys.modules.get("tensorflow")
    if tf and isinstance(pairs, tf.data.Dataset) and isinstance(pairs.element_spec, tuple):
        return stream_batches(processor, pairs, batch_tokens, shuffle, seed, **options)
    made = processor.training_batches(
        pairs, batch_tokens=batch_tokens, shuffle=shuffle, seed=seed, **options
    )
    return made.as_dataset() if keras.backend.backend() == "tensorflow" else made


def _encode(processor, pairs, too_long):
    """Returns all (sources, labels) as text and as ids, without the pairs that are too long."""
    if too_long not in ("drop", "truncate"):
        raise ValueError(
            f"TokenBatches expected too_long='drop' or 'truncate'. Received: {too_long!r}."
        )
    truncate = too_long == "truncate"
    texts, targets = processor.protected(*zip(*pairs, strict=True))
    pairs = list(zip(texts, targets, strict=True))
    sources = processor.encode_source(list(texts), truncate=truncate)
    labels = processor.encode_target(list(targets), truncate=truncate, sources=texts)
    kept = [
        (pair, (source, label))
        for pair, source, label in zip(pairs, sources, labels, strict=True)
        if len(source) <= processor.max_source_length and len(label) <= processor.max_target_length
    ]
    limits = f"{processor.max_source_length} source or {processor.max_target_length} target tokens"
    if not kept:
        raise DataError(
            f"All {len(pairs)} pairs are longer than {limits}. Raise max_source_length and "
            "max_target_length, or split the texts."
        )
    if len(kept) < len(pairs):
        warnings.warn(
            f"Dropped {len(pairs) - len(kept)} of {len(pairs)} pairs: longer than {limits}. "
            "too_long='truncate' keeps and cuts them.",
            stacklevel=3,
        )
    texts, rows = zip(*kept, strict=True)
    return tuple(zip(*texts, strict=True)), tuple(zip(*rows, strict=True))
