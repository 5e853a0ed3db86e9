import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.data import FeatureCache
from s2s_zoo.protocol import END, PAD
from s2s_zoo.training.self_critical import CiderReward, PolicyGradient, self_critical_fit


def test_the_gradient_is_that_of_the_weighted_log_probability():
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    labels = np.array([[4, 3, END], [3, END, PAD]])
    advantage = np.array([[2.0] * 3, [-1.0] * 3])
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(log_probs, labels[..., None], -1)[..., 0]
    expected = -(2.0 * chosen[0].sum() - chosen[1, :2].sum()) / 5
    loss = PolicyGradient()(labels, logits, advantage)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


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
