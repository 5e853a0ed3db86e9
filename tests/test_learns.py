"""The whole of layers, loss, fit and search learns a task in seconds."""

import keras
import numpy as np
import pytest

from s2s_zoo.generation import Generator
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.training.losses import SmoothedCrossEntropy

LENGTH, FIRST_DIGIT, VOCABULARY = 6, 4, 14


def digits(count, seed, reverse):
    """Sources of 2 to 6 digits then END, and labels: the same digits or the reversed ones."""
    rng = np.random.default_rng(seed)
    source = np.full((count, LENGTH + 1), PAD, "int32")
    labels = np.full((count, LENGTH + 1), PAD, "int32")
    for row in range(count):
        text = rng.integers(FIRST_DIGIT, VOCABULARY, rng.integers(2, LENGTH + 1))
        source[row, : len(text) + 1] = [*text, END]
        labels[row, : len(text) + 1] = [*(text[::-1] if reverse else text), END]
    target = np.concatenate([np.full((count, 1), START, "int32"), labels[:, :-1]], axis=1)
    return {"source": source, "target": np.where(target == END, PAD, target)}, labels


# Five digits are no part of the vocabulary: a pointer alone can write them.
POINTER = {"pointer": True, "extra_ids": 5}


@pytest.mark.learns
@pytest.mark.parametrize(
    ("reverse", "decoder"),
    [
        (False, {"attention": {"name": "luong", "scaled": True}}),
        (True, {"attention": {"name": "bahdanau", "units": 32}, "query": "previous"}),
        (False, {"attention": {"name": "luong", "scaled": True}, **POINTER}),
    ],
    ids=["copy-luong", "reverse-bahdanau", "copy-unknown-pointer"],
)
def test_learns_to_copy_and_to_reverse(reverse, decoder):
    keras.utils.set_random_seed(1)
    known = VOCABULARY - decoder.get("extra_ids", 0)
    size = {"vocabulary_size": known, "embedding_dim": 32}
    model = Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 32, **size},
            "decoder": {"name": "recurrent", "units": 64, **decoder, **size},
        }
    )
    # At a constant rate the accuracy still jumps by points from one step to the next.
    rate = keras.optimizers.schedules.CosineDecay(5e-3, decay_steps=6 * 100)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=SmoothedCrossEntropy())
    inputs, labels = digits(64 * 100, seed=0, reverse=reverse)
    model.fit(
        inputs,
        labels,
        sample_weight=(labels != PAD).astype("float32"),
        batch_size=64,
        epochs=6,
        verbose=0,
    )
    inputs, labels = digits(500, seed=1, reverse=reverse)
    search = Generator(model, "greedy", max_length=LENGTH + 1)
    found = search.generate(inputs["source"]).tokens[:, 0]
    accuracy = np.mean((found == labels).all(axis=1))
    assert accuracy >= 0.99
