"""What a model needs to be trained as it is."""

from __future__ import annotations

import keras

from s2s_zoo.training.losses import SmoothedCrossEntropy
from s2s_zoo.training.optimizers import Adam


def compile_model(model: keras.Model) -> None:
    """Makes a model ready for `fit`: see `Pipeline.compile`."""
    model.compile(
        optimizer=Adam(global_clipnorm=1.0),
        loss=SmoothedCrossEntropy(label_smoothing=0.1),
        jit_compile=keras.backend.backend() == "jax",
    )
