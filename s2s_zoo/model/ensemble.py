"""Several models that search together, by the mean of their probabilities."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import keras
from keras import ops

from s2s_zoo.generation.scores import log_softmax
from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.types import Nest, Tensor


class Encodings(NamedTuple):
    """What the members made of a source.

    Attributes:
        memory: that of the first, which tells the batch size.
        each: list of EncoderOutput.
    """

    memory: Any
    each: list


class Ensemble(keras.Model):
    """Several models as one, for search and scoring.

    Args:
        members: list of built `Seq2Seq` with the same vocabulary.
    """

    def __init__(self, members: Sequence[Any]) -> None:
        super().__init__(name="ensemble", dtype=members[0].dtype_policy)
        self.members = list(members)
        self.decoder = EnsembleDecoder([member.decoder for member in members])
        self.built = True

    def __reduce__(self) -> Any:
        return type(self), (list(self.members),)

    def __repr__(self) -> str:
        return f"<Ensemble: {', '.join(map(repr, self.members))}>"

    @property
    def encoder(self) -> Any:
        """That of the first: the others read the same sources."""
        return self.members[0].encoder

    def encode(self, source: Tensor, training: bool = False) -> Encodings:
        each = [member.encode(source, training=training) for member in self.members]
        return Encodings(each[0].memory, each)

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        encoded = self.encode(inputs["source"], training=training)
        return self.decoder(inputs["target"], encoded, training=training)

    def get_config(self) -> NoReturn:
        raise S2SZooError(
            "An ensemble is no single checkpoint. Save its members, or their average with "
            "`s2s-zoo average`."
        )


class EnsembleDecoder:
    """The decoders of the members; its logits are the logarithms of their mean probabilities.

    Args:
        decoders: list of decoders.
    """

    def __init__(self, decoders: Sequence[Any]) -> None:
        self.decoders = decoders
        self.vocabulary_size = decoders[0].vocabulary_size
        self.extra_ids = getattr(decoders[0], "extra_ids", 0)

    def init(
        self, encoded: Encodings, max_length: int | None = None
    ) -> tuple[list[Nest], dict[str, Nest]]:
        begun = [
            decoder.init(output, max_length)
            for decoder, output in zip(self.decoders, encoded.each, strict=True)
        ]
        memories, states = map(list, zip(*begun, strict=True))
        return memories, self._state(states)

    def step(
        self, tokens: Tensor, index: Tensor, state: dict[str, Nest], memory: list[Nest]
    ) -> tuple[Tensor, dict[str, Nest]]:
        steps = [
            decoder.step(tokens, index, *of_decoder)
            for decoder, *of_decoder in zip(self.decoders, state["members"], memory, strict=True)
        ]
        logits, states = zip(*steps, strict=True)
        return _mean(logits), self._state(list(states))

    def __call__(self, target: Tensor, encoded: Encodings, training: bool = False) -> Tensor:
        return _mean(
            [
                decoder(target, output, training=training)
                for decoder, output in zip(self.decoders, encoded.each, strict=True)
            ]
        )

    def _state(self, states):
        """The states, and the mean of what a search records where all have it."""
        recorded = [key for key in ("alignment", "p_gen") if all(key in state for state in states)]
        means = {
            key: sum(ops.cast(state[key], "float32") for state in states) / len(states)
            for key in recorded
        }
        return {"members": states, **means}


def _mean(logits):
    """log of the mean of softmax(logits) over a list of (..., V)."""
    log_probs = ops.stack([log_softmax(each) for each in logits])
    return ops.logsumexp(log_probs, axis=0) - math.log(len(logits))
