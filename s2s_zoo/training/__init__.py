"""Losses, optimizers, callbacks, metrics, several devices."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded
