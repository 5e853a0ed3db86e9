"""Search with KerasHub's models, beside KerasHub's own: where keras_hub is installed."""

import itertools

import numpy as np
import pytest
from keras import ops

from s2s_zoo.generation import Generator
from s2s_zoo.protocol import END, PAD, START
from tests.generation.test_steps import AFTER, Chain
from tests.generation.toy import texts

keras_hub = pytest.importorskip("keras_hub")
LENGTH = 6
IDS = {"pad_id": 1, "start_id": 2, "end_id": 2}  # of BART
SOURCE = np.array([[0, 5, 6, 2, 1]], "int32")


def test_their_beams_lose_a_finished_text_and_ours_do_not():
    chain = Chain(AFTER)

    def following(prompt, cache, index):
        logits, _ = chain.step(ops.take(prompt, index - 1, axis=1), index, None, None)
        return logits, None, cache

    prompt = np.full((1, LENGTH + 1), PAD, "int32")
    prompt[:, 0] = START
    theirs = keras_hub.samplers.BeamSampler(num_beams=2)(
        following,
        ops.convert_to_tensor(prompt),
        index=1,
        mask=ops.convert_to_tensor(prompt == START),
        stop_token_ids=[END],
    )
    assert ops.convert_to_numpy(theirs).tolist() == [[START, *[4] * LENGTH]]  # P = 0.40
    ours = Generator(chain, "beam", LENGTH, num_beams=2, length_penalty=0.0)
    assert texts(ours.generate(np.ones((1, 1), "int32"))) == [[[3, END]]]  # P = 0.54


@pytest.fixture(scope="module")
def bart():
    backbone = keras_hub.models.BartBackbone(
        vocabulary_size=7,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=LENGTH + 2,
    )
    model = keras_hub.models.BartSeq2SeqLM(backbone, preprocessor=None)
    model.compile(sampler=keras_hub.samplers.BeamSampler(num_beams=2))
    return model


def inputs(target, read):
    return {
        "encoder_token_ids": np.repeat(SOURCE, len(target), 0),
        "encoder_padding_mask": np.repeat(SOURCE != 1, len(target), 0),
        "decoder_token_ids": target,
        "decoder_padding_mask": np.arange(target.shape[1]) < np.full((len(target), 1), read),
    }


def log_probabilities(model, answers):
    target = np.ones((len(answers), LENGTH), "int32")
    for row, answer in zip(target, answers, strict=True):
        row[: len(answer)] = [2, *answer[:-1]]
    logits = model(inputs(target, LENGTH), training=False)
    scores = ops.convert_to_numpy(ops.log_softmax(logits))
    return [
        sum(row[place, token] for place, token in enumerate(answer))
        for row, answer in zip(scores, answers, strict=True)
    ]


@pytest.mark.parametrize("seed", [22, 36, 43, 48, 53])
def test_random_bart(bart, seed):
    """Two of our beams find the best of all texts, where two of KerasHub's find another."""
    rng = np.random.default_rng(seed)
    for weight in bart.weights:
        values = rng.normal(size=weight.shape) * (0.7 if weight.ndim > 1 else 0.1)
        weight.assign(values + ("gamma" in weight.path))
    generator = Generator(bart, "beam", LENGTH, num_beams=2, length_penalty=0.0, **IDS)
    result = generator.generate(SOURCE)
    ours = tuple(int(token) for token in result.tokens[0, 0] if token != 1)
    prompt = np.ones((1, LENGTH + 1), "int32")
    prompt[:, 0] = 2
    theirs = bart.generate(inputs(prompt, 1), stop_token_ids=(2,))["decoder_token_ids"]
    theirs = tuple(int(token) for token in np.array(theirs)[0, 1:])
    theirs = theirs[: theirs.index(2) + 1] if 2 in theirs else theirs

    free = [0, 3, 4, 5, 6]
    every = [(*x, 2) for n in range(LENGTH) for x in itertools.product(free, repeat=n)]
    best = max(zip(log_probabilities(bart, every), every, strict=True))
    assert ours == best[1]
    np.testing.assert_allclose(result.scores, [[best[0]]], atol=1e-4)
    assert log_probabilities(bart, [theirs])[0] < best[0] - 0.1
