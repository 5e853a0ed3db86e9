"""Several checkpoints that search together, by the mean of their probabilities."""

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from s2s_zoo.generation.scores import log_softmax
from s2s_zoo.protocol.errors import CheckpointError, S2SZooError


def ensemble(members, dtype=None):
    """Returns a pipeline that searches with several models at once.

    At every step the next token has the mean of the members' probabilities (Sutskever et al. 2014,
    1409.3215, section 3.4). The members may differ in everything but task and vocabulary; the
    defaults of the search are those of the first.

    Args:
        members: list of names, addresses or directories for `from_pretrained`, or of Pipelines.
        dtype: as in `from_pretrained`.

    Raises:
        ValueError: for an empty list.
        CheckpointError: for members of different tasks or vocabularies, or one that cannot be
            loaded.
    """
    from s2s_zoo.pipeline.loading import from_pretrained
    from s2s_zoo.pipeline.pipeline import Pipeline

    if isinstance(members, str) or not len(members):
        raise ValueError(f"ensemble expected a list of checkpoints. Received: {members!r}.")
    pipelines = [
        member if isinstance(member, Pipeline) else from_pretrained(member, dtype=dtype)
        for member in members
    ]
    first = pipelines[0]
    for number, pipeline in enumerate(pipelines[1:], 2):
        check_same_vocabulary(first, pipeline, f"Member {number}")
    model = Ensemble([pipeline.model for pipeline in pipelines])
    return Pipeline(first.task, model, first.processor, first.generation, first.languages)


def check_same_vocabulary(first, other, name):
    """Raises CheckpointError unless two pipelines have one task and read and write the same ids."""
    if first.task != other.task:
        raise CheckpointError(
            f"{name} is of another task than the first: {other.task} instead of {first.task}."
        )
    if _vocabulary(first.processor) != _vocabulary(other.processor):
        raise CheckpointError(
            f"{name} has another vocabulary than the first, so their probabilities are of "
            "different tokens. Use checkpoints trained with the same tokenizer files."
        )


def _vocabulary(processor):
    lengths = ("max_source_length", "max_target_length")
    return {key: value for key, value in processor.get_config().items() if key not in lengths}


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

    def __init__(self, members):
        super().__init__(name="ensemble", dtype=members[0].dtype_policy)
        self.members = list(members)
        self.decoder = EnsembleDecoder([member.decoder for member in members])
        self.built = True

    @property
    def encoder(self):
        """That of the first: the others read the same sources."""
        return self.members[0].encoder

    def encode(self, source, training=False):
        each = [member.encode(source, training=training) for member in self.members]
        return Encodings(each[0].memory, each)

    def call(self, inputs, training=False):
        encoded = self.encode(inputs["source"], training=training)
        return self.decoder(inputs["target"], encoded, training=training)

    def get_config(self):
        raise S2SZooError(
            "An ensemble is no single checkpoint. Save its members, or their average with "
            "`s2s-zoo average`."
        )


class EnsembleDecoder:
    """The decoders of the members; its logits are the logarithms of their mean probabilities.

    Args:
        decoders: list of decoders.
    """

    def __init__(self, decoders):
        self.decoders = decoders
        self.vocabulary_size = decoders[0].vocabulary_size
        self.extra_ids = getattr(decoders[0], "extra_ids", 0)

    def init(self, encoded, max_length=None):
        made = [
            decoder.init(output, max_length)
            for decoder, output in zip(self.decoders, encoded.each, strict=True)
        ]
        memories, states = map(list, zip(*made, strict=True))
        return memories, self._state(states)

    def step(self, tokens, index, state, memory):
        made = [
            decoder.step(tokens, index, *of_decoder)
            for decoder, *of_decoder in zip(self.decoders, state["members"], memory, strict=True)
        ]
        logits, states = zip(*made, strict=True)
        return _mean(logits), self._state(list(states))

    def __call__(self, target, encoded, training=False):
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
