"""Keras' own files of models, `.keras`. What is imported here is registered with Keras."""

from typing import Any

import keras

from s2s_zoo.layers import log_mel
from s2s_zoo.model.seq2seq import Seq2Seq  # and with it every layer of a model
from s2s_zoo.protocol.types import StrPath
from s2s_zoo.training import losses, optimizers, self_critical

REGISTERED = (Seq2Seq, log_mel, losses, optimizers, self_critical)


def load_model(path: StrPath, **options: Any) -> Any:
    """As `keras.models.load_model`, which knows our classes once Keras and s2s_zoo are imported.

    Keras names them to itself when they are loaded: in `import keras, s2s_zoo` at once, in the
    other order at their first use. Here they always are.

    Args:
        path: of a `.keras` file.
        **options: of `keras.models.load_model`.

    Returns:
        The model, compiled as it was, its optimizer where it stood.
    """
    return keras.models.load_model(path, **options)
