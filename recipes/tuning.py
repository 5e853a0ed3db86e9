"""What the recipes do otherwise with a model that knows its task already."""

import training as shared

RATE = 0.0005  # the learning rate, where it is not said


def gentle(training, steps):
    """The optimizer for a model that knows its task: it warms up and averages within the run.

    Of the few steps that a few hundred pairs are, all would else be warm-up, and the average
    weights those that it began with.
    """
    warmup = min(training["warmup_steps"], steps // 10)
    ema = min(training["ema"], max(0.0, 1 - 5 / steps))
    return shared.optimizer({**training, "warmup_steps": warmup, "ema": ema}, steps)
