"""Self-critical sequence training (Rennie et al. 2017): the metric itself as the reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation import Generator
from s2s_zoo.protocol import PAD, START
from s2s_zoo.protocol.types import Tensor
from s2s_zoo.training import on_tensorflow
from s2s_zoo.training.caption_metrics import caption_words, cider_scorer
from s2s_zoo.training.losses import SmoothedCrossEntropy

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

LAST = "</s>"  # counts as a word of the reward, or captions learn to stop in the middle


class CiderReward:
    """CIDEr-D of single captions, with the document frequencies of all references.

    Args:
        references: dict from a source to the list of its captions.

    Call arguments:
        sources: list of keys of `references`, no more than there are keys.
        texts: list of str, one for each.

    Returns:
        (N,) float32.
    """

    def __init__(self, references: dict[Any, list[str]]) -> None:
        self.scorer = cider_scorer()
        places: dict[Any, int] = {}
        for source, texts in references.items():
            places[source] = len(places)
            self.scorer += (None, [self._words(text) for text in texts])
        self.scorer.compute_doc_freq()
        self.references = {source: self.scorer.crefs[place] for source, place in places.items()}

    def __call__(self, sources: Sequence[Any], texts: Sequence[str]) -> np.ndarray:
        scorer = self.scorer
        scorer.crefs, scorer.ctest = [], []
        for text in texts:
            scorer += (self._words(text), [])
        # The number of documents is the length of this list; its first ones meet the texts.
        wanted = [self.references[source] for source in sources]
        scorer.crefs = wanted + [None] * (len(self.references) - len(wanted))
        return np.array(scorer.compute_cider(), "float32")

    @staticmethod
    def _words(text):
        return " ".join([*caption_words(text), LAST])


@keras.saving.register_keras_serializable("s2s_zoo")
class PolicyGradient(SmoothedCrossEntropy):
    """-sum_bt A_b log p(y_bt) / the number of tokens: equation 9 of 1612.00563, for each token.

    Call arguments:
        y_true: (B, T) int labels, padded with PAD.
        y_pred: (B, T, V) logits.
        sample_weight: (B, T), the advantage A of the text, at every token of it.
    """

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        real = ops.cast(ops.not_equal(y_true, PAD), "float32")
        weight = ops.cast(sample_weight, "float32") * real
        total = on_tensorflow.sum_over_replicas(ops.sum(real))
        return ops.sum(self.call(y_true, y_pred) * weight) / ops.maximum(total, 1.0)


def self_critical_fit(
    pipeline: Pipeline,
    sources: Sequence[str],
    images: Callable[[list[str], np.ndarray], np.ndarray],
    reward: Callable[[list[str], Sequence[str]], np.ndarray],
    epochs: int,
    batch_size: int = 64,
    draws: int = 2,
    initial_epoch: int = 0,
    seed: int = 0,
    callbacks: Sequence[Any] = (),
) -> list[float]:
    """Trains a captioning pipeline on the reward of what it writes.

    A caption drawn from the model is made more probable by as much as its reward is above that of
    the model's own best guess, by greedy search, and less probable where it is below (equation 8).
    Compile the model with `PolicyGradient` first.

    Args:
        pipeline: a captioning `Pipeline`.
        sources: list of str.
        images: as for `CaptionBatches`, such as a `FeatureCache`.
        reward: function of a list of sources and a list of texts to (N,) rewards.
        epochs: int, the last one.
        batch_size: int, images of a step.
        draws: int, captions drawn for each image.
        initial_epoch: int, the epochs done.
        seed: int.
        callbacks: list of Keras callbacks.

    Returns:
        list of float, the mean reward of the drawn captions in each epoch.
    """
    model, length = pipeline.model, pipeline.processor.max_target_length
    greedy = Generator(model, "greedy", length, return_scores=False)
    calls = keras.callbacks.CallbackList(list(callbacks), model=model)
    calls.on_train_begin()
    model.stop_training = False
    history = []
    for epoch in range(initial_epoch, epochs):
        calls.on_epoch_begin(epoch)
        drawer = Generator(model, "sample", length, num_return=draws, seed=seed + epoch)
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(len(sources))
        means = []
        for start in range(0, len(order) - len(order) % batch_size, batch_size):
            names = [sources[place] for place in order[start : start + batch_size]]
            source = images(names, generator.integers(2, size=len(names)) == 1)
            best = pipeline.processor.decode(greedy.generate(source).tokens[:, 0])
            drawn = np.asarray(drawer.generate(source).tokens)
            texts = pipeline.processor.decode(drawn)
            rewards = np.stack([reward(names, column) for column in zip(*texts, strict=True)], 1)
            advantage = rewards - reward(names, best)[:, None]
            means.append(rewards.mean())
            labels = drawn.reshape(-1, length)
            target = np.pad(labels[:, :-1], [(0, 0), (1, 0)], constant_values=START)
            weight = np.broadcast_to(advantage.reshape(-1, 1), labels.shape).astype("float32")
            inputs = {"source": np.repeat(source, draws, axis=0), "target": target}
            model.train_on_batch(inputs, labels, sample_weight=weight)
        history.append(float(np.mean(means)))
        calls.on_epoch_end(epoch, {"reward": history[-1]})
        if model.stop_training:
            break
    calls.on_train_end()
    return history
