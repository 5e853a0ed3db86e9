import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import STRATEGIES, Generator
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol import END, PAD, START, EncoderOutput
from s2s_zoo.training.losses import SmoothedCrossEntropy
from tests.generation.toy import RULES, Toy, texts

LENGTH = 6
OPTIONS = {
    "greedy": {},
    "beam": {"num_beams": 3, "num_return": 2},
    "sample": {"seed": 4, "num_return": 2, "top_p": 0.9},
}


class ToyDecoder:
    def __init__(self, toy):
        self.toy, self.step = toy, toy.step

    def init(self, encoded, max_length):
        batch_size = ops.shape(encoded.memory)[0]
        state = {
            "cells": [ops.zeros((batch_size, self.toy.recurrent.shape[0]))],
            "alignment": ops.zeros_like(encoded.mask, dtype="float32"),
        }
        return {"keys": encoded.memory, "mask": encoded.mask, "biases": encoded.state}, state


class ToyModel(keras.Model):
    """The toy as a model: its sources are row numbers (B, 1). It counts how often it is traced."""

    def __init__(self, toy):
        super().__init__()
        self.toy, self.decoder, self.traces = toy, ToyDecoder(toy), 0
        self.built = True

    def encode(self, source, training=False):
        self.traces += 1
        rows = source[:, 0]
        keys = ops.take(self.toy.keys, rows, axis=0)
        biases = ops.take(self.toy.biases, rows, axis=0)
        return EncoderOutput(keys, ops.take(self.toy.mask, rows, axis=0), biases)


def sources(*rows):
    return np.array(rows, "int32")[:, None]


def small_model():
    keras.utils.set_random_seed(2)
    size = {"vocabulary_size": 12, "embedding_dim": 5}
    return Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 4, **size},
            "decoder": {"name": "recurrent", "units": 8, "attention": "luong", **size},
        }
    )


SOURCE = np.array([[4, 5, 6, END], [7, 8, END, PAD], [9, END, PAD, PAD]], "int32")


CUTS = {"min_p": 0.03, "typical_p": 0.95, "epsilon_cutoff": 0.01, "eta_cutoff": 0.01}
# Of each strategy, all that is an input of its compiled search.
NUMBERS = {
    **{"min_length": 3, "repetition_penalty": 1.7},
    **{"end_growth": 1.4, "end_growth_start": 2},
}
NUMBERS = {
    "greedy": NUMBERS,
    "beam": {**NUMBERS, "length_penalty": 0.37, "coverage_penalty": 0.3},
    "sample": {**NUMBERS, "temperature": 0.61, "top_p": 0.7, **CUTS},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_numbers_of_a_call_are_as_options_of_the_search(strategy):
    model, numbers = ToyModel(Toy(seed=3)), NUMBERS[strategy]
    with_options = Generator(model, strategy, LENGTH, **OPTIONS[strategy] | numbers).generate(
        sources(0, 1, 2)
    )
    called = Generator(model, strategy, LENGTH, **OPTIONS[strategy])
    assert (called.generate(sources(0, 1, 2)).tokens != with_options.tokens).any()
    if strategy == "sample":
        called = Generator(model, strategy, LENGTH, **OPTIONS[strategy])
    found = called.generate(sources(0, 1, 2), **numbers)
    np.testing.assert_array_equal(found.tokens, with_options.tokens)
    np.testing.assert_allclose(found.scores, with_options.scores, rtol=1e-6)


def test_fewer_of_the_most_probable_are_as_that_many():
    model, options = ToyModel(Toy(seed=3)), {"seed": 4, "num_return": 3}
    two = Generator(model, "sample", LENGTH, top_k=2, **options).generate(sources(0, 1, 2))
    of_four = Generator(model, "sample", LENGTH, top_k=4, **options)
    np.testing.assert_array_equal(of_four.generate(sources(0, 1, 2), kept=2).tokens, two.tokens)


def test_numbers_are_as_exact_in_half_precision():
    model = ToyModel(Toy(seed=3))
    model.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    options = {"num_beams": 3, "num_return": 3}
    exact = Generator(model, "beam", LENGTH, length_penalty=0.37, **options)
    called = Generator(model, "beam", LENGTH, **options)
    np.testing.assert_allclose(
        called.generate(sources(0, 1), length_penalty=0.37).scores,
        exact.generate(sources(0, 1)).scores,
        rtol=1e-6,
    )


@pytest.mark.parametrize("rules", ["none", "all"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_compiled_equals_eager(strategy, rules):
    options, per_row = {**OPTIONS[strategy], **RULES[rules]}, {}
    for key in ("max_lengths", "forced_prefix"):
        if key in options:
            per_row[key] = options.pop(key)
    model = ToyModel(Toy(seed=3))
    results = [
        Generator(model, strategy, LENGTH, return_alignments=True, run_eagerly=eager, **options)
        for eager in (False, True)
    ]
    compiled, eager = (g.generate(sources(0, 1, 2), **per_row) for g in results)
    np.testing.assert_array_equal(compiled.tokens, eager.tokens)
    np.testing.assert_allclose(compiled.scores, eager.scores, atol=1e-5)
    np.testing.assert_allclose(compiled.alignments, eager.alignments, atol=1e-5)
    assert all(isinstance(array, np.ndarray) for array in compiled[:3])


@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_equals_the_function(strategy):
    toy = Toy(seed=1)
    result = Generator(ToyModel(toy), strategy, LENGTH, **OPTIONS[strategy]).generate(
        sources(2, 0, 1, 1)
    )
    expected = toy.search(STRATEGIES[strategy], LENGTH, rows=[2, 0, 1, 1], **OPTIONS[strategy])
    assert texts(result) == texts(expected)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-5)
    assert result.alignments is None


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch runs eagerly")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_repeated_shape_is_traced_once(strategy):
    model = ToyModel(Toy(rows=8))
    generator = Generator(model, strategy, LENGTH, **OPTIONS[strategy])
    for rows in ((0, 1, 2), (5, 6, 7), (3, 3, 3)):
        generator.generate(sources(*rows), max_lengths=[4, 5, LENGTH])
    assert model.traces == 1
    for rows in ((0, 1), (5, 6), (3, 3)):
        generator.generate(sources(*rows), max_lengths=[4, LENGTH])
    assert model.traces == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_shapes_that_become_dynamic(strategy):
    toy = Toy(rows=8, seed=2)
    generator = Generator(ToyModel(toy), strategy, LENGTH, return_alignments=True, min_length=2)
    options = {"return_alignments": True, "min_length": 2}
    batches = [0, 1, 2], [5, 6], [7], [1, 2, 3, 4]
    for rows in batches[:2] if keras.backend.backend() == "jax" else batches:  # never dynamic there
        result = generator.generate(sources(*rows))
        assert result.tokens.shape == (len(rows), 1, LENGTH)
        if strategy != "sample":
            expected = toy.search(STRATEGIES[strategy], LENGTH, rows=rows, **options)
            assert texts(result) == texts(expected)
            np.testing.assert_allclose(result.alignments, expected.alignments, atol=1e-5)


def test_xla():
    if keras.backend.backend() == "torch":
        pytest.skip("torch.compile needs a C++ compiler")
    model = ToyModel(Toy(seed=3))
    for strategy in ("greedy", "beam"):
        results = [
            Generator(model, strategy, LENGTH, jit_compile=jit, no_repeat_ngram_size=2).generate(
                sources(0, 1, 2), max_lengths=[6, 3, 5]
            )
            for jit in (True, False)
        ]
        assert texts(results[0]) == texts(results[1])
        np.testing.assert_allclose(results[0].scores, results[1].scores, atol=1e-5)


def test_greedy_without_scores():
    result = Generator(ToyModel(Toy()), "greedy", LENGTH, return_scores=False).generate(sources(0))
    assert result.scores is None and result.tokens.shape == (1, 1, LENGTH)


def test_seeds():
    def run(seed):
        generator = Generator(ToyModel(Toy(rows=8, scale=0.5)), "sample", LENGTH, seed=seed)
        return [texts(generator.generate(sources(*range(8)))) for _ in range(2)]

    first, second = run(1)
    assert first != second
    assert run(1) == [first, second]
    assert run(2)[0] != first


def test_a_real_model():
    model = small_model()
    for strategy, options in OPTIONS.items():
        result = Generator(
            model, strategy, LENGTH, return_alignments=True, min_length=2, **options
        ).generate(SOURCE)
        count = options.get("num_return", 1)
        assert result.tokens.shape == (3, count, LENGTH)
        assert result.alignments.shape == (3, count, LENGTH, SOURCE.shape[1])
        real = (result.tokens != PAD).astype("float32")
        np.testing.assert_allclose(result.alignments.sum(-1), real, atol=1e-5)
        # Nothing attends to padding.
        assert not (result.alignments * (SOURCE == PAD)[:, None, None]).any()


def test_follows_the_training_of_the_model_and_leaves_its_weights_alone(tmp_path):
    model = small_model()
    paths = [weight.path for weight in model.weights]
    generator = Generator(model, "sample", LENGTH, top_k=1)
    before = generator.generate(SOURCE)
    assert [weight.path for weight in model.weights] == paths
    assert len(generator.trainable_weights) == len(model.trainable_weights)
    model.save_weights(tmp_path / "a.weights.h5")
    other = small_model()
    other.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(
        Generator(other, "sample", LENGTH, top_k=1).generate(SOURCE).tokens, before.tokens
    )
    bias = np.zeros(12, "float32")
    bias[7] = 100
    model.decoder.output_bias.assign(bias)
    assert texts(generator.generate(SOURCE)) == [[[7] * (LENGTH - 1) + [END]]] * 3


def test_generates_between_the_epochs_of_fit():
    model, found = small_model(), []
    generator = Generator(model, "greedy", LENGTH)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss=SmoothedCrossEntropy())
    inputs = {"source": SOURCE, "target": np.array([[START, 7, 8, 9]] * 3, "int32")}
    labels = np.array([[7, 8, 9, END]] * 3, "int32")
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: found.append(texts(generator.generate(SOURCE)))
    )
    model.fit(inputs, labels, epochs=15, callbacks=[callback], verbose=0)
    assert found[-1] == [[[7, 8, 9, END]]] * 3
    assert found[0] != found[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "beams"}, "Did you mean 'beam'"),
        ({"strategy": "beam", "num_beam": 2}, "Did you mean 'num_beams'"),
        ({"strategy": "greedy", "num_beams": 2}, "key in the greedy search"),
        ({"strategy": "beam", "seed": 1}, "strategy='sample' only"),
        ({"strategy": "beam", "max_lengths": [1]}, "Unknown key"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Generator(small_model(), max_length=LENGTH, **arguments)


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        ("beam", {"num_beams": 0}, "num_beams of at least 1. Received: num_beams=0"),
        ("beam", {"num_beams": 2, "num_return": 3}, "num_return=3, num_beams=2"),
        ("beam", {"length_penalty_form": "pwer"}, "Did you mean 'power'"),
        ("beam", {"length_penalty": float("nan")}, "length_penalty=nan"),
        ("sample", {"top_p": 0}, "top_p above 0"),
        ("sample", {"temperature": float("inf")}, "temperature=inf"),
        ("greedy", {"suppress_tokens": [9999]}, "below the vocabulary size.*Received: 9999"),
        ("greedy", {"suppress_tokens": [(4, -1)]}, "Received: -1"),
        ("greedy", {"min_length": 500}, "min_length=500, max_length=128"),
    ],
)
def test_options_are_refused_in_plain_words_when_it_is_made(strategy, options, message):
    with pytest.raises(ValueError, match=message) as error:
        Generator(small_model(), strategy, **options)
    assert "Exception encountered" not in str(error.value) and "\x1b" not in str(error.value)


def test_a_source_is_an_array_or_lists_of_one_length():
    generator = Generator(small_model(), "greedy", max_length=LENGTH)
    expected = generator.generate(SOURCE).tokens
    np.testing.assert_array_equal(generator.generate(SOURCE.tolist()).tokens, expected)
    with pytest.raises(ValueError, match=r"rows of \[1, 3\] ids. Fill the shorter ones"):
        generator.generate([[4, 5, END], [6]])
    with pytest.raises(ValueError, match="at least one row"):
        generator.generate(np.zeros((0, 3), "int32"))
    with pytest.raises(ValueError, match="generate\\(source\\)") as error:
        generator(SOURCE)
    assert "Exception encountered" not in str(error.value)
