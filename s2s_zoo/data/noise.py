"""What training adds to a batch: source words left out, target words left to the model."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from s2s_zoo.protocol import END, PAD
from s2s_zoo.protocol.registry import check_keys, lookup
from s2s_zoo.protocol.types import Config


def linear(step: int, slope: float, start: float = 1.0, least: float = 0.0) -> float:
    """max(least, start - slope * step)."""
    return max(least, start - slope * step)


def exponential(step: int, base: float) -> float:
    """base^step, with a base below 1."""
    return base**step


def inverse_sigmoid(step: int, scale: float) -> float:
    """k / (k + exp(step / k)), where k, the scale, is at least 1."""
    return scale / (scale + math.exp(min(step / scale, 700)))


SCHEDULES: dict[str, tuple[Callable[..., float], tuple[str, ...]]] = {
    "linear": (linear, ("slope", "start", "least")),
    "exponential": (exponential, ("base",)),
    "inverse_sigmoid": (inverse_sigmoid, ("scale",)),
}


def schedule_of(config: Config) -> Callable[[int], float]:
    """The function from a step to the share of right words, of a config such as
    `{"name": "inverse_sigmoid", "scale": 2000}`.

    The three schedules of Bengio et al. (2015, 1506.03099, section 2.4).

    Raises:
        ValueError: for an unknown name or option, naming the nearest, or a missing one.
    """
    if not isinstance(config, dict):
        raise ValueError(
            'scheduled_sampling expected a dict such as {"name": "linear", "slope": 1e-5}. '
            f"Received: {config!r}."
        )
    options = {key: value for key, value in config.items() if key != "name"}
    function, known = lookup(SCHEDULES, config.get("name"), "schedule")
    check_keys(options, known, "schedule")
    if known[0] not in options:
        raise ValueError(f"The schedule {config['name']} needs {known[0]}. Received: {config!r}.")
    return lambda step: function(step, **options)


class Noise:
    """Adds noise to batches of ids, the same in every run.

    Args:
        seed: int.
        word_dropout: float, the share of source tokens that the unknown token replaces, END never
            being one of them.
        scheduled_sampling: dict, the config of a schedule, or None. The inputs then have "gold",
            (B, T) bool: which target tokens the decoder reads as they are; it writes the others
            itself (`s2s_zoo.training.scheduled_sampling`).
        unknown_id: int.

    Raises:
        ValueError: for a share outside [0, 1), or a schedule there is not.
    """

    def __init__(
        self, seed: int, word_dropout: float, scheduled_sampling: Config | None, unknown_id: int
    ) -> None:
        if not 0 <= word_dropout < 1:
            raise ValueError(
                f"Batches expected 0 <= word_dropout < 1. Received: word_dropout={word_dropout!r}."
            )
        self.seed = seed
        self.word_dropout = word_dropout
        self.schedule = None if scheduled_sampling is None else schedule_of(scheduled_sampling)
        self.unknown_id = unknown_id

    def __call__(self, batch: tuple[Any, ...], step: int) -> tuple[Any, ...]:
        """The batch (inputs, labels, weights) of a step with its noise."""
        if not self.word_dropout and self.schedule is None:
            return batch
        inputs, *others = batch
        generator = np.random.default_rng([self.seed, step, 2])
        if self.word_dropout:
            source = inputs["source"]
            dropped = generator.random(source.shape) < self.word_dropout
            dropped &= (source != PAD) & (source != END)
            inputs = {**inputs, "source": np.where(dropped, self.unknown_id, source)}
        if self.schedule is not None:
            gold = generator.random(inputs["target"].shape) < self.schedule(step)
            gold[:, 0] = True
            inputs = {**inputs, "gold": gold}
        return inputs, *others
