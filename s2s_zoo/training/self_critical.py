"""Self-critical sequence training (Rennie et al. 2017, Luo 2020): the metric as the reward."""

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

    A text was drawn without dropout, so its p is that of the model without dropout; a `Seq2Seq`
    that is compiled with this loss leaves it out, and so it does what else is added to a loss in
    training. With another p the advantages no longer cancel: where drawn texts are worse than what
    they are compared with, all of them become less probable, whatever they say.

    Call arguments:
        y_true: (B, T) int labels, padded with PAD.
        y_pred: (B, T, V) logits.
        sample_weight: (B, T), the advantage A of the text, at every token of it.
    """

    as_written = True

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        real = ops.cast(ops.not_equal(y_true, PAD), "float32")
        weight = ops.cast(sample_weight, "float32") * real
        total = on_tensorflow.sum_over_replicas(ops.sum(real))
        return ops.sum(self.call(y_true, y_pred) * weight) / ops.maximum(total, 1.0)


def advantages(rewards: np.ndarray) -> np.ndarray:
    """Each of K rewards above the mean of the K - 1 others of its image (2003.09971, section 3).

    Args:
        rewards: (B, K), K at least 2.

    Returns:
        (B, K), whose rows sum to 0.
    """
    draws = rewards.shape[1]
    return (rewards - rewards.mean(axis=1, keepdims=True)) * (draws / (draws - 1))


def self_critical_fit(
    pipeline: Pipeline,
    sources: Sequence[str],
    images: Callable[[list[str], np.ndarray], np.ndarray],
    reward: Callable[[list[str], Sequence[str]], np.ndarray],
    epochs: int,
    batch_size: int = 64,
    draws: int = 5,
    initial_epoch: int = 0,
    seed: int = 0,
    callbacks: Sequence[Any] = (),
    mirrored: Callable[[str], str | None] | None = None,
) -> list[float]:
    """Trains a captioning pipeline on the reward of what it writes.

    Several captions are drawn from the model for each image. One is made more probable by as much
    as its reward is above the mean of the others, and less probable where it is below: see
    `advantages`. Compile the model with `PolicyGradient` first.

    Args:
        pipeline: a captioning `Pipeline`.
        sources: list of str.
        images: as for `CaptionBatches`, such as a `FeatureCache`.
        reward: function of a list of sources and a list of texts to (N,) rewards.
        epochs: int, the last one.
        batch_size: int, images of a step.
        draws: int, captions drawn for each image, at least 2.
        initial_epoch: int, the epochs done.
        seed: int.
        callbacks: list of Keras callbacks.
        mirrored: function of a caption to that of the mirror image, or to None where that cannot
            be told, such as `s2s_zoo.data.mirrored_caption`. With it each image is shown mirrored
            in one of two cases, and what is written of it gets the reward of the function of it.
            None mirrors none.

    Returns:
        list of float, the mean reward of the drawn captions in each epoch.

    Raises:
        ValueError: for fewer than 2 draws, another loss, or fewer sources than a batch has.
    """
    if draws < 2 or not isinstance(pipeline.model.loss, PolicyGradient):
        raise ValueError(
            "self_critical_fit expected at least 2 draws, and a model compiled with "
            f"PolicyGradient(). Received: draws={draws}, loss={pipeline.model.loss!r}."
        )
    if len(sources) < batch_size:
        raise ValueError(
            f"self_critical_fit expected as many sources as a batch has. Received: {len(sources)} "
            f"sources, batch_size={batch_size}. Make the batch smaller."
        )
    model, length = pipeline.model, pipeline.processor.max_target_length
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
            turned = generator.integers(2, size=len(names)) == 1
            if mirrored is None:
                turned[:] = False
            source = images(names, turned)
            drawn = np.asarray(drawer.generate(source).tokens)
            texts = pipeline.processor.decode(drawn)
            if mirrored is not None:
                texts = [
                    [mirrored(text) or text for text in row] if turn else row
                    for row, turn in zip(texts, turned, strict=True)
                ]
            rewards = np.stack([reward(names, column) for column in zip(*texts, strict=True)], 1)
            advantage = advantages(rewards)
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
