import keras
import numpy as np
import pytest
from keras import ops

import s2s_zoo
from s2s_zoo.data import FeatureCache
from s2s_zoo.protocol import END, PAD
from s2s_zoo.training.losses import SmoothedCrossEntropy
from s2s_zoo.training.self_critical import (
    CiderReward,
    PolicyGradient,
    advantages,
    self_critical_fit,
)
from tests.variants import build


def test_the_gradient_is_that_of_the_weighted_log_probability():
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    labels = np.array([[4, 3, END], [3, END, PAD]])
    advantage = np.array([[2.0] * 3, [-1.0] * 3])
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(log_probs, labels[..., None], -1)[..., 0]
    expected = -(2.0 * chosen[0].sum() - chosen[1, :2].sum()) / 5
    loss = PolicyGradient()(labels, logits, advantage)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_each_text_is_compared_with_the_mean_of_the_others():
    rewards = np.array([[1.0, 2.0, 6.0], [0.5, 0.5, 0.5]])
    np.testing.assert_allclose(advantages(rewards), [[1 - 4, 2 - 3.5, 6 - 1.5], [0, 0, 0]])
    np.testing.assert_allclose(advantages(np.array([[3.0, 1.0]])), [[2, -2]])


def test_probabilities_are_those_that_the_texts_were_drawn_with():
    model = build("bilstm", "bahdanau", "show-attend-tell", dropout=0.5)
    inputs = {"source": np.array([[4, 5, END]]), "target": np.array([[2, 7, 6]])}
    usual = ops.convert_to_numpy(model(inputs))
    model.compile("sgd", PolicyGradient())
    np.testing.assert_array_equal(ops.convert_to_numpy(model(inputs, training=True)), usual)
    assert model.losses == []  # nor is there a penalty
    model.compile("sgd", SmoothedCrossEntropy())
    assert not np.allclose(ops.convert_to_numpy(model(inputs, training=True)), usual)
    assert len(model.losses) == 1


def test_reward_equals_the_metric_over_all_images():
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.cider.cider import Cider

    captions = {
        "a": ["a dog runs over grass", "a brown dog runs"],
        "b": ["two cats sleep on a bed", "cats sleep"],
        "c": ["a man reads a book", "a man with a book"],
    }
    reward = CiderReward(captions)
    texts = {"a": "a dog runs", "b": "two cats", "c": "a man reads"}
    _, expected = Cider().compute_score(
        {name: [f"{text} </s>" for text in found] for name, found in captions.items()},
        {name: [f"{text} </s>"] for name, text in texts.items()},
    )
    np.testing.assert_allclose(reward(list(texts), list(texts.values())), expected, rtol=1e-6)
    # A part of the images, in another order: the frequencies are still those of all.
    found = reward(["c", "a"], [texts["c"], texts["a"]])
    np.testing.assert_allclose(found, [expected[2], expected[0]], rtol=1e-6)


@pytest.fixture
def copied(sighted_captioner, tmp_path):
    """A captioner that may be changed, compiled to be trained on a reward."""
    sighted_captioner.save(tmp_path / "copy")
    pipeline = s2s_zoo.from_pretrained(tmp_path / "copy")
    pipeline.model.compile(keras.optimizers.Adam(0.05), PolicyGradient(), run_eagerly=True)
    return pipeline


def test_where_all_captions_are_worth_the_same_nothing_is_learnt(copied, photos):
    names = [name for name, _ in photos[1]][:4]
    before = [ops.convert_to_numpy(weight) for weight in copied.model.weights]
    pixels = np.stack(copied.processor.encode_source(names))
    seen = []

    def images(names, mirrored):
        seen.extend(mirrored)
        return pixels

    def reward(sources, texts):
        return np.full(len(texts), 0.3, "float32")

    history = self_critical_fit(copied, names, images, reward, epochs=1, batch_size=4, draws=2)
    assert history == [pytest.approx(0.3)] and seen == [False] * 4
    for weight, old in zip(copied.model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), old)


def test_what_is_written_of_a_mirrored_image_is_mirrored_before_it_is_judged(copied, photos):
    names = [name for name, _ in photos[1]]
    pixels = np.stack(copied.processor.encode_source(names))
    turned, judged = {}, {}

    def images(batch, mirrored):
        turned.update(zip(batch, mirrored, strict=True))
        return pixels

    def reward(sources, texts):
        judged.update(zip(sources, texts, strict=True))
        return np.zeros(len(texts), "float32")

    options = {"epochs": 1, "batch_size": len(names), "draws": 2, "seed": 3}
    self_critical_fit(
        copied, names, images, reward, mirrored=lambda text: f"other {text}", **options
    )
    assert set(turned.values()) == {True, False}
    for name, text in judged.items():
        assert text.startswith("other ") == turned[name]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"draws": 1}, "at least 2 draws"), ({"batch_size": 99}, "Make the batch smaller")],
)
def test_what_cannot_be_trained_is_said(copied, photos, options, message):
    with pytest.raises(ValueError, match=message):
        self_critical_fit(copied, [photos[1][0][0]], None, None, epochs=1, **options)


@pytest.mark.learns
def test_training_on_a_reward_raises_it(tiny_captioner, photos, tmp_path):
    tiny_captioner.save(tmp_path / "copy")
    pipeline = s2s_zoo.from_pretrained(tmp_path / "copy")
    names = [name for name, _ in photos[1]]
    pipeline.model.encoder.freeze()
    images = FeatureCache(pipeline, names, tmp_path)
    pipeline.model.compile(keras.optimizers.Adam(0.05), PolicyGradient())

    def reward(sources, texts):  # the share of one word
        return np.array(
            [np.mean([word == "red" for word in text.split()] or [0]) for text in texts]
        )

    history = self_critical_fit(
        pipeline, names, images, reward, epochs=12, batch_size=len(names), draws=8
    )
    assert np.mean(history[-3:]) > 2 * np.mean(history[:3])
