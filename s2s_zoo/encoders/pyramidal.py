"""The listener of Listen, Attend and Spell (Chan et al. 2016)."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.encoders.layer import AudioEncoder
from s2s_zoo.layers.config import build_from
from s2s_zoo.layers.recurrence import Cell, recurrent_layer, run_layer
from s2s_zoo.layers.sequences import zero_padding
from s2s_zoo.layers.spec_augment import SpecAugment
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class PyramidalEncoder(AudioEncoder):
    """Bidirectional layers, each of which reads the pairs of the one below (1508.01211, 3.1).

        h^j_i = BLSTM(h^j_{i-1}, [h^{j-1}_{2i} ; h^{j-1}_{2i+1}])                      (equation 4)

    over a bidirectional layer that reads the features, so `layers` of them make the time 2^layers
    times shorter: an attention finds what it looks for among fewer places.

    Args:
        units: int, U, of one direction of one layer.
        mels: int, M, the bands of the features.
        layers: int, those that halve the time.
        cell: "lstm", "gru" or "simple_rnn".
        spec_augment: None, or a dict of the options of `SpecAugment`: hide parts of the features
            in training.
        dropout: float, on the output of every layer.

    Call arguments:
        source: (B, T, M) features, such as `LogMelFeatures` makes; frames of zeros are padding.

    Returns:
        EncoderOutput: memory (B, S, 2 U), S = T / 2^layers, rounded up; mask (B, S); state
        (B, 2 U), the last states of the top layer.
    """

    def __init__(
        self,
        units: int = 256,
        mels: int = 80,
        layers: int = 3,
        cell: Cell = "lstm",
        spec_augment: Config | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if type(layers) is not int or not 0 <= layers <= 8:
            raise ValueError(
                f"PyramidalEncoder expected layers from 0 to 8. Received: layers={layers!r}."
            )
        self.units = units
        self.mels = mels
        self.layers = self.halvings = layers
        self.cell = cell
        self.memory_dim = self.state_dim = 2 * units
        self.spec_augment = spec_augment
        options = None if spec_augment is None else {**spec_augment, "name": "spec_augment"}
        table = {"spec_augment": SpecAugment}
        self.augment = build_from(table, options, "augmentation", name="spec_augment")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.stack = [
            [
                recurrent_layer(cell, units, f"{name}_{i}", reverse=name == "backward")
                for name in ("forward", "backward")
            ]
            for i in range(1 + layers)
        ]

    def build(self, source_shape: Shape | None = None) -> None:
        width = self.mels
        for layers in self.stack:
            for layer in layers:
                layer.build((None, None, width))
            width = 4 * self.units
        if self.augment is not None:
            self.augment.build((None, None, self.mels))
        self.built = True

    def call(self, source: Tensor, training: bool = False) -> EncoderOutput:
        mask = self.mask_of(source)
        x = source
        if self.augment is not None:
            x = self.augment(x, mask, training=training)
        x = ops.cast(x, self.compute_dtype)
        state = None
        for i, layers in enumerate(self.stack):
            if i:
                x, mask = _pairs(zero_padding(x, mask)), mask[:, ::2]
            readings = [run_layer(layer, x, mask, training=training) for layer in layers]
            x = ops.concatenate([sequence for sequence, _ in readings], axis=-1)
            x = self.dropout(x, training=training)
            state = ops.concatenate([states[0] for _, states in readings], axis=-1)
        return EncoderOutput(x, mask, state)

    def in_config(self) -> Config:
        return {"dropout": self.dropout.rate}


def _pairs(x):
    """(B, T, D) to (B, T / 2, 2 D), the last with zeros where T is odd."""
    _, length, width = x.shape
    x = ops.pad(x, [[0, 0], [0, 1], [0, 0]])
    length = ops.shape(x)[1] if length is None else length + 1
    x = x[:, : length // 2 * 2]
    return ops.reshape(x, (ops.shape(x)[0], -1, 2 * width))
