"""Generator over functional models that end in a decoder of ours: it takes the decoder's step."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import Generator
from s2s_zoo.generation.rerun import Rerun
from s2s_zoo.protocol import PAD
from tests.generation.test_generator import small_model
from tests.generation.test_steps import LENGTH, OURS, QUICK, decided, random_sources, transformer

INPUTS = ("source", "target")


def inputs():
    return [keras.Input((None,), dtype="int32", name=name) for name in INPUTS]


def written(model, **options):
    return Generator(model, "beam", LENGTH, **QUICK, **options).generate(random_sources(20))


@pytest.mark.parametrize("make", [small_model, transformer])
@pytest.mark.parametrize("as_dict", [False, True])
def test_a_functional_model_of_an_encoder_and_a_decoder(make, as_dict):
    model = decided(make())
    source, target = inputs()
    logits = model.decoder(target, model.encoder(source))
    given = dict(zip(INPUTS, (source, target), strict=True)) if as_dict else [source, target]
    functional = keras.Model(given, logits)
    assert Generator(functional, "greedy").steps.decoder is model.decoder
    one, other = written(model), written(functional)
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.parametrize("names", [None, ("words", "answer"), ("target", "more")])
def test_the_decoder_says_which_input_is_the_target(names):
    model = small_model()
    target, source = (keras.Input((None,), dtype="int32", name=name) for name in names or "ab")
    logits = model.decoder(target, model.encoder(source))
    given = [target, source] if names is None else dict(zip(names, (target, source), strict=True))
    steps = Generator(keras.Model(given, logits), "greedy").steps
    assert steps.decoder is model.decoder
    ids = random_sources(2)
    for one, other in zip(steps.encode(ids), model.encode(ids), strict=True):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (one, other)))


@pytest.mark.parametrize("mask", ["carried", "given", "none"])
def test_a_decoder_of_a_memory_alone_sees_its_mask(mask):
    keras.utils.set_random_seed(0)
    model = small_model()
    source, target = inputs()
    memory = keras.layers.Embedding(12, 8, mask_zero=mask == "carried")(source)
    masks = {"mask": ops.not_equal(source, PAD)} if mask == "given" else {}
    decoder = type(model.decoder)(12, 5, 8, attention="luong")
    functional = decided(keras.Model([source, target], decoder(target, memory, **masks)))
    fast, slow = Generator(functional, "greedy"), {"inputs": list(INPUTS), **OURS}
    assert fast.steps.decoder is decoder
    one, other = written(functional), written(functional, **slow)
    # Two texts may be as good as each other; a mask that is lost changes the scores.
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_a_decoder_whose_logits_are_not_those_of_the_model_is_not_taken():
    model = decided(small_model())
    source, target = inputs()
    logits = model.decoder(target, model.encoder(source))
    shifted = decided(keras.Model([source, target], logits + np.eye(12, dtype="float32")[7] * 50))
    generator = Generator(shifted, "greedy", LENGTH, **QUICK, **OURS)
    assert isinstance(generator.steps.decoder, Rerun)
    assert (generator.generate(random_sources(2)).tokens[..., :-1] == 7).all()


def test_a_decoder_that_looks_at_the_target_otherwise_is_not_taken():
    model = small_model()
    source, target = inputs()
    logits = model.decoder(target, model.encoder(ops.maximum(source, ops.flip(target, 1))))
    generator = Generator(keras.Model([source, target], logits), "greedy", LENGTH, **OURS)
    assert isinstance(generator.steps.decoder, Rerun)
